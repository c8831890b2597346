//! Peers over real TCP that are there in name only: behind a proxy that forwards nothing any more, or not reading.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

#[path = "peer/mod.rs"]
mod peer;

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::AbortHandle;
use upsock::ws::{self, Config, KeepAlive, WebSocket};

use crate::peer::{PING, PONG, Raw, Server, TEXT, describe, endless, soon};

const SOON: Duration = Duration::from_millis(250);

fn impatient(config: Config) -> Config {
    endless(config).keep_alive(KeepAlive::new(SOON, SOON))
}

/// A connection through a proxy that can stop forwarding without ending either side: as a cable that is pulled.
async fn through_a_proxy(server: &Server) -> (Raw<TcpStream>, AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (mut inner, mut outer) = (server.tcp().await, accepted.unwrap().0);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
            _ = stopped => std::future::pending().await,
        }
    });
    let cable = tokio::spawn(async move {
        // Dropped when it is aborted, and the proxy hears of it.
        let _stop = stop;
        std::future::pending::<()>().await;
    });
    let raw = soon(Raw::handshake(client.unwrap())).await;
    (raw, cable.abort_handle())
}

#[tokio::test]
async fn a_cable_that_is_pulled_is_noticed_and_a_quiet_peer_stays() {
    let (server, mut seen) = Server::watching(impatient);
    let (mut client, cable) = through_a_proxy(&server).await;
    for _ in 0..2 {
        let ping = client.frame().await;
        assert_eq!(ping.opcode, PING);
        client.send(PONG, ping.payload).await;
    }
    assert!(seen.try_recv().is_err(), "the peer has answered");
    cable.abort();
    assert_eq!(soon(seen.recv()).await.unwrap(), ["abnormal"]);
    drop(client);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_left_at_the_write_deadline() {
    for moved in [false, true] {
        let (report, mut seen) = unbounded_channel();
        let server = Server::new(move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| async move {
                let run = async move {
                    while socket.send(vec![0; 100_000].into()).await.is_ok() {}
                    let _ = report.send(describe(&socket.recv().await.unwrap()));
                };
                if moved {
                    tokio::spawn(run).await.unwrap();
                } else {
                    run.await;
                }
            })
            .configure(|config| endless(config).write_deadline(SOON))
        });
        let mut client = server.raw().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), "abnormal", "moved: {moved}");
        client.expect_dropped().await;
    }
}

#[tokio::test]
async fn a_message_that_is_never_finished_ends_with_1008() {
    let (server, mut seen) = Server::watching(|config| endless(config).message_deadline(SOON));
    let mut client = server.raw().await;
    client.write(&[0x80 | TEXT, 0x80 | 5, 0, 0, 0, 0, b'h']).await;
    client.expect_close(1008, "message takes too long").await;
    assert_eq!(soon(seen.recv()).await.unwrap(), ["limit"]);
}

/// Nothing is read while a pong is owed; but when none can be sent any more, its end must be seen.
#[tokio::test]
async fn a_reset_is_seen_though_a_pong_is_owed() {
    let (report, mut seen) = unbounded_channel();
    let server = Server::new(move || {
        let report = report.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            let sender = socket.sender();
            tokio::spawn(async move { while sender.send(vec![0; 100_000].into()).await.is_ok() {} });
            while let Some(item) = socket.recv().await {
                let _ = report.send(describe(&item));
            }
        })
        .configure(endless)
    });
    let mut client = server.raw().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.send(PING, "there?").await;
    assert_eq!(soon(seen.recv()).await.unwrap(), "ping there?");
    client.reset();
    assert_eq!(soon(seen.recv()).await.unwrap(), "abnormal");
}
