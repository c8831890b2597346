//! Each row of the closing table: what is on the wire, and what the handler sees.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

#[path = "../peer/mod.rs"]
mod peer;

mod handler_closes;
mod handler_ends;
mod handles_elsewhere;
mod peer_closes;
mod peer_stays;
mod peer_vanishes;
mod violations;

use upsock::ws::WebSocket;

use crate::peer::Server;

/// The codes that no Close frame may carry.
const RESERVED: [u16; 9] = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000];

/// The codes that a Close frame may carry, or the edges of their ranges.
const SENDABLE: [u16; 15] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4999,
];

/// The server closes: its Close frame, silence while it waits for the answer, and after that the end.
async fn closes_and_waits(server: &Server, code: u16, reason: &str) {
    let mut client = server.raw().await;
    client.expect_close(code, reason).await;
    client.expect_silence().await;
    client.send_close(code).await;
    client.expect_end().await;
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_text() || message.is_binary() {
            let _ = socket.send(message).await;
        }
    }
}
