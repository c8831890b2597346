//! A room of upsock's hub, in axum.

use std::io;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use upsock::ws::hub::Hub;
use upsock::ws::{self, UpgradeLayer, WebSocket};

async fn visit(mut socket: WebSocket, hub: Hub) {
    let _membership = hub.join("all", &socket.sender());
    while let Some(Ok(message)) = socket.recv().await {
        hub.broadcast("all", message);
    }
}

fn main() -> io::Result<()> {
    compare::run(async |listener| {
        let hub = Hub::new();
        let route = get(async move || ws::upgrade(move |socket| visit(socket, hub)));
        let app = Router::new().route("/fanout", route).layer(UpgradeLayer::new());
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, app).await
    })
}
