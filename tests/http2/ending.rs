//! How a socket's stream ends: END_STREAM for what ends as it should, a reset for what does not.

use h2::Reason;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use upsock::ws::{self, Config, WebSocket};

use crate::client::{Client, handshake};
use crate::peer::{TEXT, endless, frame, header, short, soon, watch};
use crate::upgrading;

/// A client, and what the handlers of its sockets see.
async fn watching(configure: fn(Config) -> Config) -> (Client, UnboundedReceiver<Vec<String>>) {
    let (report, seen) = unbounded_channel();
    let server = upgrading(move || {
        let report = report.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            let _ = report.send(watch(&mut socket).await);
        })
        .configure(configure)
    })
    .await;
    (Client::connect(server).await, seen)
}

#[tokio::test]
async fn a_close_of_the_client() {
    let (mut client, mut seen) = watching(endless).await;
    let mut socket = client.open(handshake("/")).await;
    socket.send(TEXT, "bye").await;
    socket.send_close(4001).await;
    socket.expect_close(4001, "").await;
    // END_STREAM, while the client's side is still open.
    socket.expect_end().await;
    assert_eq!(soon(seen.recv()).await.unwrap(), ["text bye", "close 4001"]);
}

#[tokio::test]
async fn a_close_and_the_end_of_the_stream_at_once() {
    let (mut client, mut seen) = watching(endless).await;
    let mut socket = client.open(handshake("/")).await;
    socket.shutdown_with_close().await;
    socket.expect_close(1000, "").await;
    socket.expect_end().await;
    assert_eq!(soon(seen.recv()).await.unwrap(), ["close 1000"]);
}

#[tokio::test]
async fn a_close_of_the_server() {
    let server = upgrading(|| ws::upgrade(async |_| {}).configure(endless)).await;
    let mut client = Client::connect(server).await;
    let mut socket = client.open(handshake("/")).await;
    socket.expect_close(1000, "").await;
    // Not before the client's answer.
    socket.expect_silence().await;
    socket.send_close(1000).await;
    socket.expect_end().await;
}

#[tokio::test]
async fn a_broken_protocol() {
    let (mut client, mut seen) = watching(endless).await;
    let mut socket = client.open(handshake("/")).await;
    // Not masked.
    socket.write(b"\x81\x02hi").await;
    assert_eq!(socket.frame().await.payload[..2], 1002u16.to_be_bytes());
    socket.expect_end().await;
    assert_eq!(soon(seen.recv()).await.unwrap(), ["protocol"]);
}

#[tokio::test]
async fn an_early_end_of_the_stream() {
    for cut in [&b""[..], &header(0x81, 100), &frame(0x01, "half")] {
        let (mut client, mut seen) = watching(endless).await;
        let mut socket = client.open(handshake("/")).await;
        socket.write(cut).await;
        socket.shutdown().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["abnormal"]);
        socket.expect_end().await;
    }
}

#[tokio::test]
async fn a_reset_within_a_message() {
    for reason in [
        Reason::CANCEL,
        Reason::NO_ERROR,
        Reason::STREAM_CLOSED,
        Reason::INTERNAL_ERROR,
    ] {
        let (mut client, mut seen) = watching(endless).await;
        let mut socket = client.open(handshake("/")).await;
        let mut sibling = client.open(handshake("/")).await;
        socket.write(&frame(0x01, "half")).await;
        socket.ping_pong().await;
        socket.get_mut().reset(reason);
        assert_eq!(
            soon(seen.recv()).await.unwrap(),
            ["ping are you there?", "abnormal"],
            "{reason:?}"
        );
        sibling.leave().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["close 1000"], "{reason:?}");
    }
}

#[tokio::test]
async fn a_connection_that_vanishes() {
    let (mut client, mut seen) = watching(endless).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(client.open(handshake("/")).await);
    }
    client.abort();
    for _ in &sockets {
        assert_eq!(soon(seen.recv()).await.unwrap(), ["abnormal"]);
    }
}

/// hyper gives no means to send another reason: its side of the stream ends, and then it takes no more.
#[tokio::test]
async fn a_client_that_does_not_answer_the_close() {
    let server = upgrading(|| ws::upgrade(async |_| {}).configure(short)).await;
    let mut client = Client::connect(server).await;
    let mut socket = client.open(handshake("/")).await;
    socket.expect_close(1000, "").await;
    assert_eq!(socket.get_mut().reset_by_server().await, Reason::NO_ERROR);
}

#[tokio::test]
async fn a_client_that_leaves_its_side_open() {
    let server = upgrading(|| ws::upgrade(async |_| {}).configure(short)).await;
    let mut client = Client::connect(server).await;
    let mut socket = client.open(handshake("/")).await;
    socket.expect_close(1000, "").await;
    socket.send_close(1000).await;
    socket.expect_end().await;
    // It may linger, but not for ever.
    assert_eq!(socket.get_mut().reset_by_server().await, Reason::NO_ERROR);
    assert!(soon(socket.get_mut().write_all(b"more")).await.is_err());
}
