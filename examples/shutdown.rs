//! A server that leaves properly: on SIGTERM or Ctrl-C it takes no more connections, closes all WebSockets with 1001,
//! waits for them and for the requests under way, and says how that went.
//!
//! `cargo run --example shutdown -- [--listen ADDR]`

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::time::timeout;
use upsock::ws::{self, Drained, UpgradeLayer, WebSocket};

/// Below the 30 s after which Kubernetes and others kill a process.
const DEADLINE: Duration = Duration::from_secs(25);

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
        _ => Response::new("an ordinary page\n".into()),
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(listen_address()?).await?;
    println!("ws://{}/echo", listener.local_addr()?);

    let layer = UpgradeLayer::new().max_sockets(100_000);
    let service = layer.layer(service_fn(route));
    let requests = GracefulShutdown::new();
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new());

    let stop = stopped();
    tokio::pin!(stop);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    // Out of file descriptors, most likely: some will be free again.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            result = &mut stop => break result?,
        };
        let _ = stream.set_nodelay(true);
        let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service.clone());
        tokio::spawn(requests.watch(connection.into_owned()));
    }

    // New connections are refused by the kernel from here on, and a balancer takes them elsewhere.
    drop(listener);
    // Both at once: over HTTP/2 a socket is a request under way.
    let (sockets, requests) = tokio::join!(
        layer.sockets().shutdown(DEADLINE),
        timeout(DEADLINE, requests.shutdown())
    );
    let Drained { closed, aborted, .. } = sockets;
    println!(
        "sockets closed: {closed}, aborted: {aborted}; all requests done: {}",
        requests.is_ok()
    );
    Ok(())
}

async fn stopped() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            result = tokio::signal::ctrl_c() => result,
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

fn listen_address() -> Result<SocketAddr, String> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => Ok(SocketAddr::from(([127, 0, 0, 1], 9002))),
        (Some("--listen"), Some(address), None) => {
            address.parse().map_err(|error| format!("--listen {address}: {error}"))
        }
        _ => Err("usage: shutdown [--listen ADDR]".into()),
    }
}
