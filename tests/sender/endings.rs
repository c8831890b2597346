//! However a socket ends, its senders hear of it; and what they have accepted leaves before our Close.

use std::future::pending;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use upsock::ws::{self, CloseCode, Config, Error, Sender, Sockets, TrySendError, WebSocket};

use crate::open;
use crate::peer::{CLOSE, Raw, Server, TEXT, endless, frame, in_memory, soon};

/// Its promise, whatever has happened.
async fn expect_closed(sender: &Sender) {
    soon(sender.closed()).await;
    assert!(sender.is_closed());
    assert!(matches!(sender.try_send("a".into()), Err(TrySendError::Closed(_))));
    assert!(soon(sender.send("a".into())).await.unwrap_err().is_closed());
    assert!(sender.close(CloseCode::Normal, "").unwrap_err().is_closed());
    // For whoever comes late, too.
    soon(sender.clone().closed()).await;
}

/// A server whose handler hands out a sender, and ends as the client's first message says.
fn server() -> (Server, UnboundedReceiver<Sender>) {
    let (give, senders) = unbounded_channel();
    let server = Server::new(move || {
        let give = give.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            let _ = give.send(socket.sender());
            let order = match socket.recv().await {
                Some(Ok(order)) if order.is_text() => order,
                // It hangs: its senders must hear of the end all the same.
                _ => return pending().await,
            };
            match order.to_text().unwrap() {
                "return" => Ok(()),
                "fail" => Err(Error::close(CloseCode::Library(4000), "failed")),
                "panic" => panic!("as told"),
                _ => {
                    let _ = socket.close(CloseCode::Away, "bye").await;
                    pending().await
                }
            }
        })
        .configure(endless)
    });
    (server, senders)
}

#[tokio::test]
async fn a_sender_hears_of_the_end_whatever_it_is() {
    let (server, mut senders) = server();
    let endings = [
        "return",
        "fail",
        "panic",
        "close",
        "by a sender",
        "peer closes",
        "peer shuts down",
        "reset",
        "violation",
    ];
    for ending in endings {
        let mut client = server.raw().await;
        let sender = senders.recv().await.unwrap();
        assert!(!sender.is_closed());
        let waiting = tokio::spawn({
            let sender = sender.clone();
            async move { sender.closed().await }
        });
        let mut kept = None;
        match ending {
            "by a sender" => sender.close(CloseCode::Normal, "").unwrap(),
            "reset" => client.reset(),
            _ => {
                match ending {
                    "peer closes" => client.send_close(1000).await,
                    "peer shuts down" => client.shutdown().await,
                    "violation" => client.write(&frame(0x83, "")).await,
                    order => client.send(TEXT, order).await,
                }
                kept = Some(client);
            }
        }
        soon(waiting).await.unwrap();
        expect_closed(&sender).await;
        drop(kept);
    }
}

#[tokio::test]
async fn a_sender_hears_of_an_abort() {
    let sockets = Sockets::new();
    let (_peer, io) = tokio::io::duplex(64);
    let mut socket = sockets.open(io, endless(Config::new())).unwrap();
    let sender = socket.sender();
    let waiting = tokio::spawn({
        let sender = sender.clone();
        async move { sender.closed().await }
    });
    assert_eq!(soon(sockets.shutdown(Duration::from_millis(20))).await.aborted, 1);
    soon(waiting).await.unwrap();
    expect_closed(&sender).await;
    assert!(soon(socket.recv()).await.is_none_or(|item| item.is_err()));
}

