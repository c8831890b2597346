//! axum's own WebSockets, which are tokio-tungstenite's.

use std::io;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = StreamExt::next(&mut socket).await {
        let data = matches!(message, Message::Text(_) | Message::Binary(_));
        if data && SinkExt::send(&mut socket, message).await.is_err() {
            break;
        }
    }
}

fn main() -> io::Result<()> {
    compare::run(async |listener| {
        let route = get(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo));
        let app = Router::new().route("/echo", route);
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, app).await
    })
}
