//! The same over TLS, where browsers choose HTTP/2 by themselves: every message comes back.
//!
//! `cargo run --features http2 --example tls -- [--listen ADDR]`
//!
//! The certificate is made anew at each start and signed by nobody: your browser will ask you.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use upsock::ws::{self, UpgradeLayer, WebSocket};

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn route(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match request.uri().path() {
        "/echo" => ws::upgrade(echo).into_response(),
        _ => {
            let mut page = Response::new(Full::from(include_str!("echo.html")));
            let html = header::HeaderValue::from_static("text/html; charset=utf-8");
            page.headers_mut().insert(header::CONTENT_TYPE, html);
            page
        }
    })
}

fn tls() -> Result<TlsAcceptor, Box<dyn Error>> {
    let own = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()])?;
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())?;
    config.alpn_protocols = vec![b"h2".into(), b"http/1.1".into()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen: SocketAddr = match &std::env::args().skip(1).collect::<Vec<_>>()[..] {
        [] => ([127, 0, 0, 1], 9443).into(),
        [name, address] if name == "--listen" => address.parse()?,
        _ => return Err("there is --listen ADDR only".into()),
    };
    let listener = TcpListener::bind(listen).await?;
    println!("https://{0}/ and wss://{0}/echo", listener.local_addr()?);

    let tls = tls()?;
    let service = UpgradeLayer::new().layer(service_fn(route));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new());
    server
        .http2()
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(2 << 20);
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            result = tokio::signal::ctrl_c() => return Ok(result?),
        };
        stream.set_nodelay(true)?;
        let (tls, service, server) = (tls.clone(), service.clone(), server.clone());
        tokio::spawn(async move {
            let Ok(Ok(stream)) = timeout(Duration::from_secs(10), tls.accept(stream)).await else {
                return;
            };
            // `echo.rs` also gives a time for the first request.
            let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
            let _ = connection.await;
        });
    }
}
