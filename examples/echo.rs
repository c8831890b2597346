//! The shortest honest server: bare hyper, every message comes back.
//!
//! `cargo run --example echo -- [--listen ADDR] [--max-message BYTES]`; with the feature `deflate` also `[--deflate]`,
//! which compresses, and `[--takeover]`, which compresses with context takeover.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use upsock::ws::{self, Config, UpgradeLayer, WebSocket};

const PAGE: &str = include_str!("echo.html");

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
            let connection = http1::Builder::new()
                // For the time that a client may take for its request's head.
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service.clone())
                .with_upgrades();
            tokio::spawn(connection);
        }
    };
    tokio::select! {
        () = serve => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
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
