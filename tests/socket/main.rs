//! The socket as a handler uses it: whole, split, moved, cancelled, and with a peer that is slow.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

#[path = "../peer/mod.rs"]
mod peer;

mod cancelling;
mod echo;
mod pings;
mod sending;
mod slow_peer;
mod stream;

use std::future::Future;

use upsock::ws::{Message, WebSocket};

/// A handler as it is, and the same in a task that the closure does not wait for.
async fn run(moved: bool, handler: impl Future<Output = ()> + Send + 'static) {
    if moved {
        tokio::spawn(handler);
    } else {
        handler.await;
    }
}

async fn with_recv(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if is_data(&message) {
            socket.send(message).await.unwrap();
        }
    }
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}
