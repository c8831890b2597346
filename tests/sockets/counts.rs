//! A socket is in the set from its promotion until its session has ended, with its closure.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Empty, Full};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use upsock::UpgradeLayer;
use upsock::ws::{self, Config, Rejection, Sockets, WebSocket};

use crate::peer::{Raw, TEXT, soon};
use crate::support::Head;
use crate::{connect, expect_open, serve, support};

async fn read_to_the_end(mut socket: WebSocket) {
    while socket.recv().await.is_some() {}
}

#[tokio::test]
async fn a_closure_that_goes_on_after_the_connection_counts_until_its_end() {
    let go = Arc::new(Notify::new());
    let wait = go.clone();
    let layer = UpgradeLayer::new();
    let sockets = layer.sockets();
    let server = serve(&layer, move || {
        let wait = wait.clone();
        ws::upgrade(move |socket| async move {
            read_to_the_end(socket).await;
            wait.notified().await;
        })
    })
    .await;
    assert!(sockets.is_empty());
    let mut client = connect(server).await;
    assert_eq!(sockets.len(), 1);
    client.leave().await;
    drop(client);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(sockets.len(), 1);
    assert!(sockets.iter().all(|sender| sender.is_closed()));
    go.notify_one();
    expect_open(&sockets, 0).await;
}

#[tokio::test]
async fn a_half_in_another_task_counts_after_the_closure_has_returned() {
    let layer = UpgradeLayer::new();
    let sockets = layer.sockets();
    let server = serve(&layer, || {
        ws::upgrade(|socket| async move {
            tokio::spawn(read_to_the_end(socket));
        })
    })
    .await;
    let mut client = connect(server).await;
    client.ping_pong().await;
    assert_eq!(sockets.len(), 1);
    client.leave().await;
    drop(client);
    expect_open(&sockets, 0).await;
}

/// A connection of a server on a transport that holds 16 bytes: its 101 cannot be written until the client reads.
fn starting(layer: &UpgradeLayer) -> tokio::io::DuplexStream {
    let (client, io) = tokio::io::duplex(16);
    let service = layer.layer(support::service(|_| {
        ws::upgrade(read_to_the_end).into_response::<Full<Bytes>>()
    }));
    tokio::spawn(
        http1::Builder::new()
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades(),
    );
    client
}

#[tokio::test]
async fn a_socket_that_is_starting_counts_and_one_that_fails_to_start_does_not() {
    let layer = UpgradeLayer::new().max_sockets(1);
    let sockets = layer.sockets();
    let mut client = starting(&layer);
    soon(client.write_all(&Head::handshake("/").and(""))).await.unwrap();
    expect_open(&sockets, 1).await;
    let sender = sockets.iter().next().unwrap();
    sender.try_send("early".into()).unwrap();

    // No other passes it.
    let mut second = starting(&layer);
    soon(second.write_all(&Head::handshake("/").and(""))).await.unwrap();
    let mut answer = String::new();
    soon(second.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");

    let mut client = Raw::new(client);
    client.skip_response().await;
    client.expect(TEXT, "early").await;
    client.leave().await;
    drop(client);
    expect_open(&sockets, 0).await;

    let mut client = starting(&layer);
    soon(client.write_all(&Head::handshake("/").and(""))).await.unwrap();
    expect_open(&sockets, 1).await;
    let sender = sockets.iter().next().unwrap();
    drop(client);
    expect_open(&sockets, 0).await;
    soon(sender.closed()).await;
}

#[tokio::test]
async fn a_server_that_does_not_drive_upgrades_leaves_no_sockets_behind() {
    let layer = UpgradeLayer::new().max_sockets(1);
    let service = layer.layer(support::service(|_| {
        ws::upgrade(read_to_the_end).into_response::<Full<Bytes>>()
    }));
    let server = support::accept(move |stream| {
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone()));
    })
    .await;
    for _ in 0..3 {
        assert_eq!(support::ask(server, &Head::handshake("/")).await.status, 101);
        expect_open(&layer.sockets(), 0).await;
    }
}

#[tokio::test]
async fn what_was_opened_without_the_layer_is_not_in_its_set() {
    let layer = UpgradeLayer::new().max_sockets(0);
    let handler = hyper::service::service_fn(|mut request| async move {
        Ok::<_, Infallible>(ws::upgrade(read_to_the_end).respond_to::<_, Empty<Bytes>>(&mut request))
    });
    let server = support::serve(handler).await;
    let mut client = connect(server).await;
    let (peer, io) = tokio::io::duplex(64);
    let socket = WebSocket::from_io(io, Config::new());
    assert!(layer.sockets().is_empty());
    client.leave().await;
    drop((peer, socket));

    // Nor is what another layer has opened; but a clone is the same layer.
    let (layer, other) = (UpgradeLayer::new(), UpgradeLayer::new());
    let server = serve(&layer.clone(), || ws::upgrade(read_to_the_end)).await;
    let _client = connect(server).await;
    assert_eq!((layer.sockets().len(), other.sockets().len()), (1, 0));
}

#[tokio::test]
async fn a_set_opens_sockets_on_any_stream_and_refuses_them_as_a_layer_does() {
    let layer = UpgradeLayer::new().max_sockets(2);
    let sockets = layer.sockets();
    let open = |sockets: &Sockets| {
        let (peer, io) = tokio::io::duplex(64);
        sockets.open(io, Config::new()).map(|socket| (Raw::new(peer), socket))
    };
    let (mut peer, mut socket) = open(&sockets).unwrap();
    let _other = open(&sockets).unwrap();
    assert_eq!(open(&sockets).err(), Some(Rejection::TooManySockets));
    peer.send(TEXT, "hello").await;
    assert!(soon(socket.recv()).await.unwrap().unwrap().is_text());
    drop((peer, socket));
    expect_open(&sockets, 1).await;
    assert!(open(&sockets).is_ok());
}
