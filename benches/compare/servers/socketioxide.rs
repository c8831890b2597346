//! A room of socketioxide, in axum.

use std::io;

use axum::Router;
use axum::serve::ListenerExt;
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};

async fn message(io: SocketIo, Data(data): Data<Value>) {
    let _ = io.to("all").emit("message", &data).await;
}

fn main() -> io::Result<()> {
    compare::run(async |listener| {
        let (layer, io) = SocketIo::new_layer();
        io.ns("/", async |socket: SocketRef| {
            socket.join("all");
            socket.on("message", message);
        });
        let app = Router::new().layer(layer);
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, app).await
    })
}
