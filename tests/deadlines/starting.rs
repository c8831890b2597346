//! From the `101` on a socket counts, and its client cannot make it wait for longer than the write deadline.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};
use upsock::UpgradeLayer;
use upsock::ws::{self, Config, Sockets, WebSocket};

use crate::assert_about;
use crate::peer::{Raw, timed};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Says so when the closure, or its future, is dropped.
struct Dropped(tokio::sync::mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// A client that has asked, on a transport that is too small for the answer.
async fn asked(configure: fn(Config) -> Config) -> (DuplexStream, Sockets, UnboundedReceiver<&'static str>) {
    let (report, heard) = unbounded_channel();
    let layer = UpgradeLayer::new();
    let sockets = layer.sockets();
    let service = layer.layer(service_fn(move |_: Request<Incoming>| {
        let dropped = Dropped(report.clone());
        let response: Response<Empty<Bytes>> = ws::upgrade(move |mut socket: WebSocket| {
            let _ = dropped.0.send("started");
            async move {
                let _dropped = dropped;
                while let Some(Ok(_)) = socket.recv().await {}
            }
        })
        .configure(configure)
        .into_response();
        async { Ok::<_, Infallible>(response) }
    }));
    let (mut client, server) = duplex(16);
    tokio::spawn(
        http1::Builder::new()
            .serve_connection(TokioIo::new(server), service)
            .with_upgrades(),
    );
    client.write_all(REQUEST.as_bytes()).await.unwrap();
    (client, sockets, heard)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_the_answer_is_given_up() {
    for (configure, expected) in [
        ((|config| config) as fn(Config) -> Config, 10.0),
        (|config| config.write_deadline(Duration::from_secs(3)), 3.0),
    ] {
        let (mut client, sockets, mut heard) = asked(configure).await;
        sleep(Duration::from_millis(10)).await;
        assert_eq!(sockets.len(), 1);
        let (word, seconds) = timed(heard.recv()).await;
        assert_eq!(word, Some("dropped"), "it never ran");
        assert_about(seconds + 0.01, expected);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(sockets.len(), 0);
        // If it reads after all, there is nothing behind the answer.
        let mut answer = Vec::new();
        timeout(Duration::from_secs(1), client.read_to_end(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(answer.ends_with(b"\r\n\r\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_the_answer_late_has_its_socket() {
    let (client, sockets, mut heard) = asked(|config| config).await;
    sleep(Duration::from_millis(9900)).await;
    let mut client = Raw::new(client);
    client.skip_response().await;
    client.ping_pong().await;
    assert_eq!(heard.recv().await, Some("started"));
    assert_eq!(sockets.len(), 1);
    // Nothing is left of that deadline.
    let found = timeout(Duration::from_secs(20), client.try_frame()).await;
    assert!(found.is_err(), "{found:?}");
    client.leave().await;
    assert_eq!(heard.recv().await, Some("dropped"));
    drop(client);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(sockets.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_instead_is_noticed_at_once() {
    let (client, sockets, mut heard) = asked(|config| config).await;
    sleep(Duration::from_secs(1)).await;
    drop(client);
    let (word, seconds) = timed(heard.recv()).await;
    assert_eq!(word, Some("dropped"));
    assert!(seconds < 0.01, "{seconds}");
    sleep(Duration::from_millis(1)).await;
    assert_eq!(sockets.len(), 0);
}
