//! sockudo-ws in axum: over HTTP/1.1 only this way does it agree on compression.

use std::io;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};
use sockudo_ws::axum_integration::{WebSocket, WebSocketUpgrade};
use sockudo_ws::{Config, DeflateConfig, Message};

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = StreamExt::next(&mut socket).await {
        let data = matches!(message, Message::Text(_) | Message::Binary(_));
        if data && SinkExt::send(&mut socket, message).await.is_err() {
            break;
        }
    }
}

fn config() -> Config {
    let Some(deflate) = compare::deflate() else {
        return Config::default();
    };
    let defaults = DeflateConfig::default();
    let deflate = DeflateConfig {
        compression_level: deflate.level.into(),
        compression_threshold: deflate.threshold.unwrap_or(defaults.compression_threshold),
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        ..defaults
    };
    Config::builder().deflate_config(deflate).build()
}

fn main() -> io::Result<()> {
    let config = config();
    compare::run(async |listener| {
        let route = get(async move |upgrade: WebSocketUpgrade| upgrade.config(config).on_upgrade(echo));
        let app = Router::new().route("/echo", route);
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, app).await
    })
}
