//! salvo 1: the layer is a hoop of the routes that upgrade, by salvo's `tower-compat` (through which other bodies lose
//! their length). It comes after the routing, so these routes take any method; the layer refuses the wrong ones. The
//! upgrade becomes the response by `merge_hyper`, which keeps the extensions; `Response::from` drops them (see
//! `tests/wrong_way.rs`).

use std::time::Duration;

use salvo::prelude::*;
use tokio::signal::unix::{SignalKind, signal};
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

#[handler]
async fn upgrade(response: &mut Response) {
    response.merge_hyper(ws::upgrade(echo).into_response::<String>());
}

#[handler]
async fn page() -> &'static str {
    "an ordinary page"
}

#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let acceptor = TcpListener::new(address).bind().await;
    println!("http://{}", acceptor.local_addr().expect("an address"));
    let layer = UpgradeLayer::new();
    let echo = Router::with_path("echo").hoop(layer.clone().compat()).goal(upgrade);
    let router = Router::new().get(page).push(echo);
    let mut server = Server::new(acceptor);
    server.http2_mut().enable_connect_protocol();
    let mut terminate = signal(SignalKind::terminate()).expect("a signal");
    let stop = server.handle();
    let drain = async {
        terminate.recv().await;
        stop.stop_graceful(DEADLINE);
        layer.sockets().shutdown(DEADLINE).await
    };
    tokio::join!(server.serve(router), drain);
}
