//! WebSockets over HTTP/2 (RFC 8441): the same handlers, on streams of one connection.

#![cfg(all(feature = "websocket", feature = "http2"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../peer/mod.rs"]
mod peer;

mod accepted;
#[cfg(feature = "axum")]
mod axum;
mod client;
mod ending;
mod flow;
mod refused;

use std::error::Error;
use std::net::SocketAddr;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use upsock::UpgradeLayer;
use upsock::ws::{self, WebSocket};

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
}

/// Serves both versions on a free port.
async fn serve<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send, Error: Into<Box<dyn Error + Send + Sync>>>,
    S: Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .enable_connect_protocol()
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(2 << 20);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let (builder, service) = (builder.clone(), service.clone());
            tokio::spawn(async move {
                let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                let _ = connection.await;
            });
        }
    });
    address
}

/// `/plain` is an ordinary page; everything else upgrades.
async fn upgrading(upgrade: impl Fn() -> ws::Upgrade + Clone + Send + 'static) -> SocketAddr {
    answering(UpgradeLayer::new(), move |request| match request.uri().path() {
        "/plain" => Response::new("plain".into()),
        _ => upgrade().into(),
    })
    .await
}

async fn answering(
    layer: UpgradeLayer,
    answer: impl Fn(Request<Incoming>) -> Response<Full<Bytes>> + Clone + Send + 'static,
) -> SocketAddr {
    serve(layer.layer(service_fn(move |request| {
        let response = answer(request);
        async { Ok::<_, std::convert::Infallible>(response) }
    })))
    .await
}
