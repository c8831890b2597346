//! axum 0.8: the layer goes around the router, or is a layer of it.

use std::future::IntoFuture;
use std::time::Duration;

use axum::extract::Request;
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Router, ServiceExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use upsock::ws::{self, Message, UpgradeLayer, WebSocket};

/// Below the 30 s after which Kubernetes and others kill a process.
const DEADLINE: Duration = Duration::from_secs(25);

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        match message {
            Message::Text(text) if text == "bye" => break,
            Message::Text(_) | Message::Binary(_) => drop(socket.send(message).await),
            _ => {}
        }
    }
}

async fn upgrade() -> ws::Upgrade {
    ws::upgrade(echo)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let router = Router::new()
        .route("/echo", get(upgrade))
        .route("/", get("an ordinary page"));
    let layer = UpgradeLayer::new();
    let app = layer.layer(router);
    let mut terminate = signal(SignalKind::terminate())?;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, ServiceExt::<Request>::into_make_service(app))
        .with_graceful_shutdown(async { drop(stopped.await) });
    let drain = async {
        terminate.recv().await;
        drop(stop);
        layer.sockets().shutdown(DEADLINE).await
    };
    tokio::join!(server.into_future(), drain).0
}
