//! hyper 1: the layer goes around the service; the connection is driven with upgrades.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
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

async fn route(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match request.uri().path() {
        "/echo" => ws::upgrade(echo).into_response(),
        _ => Response::new("an ordinary page".into()),
    })
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let layer = UpgradeLayer::new();
    let service = layer.layer(service_fn(route));
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
