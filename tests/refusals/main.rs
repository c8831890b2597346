//! Each request that reaches an upgrading handler gets the answer that it is due: `101`, or the right refusal.

#![cfg(feature = "websocket")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../support/mod.rs"]
mod support;

mod accepted;
mod headers;
mod middleware;
mod misconfigured;
mod wrong_requests;

use std::net::SocketAddr;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use upsock::ws::{self, Rejection, UpgradeLayer, WebSocket};

use crate::support::{Answer, Head, serve, service, text};

/// "hello", unmasked.
const HELLO: &[u8] = b"\x81\x05hello";
/// "hello", masked with zeros.
const MASKED_HELLO: &[u8] = b"\x81\x85\0\0\0\0hello";

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_text() && socket.send(message).await.is_err() {
            break;
        }
    }
}

/// `/plain` is an ordinary page; everything else upgrades.
async fn server(upgrade: impl Fn() -> ws::Upgrade + Clone + Send + 'static) -> SocketAddr {
    let route = service(move |request: Request<Incoming>| -> Response<Full<Bytes>> {
        if request.uri().path() == "/plain" {
            text("plain")
        } else {
            upgrade().into()
        }
    });
    serve(UpgradeLayer::new().layer(route)).await
}

async fn echoing() -> SocketAddr {
    server(|| ws::upgrade(echo)).await
}

fn handshake() -> Head {
    Head::handshake("/")
}

/// All that are wrong, and why; with the body that follows.
#[rustfmt::skip]
fn wrong() -> Vec<(u16, Rejection, Head, &'static str)> {
    let set = |name, value| handshake().set(name, value);
    let add = |name, value| handshake().add(name, value);
    let line = |line| handshake().line(line);
    vec![
        (426, Rejection::NotAnUpgrade, handshake().without("Connection"), ""),
        (426, Rejection::NotAnUpgrade, set("Connection", "keep-alive"), ""),
        (426, Rejection::NotAnUpgrade, set("Connection", "noupgradeplease"), ""),
        (426, Rejection::NotAnUpgrade, set("Connection", "up grade, \"upgrade\""), ""),
        (426, Rejection::NotAnUpgrade, set("Upgrade", "h2c"), ""),
        (426, Rejection::NotAnUpgrade, set("Upgrade", "websocket2, nowebsocketplease"), ""),
        (426, Rejection::NotAnUpgrade, set("Upgrade", ""), ""),
        (426, Rejection::NotAnUpgrade, line("GET / HTTP/1.0"), ""),
        (426, Rejection::NotAnUpgrade, line("GET / HTTP/1.0").set("Connection", "keep-alive, upgrade"), ""),
        (426, Rejection::Version, handshake().without("Sec-WebSocket-Version"), ""),
        (426, Rejection::Version, set("Sec-WebSocket-Version", "8"), ""),
        (426, Rejection::Version, set("Sec-WebSocket-Version", "14"), ""),
        (426, Rejection::Version, set("Sec-WebSocket-Version", "013"), ""),
        (426, Rejection::Version, set("Sec-WebSocket-Version", ""), ""),
        (426, Rejection::Version, set("Sec-WebSocket-Version", "13, 8"), ""),
        (426, Rejection::Version, add("Sec-WebSocket-Version", "8"), ""),
        (405, Rejection::Method, line("POST / HTTP/1.1"), ""),
        (405, Rejection::Method, line("POST / HTTP/1.1").add("Content-Length", "5"), "hello"),
        (405, Rejection::Method, line("HEAD / HTTP/1.1"), ""),
        (405, Rejection::Method, line("OPTIONS / HTTP/1.1"), ""),
        (405, Rejection::Method, line("get / HTTP/1.1"), ""),
        (400, Rejection::Key, handshake().without("Sec-WebSocket-Key"), ""),
        (400, Rejection::Key, set("Sec-WebSocket-Key", ""), ""),
        (400, Rejection::Key, add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ""),
        (400, Rejection::Key, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j"), ""),
        (400, Rejection::Key, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE2"), ""),
        (400, Rejection::Key, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE="), ""),
        (400, Rejection::Key, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"), ""),
        (400, Rejection::Key, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZ!Bub25jZQ=="), ""),
        (400, Rejection::Body, add("Content-Length", "5"), "hello"),
        (400, Rejection::Body, add("Transfer-Encoding", "chunked"), "5\r\nhello\r\n0\r\n\r\n"),
        (400, Rejection::Subprotocol, add("Sec-WebSocket-Protocol", "a, b c"), ""),
        (400, Rejection::Subprotocol, add("Sec-WebSocket-Protocol", "a/b"), ""),
        (400, Rejection::Subprotocol, add("Sec-WebSocket-Protocol", "é"), ""),
        (400, Rejection::Host, handshake().without("Host"), ""),
        (400, Rejection::Host, add("Host", "localhost"), ""),
        (403, Rejection::Origin, add("Origin", "https://evil.example"), ""),
        (403, Rejection::Origin, add("Origin", "http://localhost").add("Origin", "http://localhost"), ""),
    ]
}

/// What a 426 must say (RFC 9110 §15.5.22, RFC 6455 §4.4).
#[track_caller]
fn assert_upgrade_required(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.header("upgrade")),
        (426, Some("websocket")),
        "{answer:?}"
    );
    assert!(answer.lists("connection", "upgrade"), "{answer:?}");
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));
}