#[tokio::test]
async fn a_sender_hears_of_the_end_of_the_sockets_runtime() {
    let (server, mut senders) = server();
    let _client = server.raw().await;
    let sender = senders.recv().await.unwrap();
    let waiting = tokio::spawn({
        let sender = sender.clone();
        async move { sender.closed().await }
    });
    server.stop();
    soon(waiting).await.unwrap();
    expect_closed(&sender).await;

    // A runtime of one thread, dropped in the middle of things, while a handle and a sender wait elsewhere.
    let (_peer, io) = tokio::io::duplex(64);
    let opened = tokio::task::spawn_blocking(|| {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (socket, sender) = runtime.block_on(async {
            let socket = WebSocket::from_io(io, Config::new().outbox(1, 1).high_water_mark(1));
            let sender = socket.sender();
            for _ in 0..2 {
                sender.send(vec![0; 100].into()).await.unwrap();
            }
            (socket, sender)
        });
        (runtime, socket, sender)
    });
    let (runtime, mut socket, sender) = opened.await.unwrap();
    let send = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send("no room".into()).await }
    });
    let receive = tokio::spawn(async move { socket.recv().await.is_none_or(|item| item.is_err()) });
    tokio::task::yield_now().await;
    assert!(!send.is_finished() && !receive.is_finished());
    tokio::task::spawn_blocking(|| drop(runtime)).await.unwrap();
    assert!(soon(send).await.unwrap().unwrap_err().is_closed());
    assert!(soon(receive).await.unwrap());
    expect_closed(&sender).await;
}

#[tokio::test]
async fn senders_do_not_keep_a_session_alive() {
    let (socket, mut peer) = open(64, Config::new());
    let senders = [socket.sender(), socket.sender()];
    let waiting = tokio::spawn({
        let sender = socket.sender();
        async move { sender.closed().await }
    });
    drop(socket);
    peer.expect_close(1000, "").await;
    peer.send_close(1000).await;
    peer.expect_end().await;
    soon(waiting).await.unwrap();
    expect_closed(&senders[0]).await;
}

const ACCEPTED: usize = 300;

fn accept(sender: &Sender) {
    for number in 0..ACCEPTED {
        sender.try_send(format!("{number}").into()).unwrap();
    }
}

/// All that was accepted, then the Close frame, and no more.
async fn expect_all(peer: &mut Raw<DuplexStream>, code: u16, what: &str) {
    for number in 0..ACCEPTED {
        let frame = peer.frame().await;
        let found = (frame.opcode, String::from_utf8_lossy(&frame.payload).into_owned());
        assert_eq!(found, (TEXT, number.to_string()), "{what}");
    }
    let frame = peer.frame().await;
    assert_eq!(
        (frame.opcode, &frame.payload[..2]),
        (CLOSE, &code.to_be_bytes()[..]),
        "{what}"
    );
}

/// The session can hardly write, so that nearly all of it waits.
fn narrow(config: Config) -> Config {
    endless(config.high_water_mark(1))
}

#[tokio::test]
async fn what_was_accepted_leaves_before_our_close_however_the_handler_ends() {
    for (ending, code) in [("return", 1000), ("fail", 4000), ("panic", 1011), ("close", 1001)] {
        let mut peer = in_memory(64, move || {
            ws::upgrade(move |mut socket: WebSocket| async move {
                accept(&socket.sender());
                match ending {
                    "return" => Ok(()),
                    "fail" => Err(Error::close(CloseCode::Library(4000), "failed")),
                    "panic" => panic!("as told"),
                    _ => socket.close(CloseCode::Away, "bye").await,
                }
            })
            .configure(narrow)
        })
        .await;
        expect_all(&mut peer, code, ending).await;
    }
}

#[tokio::test]
async fn what_was_accepted_leaves_before_our_close_whoever_else_begins() {
    let endings = [
        ("drop", 1000),
        ("close", 1001),
        ("by a sender", 1002),
        ("peer closes", 3000),
        ("violation", 1002),
        ("shutdown", 1001),
    ];
    for (ending, code) in endings {
        let sockets = Sockets::new();
        let (peer, io) = tokio::io::duplex(64);
        let mut peer = Raw::new(peer);
        let mut socket = Some(sockets.open(io, narrow(Config::new())).unwrap());
        let sender = socket.as_ref().unwrap().sender();
        accept(&sender);
        match ending {
            "drop" => socket = None,
            "close" => {
                let mut socket = socket.take().unwrap();
                tokio::spawn(async move { socket.close(CloseCode::Away, "").await });
            }
            "by a sender" => sender.close(CloseCode::Protocol, "").unwrap(),
            "peer closes" => peer.send_close(3000).await,
            "violation" => peer.write(&frame(0x83, "")).await,
            _ => {
                let sockets = sockets.clone();
                tokio::spawn(async move { sockets.shutdown(Duration::from_secs(60)).await });
            }
        }
        expect_all(&mut peer, code, ending).await;
        drop(socket);
    }
}
