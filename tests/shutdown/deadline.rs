//! At the deadline what is left is dropped, whatever it is doing.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use upsock::UpgradeLayer;
use upsock::ws::{self, Config, Sockets, WebSocket};

use crate::peer::{Raw, TEXT, soon};
use crate::{connect, counts, echo, emptied, serve};

const DEADLINE: Duration = Duration::from_millis(100);

struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn handlers_that_hang_are_dropped_and_the_others_have_closed() {
    let layer = UpgradeLayer::new();
    let sockets = layer.sockets();
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = dropped.clone();
    let server = serve(&layer, move || {
        let held = Dropped(count.clone());
        ws::upgrade(move |mut socket: WebSocket| async move {
            let order = socket.recv().await.unwrap().unwrap();
            if !order.is_text() {
                return;
            }
            let _held = held;
            pending::<()>().await;
        })
    })
    .await;
    let mut hung = Vec::new();
    for _ in 0..10 {
        let mut client = connect(server).await;
        client.send(TEXT, "hang").await;
        client.ping_pong().await;
        hung.push(client);
    }
    let mut fine = Vec::new();
    for _ in 0..5 {
        fine.push(connect(server).await);
    }
    let shutdown = tokio::spawn(async move { sockets.shutdown(DEADLINE).await });
    for client in hung.iter_mut().chain(&mut fine) {
        client.expect_close(1001, "server is shutting down").await;
        client.send_close(1001).await;
        client.expect_end().await;
    }
    drop(fine);
    let drained = soon(shutdown).await.unwrap();
    assert_eq!(counts(drained), (5, 10));
    emptied(&layer.sockets()).await;
    assert_eq!(dropped.load(Ordering::SeqCst), 15);
}

#[tokio::test]
async fn a_peer_that_does_not_answer_or_does_not_read_is_dropped() {
    let sockets = Sockets::new();
    let config = Config::new().close_timeout(Duration::from_secs(600)).high_water_mark(1);
    let (_silent, io) = tokio::io::duplex(256);
    let silent = sockets.open(io, config.clone()).unwrap();
    let (_deaf, io) = tokio::io::duplex(16);
    let deaf = sockets.open(io, config).unwrap();
    deaf.sender().try_send(vec![0; 100_000].into()).unwrap();
    assert_eq!(counts(soon(sockets.shutdown(DEADLINE)).await), (0, 2));
    emptied(&sockets).await;
    for socket in [silent, deaf] {
        assert!(socket.sender().is_closed());
    }
}

#[tokio::test]
async fn without_time_all_are_dropped() {
    let sockets = Sockets::new();
    let mut peers = Vec::new();
    for _ in 0..300 {
        let (peer, io) = tokio::io::duplex(64);
        let socket = sockets.open(io, Config::new()).unwrap();
        tokio::spawn(echo(socket));
        peers.push(Raw::new(peer));
    }
    assert_eq!(counts(soon(sockets.shutdown(Duration::ZERO)).await), (0, 300));
    emptied(&sockets).await;
}

#[tokio::test]
async fn a_socket_that_is_still_starting_is_dropped() {
    use tokio::io::AsyncWriteExt;
    let layer = UpgradeLayer::new();
    let (mut client, io) = tokio::io::duplex(16);
    let service = layer.layer(crate::support::service(|_| {
        ws::upgrade(echo).into_response::<http_body_util::Full<bytes::Bytes>>()
    }));
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(hyper_util::rt::TokioIo::new(io), service)
        .with_upgrades();
    tokio::spawn(connection);
    let request = crate::support::Head::handshake("/").and("");
    soon(client.write_all(&request)).await.unwrap();
    let sockets = layer.sockets();
    soon(async {
        while sockets.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(counts(soon(sockets.shutdown(DEADLINE)).await), (0, 1));
    emptied(&sockets).await;
}
