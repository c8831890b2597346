//! warp 0.4: the filters become a service, and the layer goes around it. `warp::serve` takes no layers, so the server
//! is hyper-util's.

use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use upsock::ws::{self, Message, UpgradeLayer, WebSocket};
use warp::Filter;
use warp::reply::Response;

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

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let upgrade = warp::path!("echo").map(|| -> Response { ws::upgrade(echo).into() });
    let page = warp::path::end().map(|| "an ordinary page".to_string());
    let layer = UpgradeLayer::new();
    let service = layer.layer(warp::service(upgrade.or(page)));
    let service = TowerToHyperService::new(service);
    let requests = GracefulShutdown::new();
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new());
    server.http2().enable_connect_protocol();
    server
        .http2()
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(2 << 20);
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = terminate.recv() => break,
        };
        stream.set_nodelay(true)?;
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service.clone());
        tokio::spawn(requests.watch(connection.into_owned()));
    }
    drop(listener);
    // Both at once: over HTTP/2 a socket is a request under way.
    let requests = timeout(DEADLINE, requests.shutdown());
    let _ = tokio::join!(layer.sockets().shutdown(DEADLINE), requests);
    Ok(())
}
