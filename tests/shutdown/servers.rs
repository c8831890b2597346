//! Beside the graceful shutdown of the HTTP server, whichever comes first.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use upsock::UpgradeLayer;
use upsock::ws;

use crate::peer::{Raw, TEXT, soon};
use crate::support::{self, Client, Head};
use crate::{connect, counts, echo};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn hyper_utils_graceful_shutdown_and_the_sockets_drain_together() {
    let layer = UpgradeLayer::new();
    let service = layer.layer(support::service(|_| ws::upgrade(echo).into_response::<Full<Bytes>>()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let sockets = layer.sockets();
    let server = tokio::spawn(async move {
        let graceful = GracefulShutdown::new();
        let mut stopped = stopped;
        loop {
            tokio::select! {
                connection = listener.accept() => {
                    let io = TokioIo::new(connection.unwrap().0);
                    let builder = auto::Builder::new(TokioExecutor::new()).http1_only();
                    let connection = builder.serve_connection_with_upgrades(io, service.clone());
                    tokio::spawn(graceful.watch(connection.into_owned()));
                }
                _ = &mut stopped => break,
            }
        }
        drop(listener);
        tokio::join!(graceful.shutdown(), sockets.shutdown(MINUTE)).1
    });
    drains(address, stop, server).await;
}

#[tokio::test]
async fn axums_graceful_shutdown_and_the_sockets_drain_together() {
    let layer = UpgradeLayer::new();
    let sockets = layer.sockets();
    let app = layer.layer(Router::new().route("/", get(|| async { ws::upgrade(echo) })));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let (drain, drained) = oneshot::channel();
        let make = axum::ServiceExt::<axum::extract::Request>::into_make_service(app);
        axum::serve(listener, make)
            .with_graceful_shutdown(async move {
                let _ = stopped.await;
                tokio::spawn(async move { drain.send(sockets.shutdown(MINUTE).await) });
            })
            .await
            .unwrap();
        drained.await.unwrap()
    });
    drains(address, stop, server).await;
}

async fn drains(server: std::net::SocketAddr, stop: oneshot::Sender<()>, task: tokio::task::JoinHandle<ws::Drained>) {
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = connect(server).await;
        client.send(TEXT, "hello").await;
        client.expect(TEXT, "hello").await;
        clients.push(client);
    }
    // A connection of HTTP that is kept alive does not hold it up either.
    let mut idle = Client::connect(server).await;
    idle.send(Head::get("/").and("")).await;
    assert_eq!(idle.answer().await.status, 426);
    stop.send(()).unwrap();
    for client in &mut clients {
        client.expect_close(1001, "server is shutting down").await;
    }
    assert!(!task.is_finished());
    for client in &mut clients {
        client.send_close(1001).await;
        client.expect_end().await;
    }
    clients.clear();
    assert_eq!(counts(soon(task).await.unwrap()), (20, 0));
    assert!(TcpStream::connect(server).await.map(Raw::new).is_err());
}
