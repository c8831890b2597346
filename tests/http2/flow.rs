//! The windows of HTTP/2 are the back-pressure of the socket, both ways.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use h2::client::Builder;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::unbounded_channel;
use upsock::ws::{self, CloseCode, Message, WebSocket};

use crate::client::{Client, handshake};
use crate::peer::{BINARY, TEXT, describe, frame, short, soon};
use crate::{answering, echo, upgrading};
use upsock::UpgradeLayer;

/// Waits until the count stays what it is.
async fn settled(count: &AtomicUsize) -> usize {
    let mut last = usize::MAX;
    soon(async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = count.load(Relaxed);
            if now == last {
                return now;
            }
            last = now;
        }
    })
    .await
}

/// The handler sends messages of this size until its socket is over.
async fn pouring(bytes: usize) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let server = answering(UpgradeLayer::new(), move |request| {
        if request.uri().path() == "/echo" {
            return ws::upgrade(echo).into();
        }
        let count = count.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            while socket.send(Message::binary(vec![b'x'; bytes])).await.is_ok() {
                count.fetch_add(1, Relaxed);
            }
        })
        .configure(short)
        .into()
    })
    .await;
    (server, sent)
}

/// A window that never opens: no byte of any message can be sent.
#[tokio::test]
async fn a_window_that_never_opens_holds_the_handler() {
    for (bytes, most) in [(1 << 20, 2), (1 << 10, 64 + 5 * 16)] {
        let (server, sent) = pouring(bytes).await;
        let mut client = Client::build(server, Builder::new().initial_window_size(0)).await;
        let mut socket = client.open(handshake("/")).await;
        let held = settled(&sent).await;
        assert!((1..=most).contains(&held), "{held} messages of {bytes} bytes");
        // Reset while it waits for the window: the handler hears of it.
        socket.get_mut().reset(h2::Reason::CANCEL);
        assert!(settled(&sent).await <= held + 1);
    }
}

#[tokio::test]
async fn what_waited_for_the_window_comes_when_it_opens() {
    let (server, sent) = pouring(100_000).await;
    let mut client = Client::connect(server).await;
    let mut socket = client.open(handshake("/")).await;
    let held = settled(&sent).await;
    assert!(held <= 4, "{held} messages");
    for _ in 0..50 {
        socket.expect(BINARY, vec![b'x'; 100_000]).await;
    }
    assert!(sent.load(Relaxed) >= 50 - 1);
}

/// Neither the client's window for a sibling nor the server's is used up.
#[tokio::test]
async fn a_socket_that_is_not_read_leaves_its_siblings_alone() {
    let (server, sent) = pouring(100_000).await;
    let mut builder = Builder::new();
    let mut client = Client::build(server, builder.initial_connection_window_size(1 << 20)).await;
    let unread = client.open(handshake("/")).await;
    settled(&sent).await;
    let mut sibling = client.open(handshake("/echo")).await;
    sibling.send(BINARY, vec![b'x'; 200_000]).await;
    sibling.expect(BINARY, vec![b'x'; 200_000]).await;
    sibling.leave().await;
    drop(unread);
}

#[tokio::test]
async fn a_handler_that_does_not_read_holds_the_client() {
    let (report, mut seen) = unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let server = answering(UpgradeLayer::new(), move |request| {
        if request.uri().path() == "/echo" {
            return ws::upgrade(echo).into();
        }
        let (report, gate) = (report.clone(), gate.clone());
        ws::upgrade(move |mut socket: WebSocket| async move {
            let _ = gate.acquire().await;
            while let Some(item) = socket.recv().await {
                let _ = report.send(describe(&item));
            }
        })
        .into()
    })
    .await;
    let mut client = Client::connect(server).await;
    let mut socket = client.open(handshake("/slow")).await;
    let message = frame(0x82, vec![b'x'; 10_000]);
    let taken = socket.write_until_stalled(&message).await;
    // The stream's window, what one read takes, and what the h2 of the client has taken over.
    assert!(taken < 512 << 10, "{taken} bytes");
    let mut sibling = client.open(handshake("/echo")).await;
    sibling.send(TEXT, "not held").await;
    sibling.expect(TEXT, "not held").await;
    opened.add_permits(1);
    let whole = taken / message.len();
    socket.write(&message[taken % message.len()..]).await;
    for _ in 0..=whole {
        assert_eq!(soon(seen.recv()).await.unwrap(), "binary 10000");
    }
    socket.leave().await;
}

/// A peer that takes no Close frame is not waited for.
#[tokio::test]
async fn a_closed_window_does_not_hold_the_close_timeout() {
    let (over, mut heard) = unbounded_channel();
    let server = upgrading(move || {
        let over = over.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            socket.close(CloseCode::Away, "").await.ok();
            let last = socket.recv().await;
            let _ = over.send(last.as_ref().map(describe));
        })
        .configure(short)
    })
    .await;
    let mut client = Client::build(server, Builder::new().initial_window_size(0)).await;
    let _socket = client.open(handshake("/")).await;
    assert_eq!(soon(heard.recv()).await.unwrap().as_deref(), Some("abnormal"));
}
