//! upsock in axum: the same server as `axum.rs`, but for the WebSocket.

use std::io;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};
use upsock::ws::{self, UpgradeLayer, WebSocket};

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = StreamExt::next(&mut socket).await {
        if (message.is_text() || message.is_binary()) && SinkExt::send(&mut socket, message).await.is_err() {
            break;
        }
    }
}

fn main() -> io::Result<()> {
    compare::run(async |listener| {
        let route = get(async || ws::upgrade(echo));
        let app = Router::new().route("/echo", route).layer(UpgradeLayer::new());
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, app).await
    })
}
