//! A server that stops: every socket is told and counted, none holds it up, and what was sent before still leaves.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

#[path = "../peer/mod.rs"]
mod peer;
#[path = "../support/mod.rs"]
mod support;

mod calls;
mod crowds;
mod deadline;
mod servers;

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use tokio::net::TcpStream;
use upsock::UpgradeLayer;
use upsock::ws::{Drained, Sockets, Upgrade, WebSocket};

use crate::peer::{Raw, soon};

/// hyper on a free port, with this layer and one route.
async fn serve(layer: &UpgradeLayer, route: impl Fn() -> Upgrade + Clone + Send + Sync + 'static) -> SocketAddr {
    let handler = support::service(move |_| route().into_response::<Full<Bytes>>());
    support::serve(layer.layer(handler)).await
}

async fn connect(server: SocketAddr) -> Raw {
    Raw::handshake(soon(TcpStream::connect(server)).await.unwrap()).await
}

fn counts(drained: Drained) -> (usize, usize) {
    (drained.closed, drained.aborted)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_text() && socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn emptied(sockets: &Sockets) {
    soon(async {
        while !sockets.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
