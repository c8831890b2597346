//! A room on axum's WebSockets: each has a receiver of one channel, as in axum's chat example.

use std::io;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::sync::broadcast;

/// More than is ever under way: nobody misses anything.
const CAPACITY: usize = 1024;

async fn visit(mut socket: WebSocket, room: broadcast::Sender<Message>) {
    let mut messages = room.subscribe();
    loop {
        tokio::select! {
            message = messages.recv() => {
                let Ok(message) = message else { return };
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            message = socket.recv() => {
                let Some(Ok(message)) = message else { return };
                if matches!(message, Message::Text(_) | Message::Binary(_)) {
                    let _ = room.send(message);
                }
            }
        }
    }
}

fn main() -> io::Result<()> {
    compare::run(async |listener| {
        let room = broadcast::Sender::new(CAPACITY);
        let route = get(async move |upgrade: WebSocketUpgrade| upgrade.on_upgrade(move |socket| visit(socket, room)));
        let app = Router::new().route("/fanout", route);
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, app).await
    })
}
