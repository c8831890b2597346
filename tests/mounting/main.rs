//! The layer goes around any service, of tower, hyper or axum, and changes nothing else about it.

#![cfg(feature = "websocket")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "axum")]
mod axum;
mod services;
mod untouched;

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Bytes;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use upsock::ws::{self, CloseCode, CloseFrame, Message, WebSocket};

use crate::support::{Client, Head, ask, text, within};

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
}

/// `/plain` is an ordinary page; everything else upgrades.
fn route<B>(request: &Request<B>) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/plain" => text("plain"),
        _ => ws::upgrade(echo).into(),
    }
}

/// A client of another making opens `path`, talks, and closes as it should be.
async fn assert_echoes(server: SocketAddr, path: &str) {
    let request = format!("ws://{server}{path}").into_client_request().unwrap();
    let (mut client, _) = within(tokio_tungstenite::connect_async(request)).await.unwrap();
    for message in [
        Message::text("hello"),
        Message::binary(vec![7; 100_000]),
        Message::text(""),
    ] {
        within(client.send(message.clone())).await.unwrap();
        assert_eq!(within(client.next()).await.unwrap().unwrap(), message);
    }
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    };
    within(client.close(Some(frame.clone()))).await.unwrap();
    assert_eq!(
        within(client.next()).await.unwrap().unwrap(),
        Message::Close(Some(frame))
    );
    assert!(within(client.next()).await.is_none());
}

/// The route echoes, and the rest of the server works as ever.
async fn assert_mounted(server: SocketAddr) {
    assert_echoes(server, "/").await;
    let mut client = Client::connect(server).await;
    for request in [Head::get("/plain"), Head::handshake("/plain")] {
        client.send(request.and("")).await;
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(client.take(5).await, b"plain");
    }
    let answer = ask(server, &Head::get("/")).await;
    assert_eq!((answer.status, answer.header("upgrade")), (426, Some("websocket")));
    let answer = ask(server, &Head::handshake("/").without("Sec-WebSocket-Key")).await;
    assert_eq!((answer.status, answer.header("upgrade")), (400, None));
}

/// Frames that a client sends together with its handshake, before it has the answer.
async fn assert_early_frames_arrive(server: SocketAddr) {
    let mut client = Client::connect(server).await;
    // "early", masked; a second frame begins, and ends later.
    client
        .send(Head::handshake("/").and(b"\x81\x85\x01\x02\x03\x04dcqhx\x81\x84\0\0\0\0la"))
        .await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.take(7).await, b"\x81\x05early");
    client.send("te").await;
    assert_eq!(client.take(6).await, b"\x81\x04late");
}
