//! The set of a layer's sockets: who is in it, what it counts, and how many it admits.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

#[path = "../peer/mod.rs"]
mod peer;
#[path = "../support/mod.rs"]
mod support;

mod counts;
mod max;
mod stats;

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use tokio::net::TcpStream;
use upsock::UpgradeLayer;
use upsock::ws::{Sockets, Upgrade};

use crate::peer::{Raw, soon};

/// hyper on a free port, with this layer and one route.
async fn serve(layer: &UpgradeLayer, route: impl Fn() -> Upgrade + Clone + Send + Sync + 'static) -> SocketAddr {
    let handler = support::service(move |_| route().into_response::<Full<Bytes>>());
    support::serve(layer.layer(handler)).await
}

async fn connect(server: SocketAddr) -> Raw {
    Raw::handshake(soon(TcpStream::connect(server)).await.unwrap()).await
}

/// Waits until so many sockets are open.
async fn expect_open(sockets: &Sockets, count: usize) {
    soon(async {
        while sockets.len() != count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
