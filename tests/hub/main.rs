//! Rooms: who is in them, what they get and in which order, what becomes of the slow, the absent and the far away.

#![cfg(feature = "hub")]
// What the tests share is part of them; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

#[path = "../peer/mod.rs"]
mod peer;

mod catching_up;
mod crowd;
mod history;
mod joining;
mod lag;
mod mesh;
mod model;
mod order;
mod presence;
mod relay;

use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::task::yield_now;
use upsock::ws::{Config, Sender, WebSocket};

use crate::peer::{Raw, TEXT};

/// A socket and its peer.
struct Visitor {
    socket: WebSocket,
    client: Raw<DuplexStream>,
}

impl Visitor {
    fn new() -> Self {
        Self::with(1 << 16, Config::new())
    }

    /// On a transport that holds this many bytes.
    fn with(bytes: usize, config: Config) -> Self {
        let (client, io) = tokio::io::duplex(bytes);
        Self {
            socket: WebSocket::from_io(io, config),
            client: Raw::new(client),
        }
    }

    /// One that has not read `stall`, which was sent to it: its outbox takes this many messages.
    async fn stalled(outbox: usize) -> Self {
        let config = Config::new().high_water_mark(1).outbox(usize::MAX, outbox);
        let visitor = Self::with(10, config);
        visitor.sender().send(stall().into()).await.unwrap();
        rest().await;
        visitor
    }

    fn sender(&self) -> Sender {
        self.socket.sender()
    }

    #[track_caller]
    fn expect(&mut self, text: impl AsRef<str>) -> impl Future<Output = ()> {
        self.client.expect(TEXT, text.as_ref().to_owned())
    }
}

fn stall() -> String {
    "-".repeat(100)
}

/// Lets all sessions of this thread do what they can.
async fn rest() {
    for _ in 0..50 {
        yield_now().await;
    }
}

/// Waits for what will be the case.
async fn until(what: impl Fn() -> bool) {
    peer::soon(async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}
