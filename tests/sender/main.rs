//! A sender: from anywhere, in order, bounded, and nothing that it has accepted is lost.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

#[path = "../peer/mod.rs"]
mod peer;

mod batches;
mod bounds;
mod endings;
mod floods;
mod model;
mod order;
mod wakeups;

use tokio::io::DuplexStream;
use upsock::ws::{Config, WebSocket};

use crate::peer::Raw;

/// A socket in memory, and its peer; between them there is room for so many bytes each way.
fn open(bytes: usize, config: Config) -> (WebSocket, Raw<DuplexStream>) {
    let (peer, io) = tokio::io::duplex(bytes);
    (WebSocket::from_io(io, config), Raw::new(peer))
}
