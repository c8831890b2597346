//! The peer vanishes: one abnormal error, and nothing waits for it any longer.

use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;
use tokio::time::sleep;
use upsock::ws::{self, CloseCode, WebSocket};

use crate::peer::{Server, TEXT, endless, frame, header, soon};

#[tokio::test]
async fn an_end_without_a_close_is_one_abnormal_error() {
    let cut_off = [
        vec![],
        vec![0x81],
        frame(0x81, "abc")[..7].to_vec(),
        frame(0x01, "abc"),
        header(0x82, 1 << 20),
    ];
    for rest in cut_off {
        let (server, mut seen) = Server::watching(endless);
        let mut client = server.raw().await;
        client.send(TEXT, "a").await;
        client.write(&rest).await;
        client.shutdown().await;
        client.expect_end().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["text a", "abnormal"], "{rest:x?}");
    }
}

#[tokio::test]
async fn a_reset_is_one_abnormal_error() {
    let (server, mut seen) = Server::watching(endless);
    let mut client = server.raw().await;
    client.ping_pong().await;
    client.reset();
    assert_eq!(soon(seen.recv()).await.unwrap(), ["ping are you there?", "abnormal"]);
}

#[tokio::test]
async fn a_reset_ends_what_a_handler_waits_for() {
    // Twice in the closure, twice in another task.
    for round in 0..4 {
        let (report, mut seen) = unbounded_channel();
        let server = Server::new(move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| async move {
                let run = async move {
                    if round % 2 == 0 {
                        while socket.send(vec![0; 100_000].into()).await.is_ok() {}
                    } else {
                        let _ = socket.send(vec![0; 20_000_000].into()).await;
                        let _ = socket.close(CloseCode::Normal, "").await;
                    }
                    let _ = report.send(());
                };
                if round < 2 {
                    run.await;
                } else {
                    tokio::spawn(run).await.unwrap();
                }
            })
            .configure(endless)
        });
        let client = server.raw().await;
        sleep(Duration::from_millis(50)).await;
        client.reset();
        soon(seen.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn an_end_without_a_close_ends_the_connection_though_the_handler_never_reads() {
    let server = Server::new(|| {
        ws::upgrade(|socket| async move {
            let _socket = socket;
            pending::<()>().await;
        })
        .configure(endless)
    });
    let mut client = server.raw().await;
    client.send(TEXT, "unread").await;
    client.shutdown().await;
    client.expect_end().await;
}
