//! poem 3: the layer goes around the endpoint as a hyper service, before poem hides hyper's `OnUpgrade`. poem's own
//! `Server` has no place for it there (see `tests/wrong_way.rs`), so the server is hyper-util's.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::http::uri::Scheme;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Response, Route, get, handler};
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

#[handler]
fn upgrade() -> Response {
    ws::upgrade(echo)
        .into_response::<BoxBody<Bytes, std::io::Error>>()
        .into()
}

#[handler]
fn page() -> &'static str {
    "an ordinary page"
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let routes = Arc::new(Route::new().at("/echo", get(upgrade)).at("/", get(page)));
    let layer = UpgradeLayer::new();
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
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = terminate.recv() => break,
        };
        stream.set_nodelay(true)?;
        let (local, peer) = (LocalAddr(stream.local_addr()?.into()), RemoteAddr(peer.into()));
        let routes = routes.clone();
        let service = layer.layer(service_fn(move |request: hyper::Request<Incoming>| {
            let request = (request, local.clone(), peer.clone(), Scheme::HTTP).into();
            let routes = routes.clone();
            async move { Ok::<_, Infallible>(hyper::Response::from(routes.get_response(request).await)) }
        }));
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::spawn(requests.watch(connection.into_owned()));
    }
    drop(listener);
    // Both at once: over HTTP/2 a socket is a request under way.
    let requests = timeout(DEADLINE, requests.shutdown());
    let _ = tokio::join!(layer.sockets().shutdown(DEADLINE), requests);
    Ok(())
}
