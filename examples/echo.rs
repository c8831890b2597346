//! The shortest honest server: bare hyper, every message comes back. HTTP/1.1 and, with the feature `http2`, HTTP/2 on
//! one port.
//!
//! `cargo run --features http2 --example echo -- [--listen ADDR] [--max-message BYTES]`; with the feature `deflate` also
//! `[--deflate]`, which compresses, and `[--takeover]`, which compresses with context takeover.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use upsock::UpgradeService;
use upsock::ws::{self, Config, UpgradeLayer, WebSocket};

const PAGE: &str = include_str!("echo.html");

/// What a client may take for it.
const FIRST_REQUEST: Duration = Duration::from_secs(30);

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn route(request: Request<Incoming>, config: Config) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match request.uri().path() {
        "/echo" => ws::upgrade(echo).configure(|_| config).into_response(),
        _ => {
            let mut page = Response::new(Full::from(PAGE));
            page.headers_mut().insert(
                "content-type",
                "text/html; charset=utf-8".parse().expect("a valid header"),
            );
            page
        }
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (listen, config) = arguments()?;
    let listener = TcpListener::bind(listen).await?;
    println!("http://{0}/ and ws://{0}/echo", listener.local_addr()?);

    let service = UpgradeLayer::new().layer(service_fn(move |request| route(request, config.clone())));
    let serve = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors, most likely: some will be free again.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            // Without it, the kernel holds small messages back for the sake of large ones.
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve_connection(stream, service.clone()));
        }
    };
    tokio::select! {
        () = serve => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}

/// Both versions: hyper tells them apart by the first bytes.
async fn serve_connection<S>(stream: TcpStream, service: UpgradeService<S>)
where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> + Send + 'static,
{
    let mut server = auto::Builder::new(TokioExecutor::new());
    // For the time that a client may take for a request's head.
    server.http1().timer(TokioTimer::new());
    server
        .http2()
        .timer(TokioTimer::new())
        // Or no client opens a WebSocket over HTTP/2.
        .enable_connect_protocol()
        // hyper makes them equal: then one socket that is not read would stop all others of its connection.
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(2 << 20);

    // hyper waits for the first bytes without an end.
    let asked = Arc::new(AtomicBool::new(false));
    let asking = asked.clone();
    let service = service_fn(move |request| {
        asking.store(true, Ordering::Relaxed);
        Service::call(&service, request)
    });
    let mut connection = pin!(server.serve_connection_with_upgrades(TokioIo::new(stream), service));
    if timeout(FIRST_REQUEST, connection.as_mut()).await.is_err() && asked.load(Ordering::Relaxed) {
        let _ = connection.await;
    }
}

fn arguments() -> Result<(SocketAddr, Config), Box<dyn std::error::Error>> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 9001));
    let mut config = Config::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        #[cfg(feature = "deflate")]
        if let "--deflate" | "--takeover" = name.as_str() {
            let takeover = name == "--takeover";
            let on = ws::Compression::on();
            config = config.compression(on.server_context_takeover(takeover).client_context_takeover(takeover));
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--listen" => listen = value.parse().map_err(|error| format!("--listen {value}: {error}"))?,
            "--max-message" => {
                let bytes = value
                    .parse()
                    .map_err(|error| format!("--max-message {value}: {error}"))?;
                config = config.max_message(bytes).max_frame(bytes).max_fragments(bytes);
            }
            _ => return Err(format!("unknown option {name}; there are --listen ADDR and --max-message BYTES").into()),
        }
    }
    Ok((listen, config))
}
