//! Messages leave in one write for all that the closure has sent when it waits, or one by one if asked for.

#![cfg(feature = "websocket")]
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio_tungstenite::WebSocketStream;
use upsock::ws::{self, Flush, Message, UpgradeLayer, WebSocket};

const BURST: usize = 100;

/// Counts the calls that a kernel would see.
struct Counted {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// How many writes the server makes for the messages that `closure` sends when it gets a message.
async fn writes<F, Fut>(flush: Flush, closure: F) -> usize
where
    F: FnOnce(WebSocket) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (stream, client) = duplex(1 << 20);
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Counted {
        stream,
        writes: writes.clone(),
    };
    let service = UpgradeLayer::new().layer(service_fn(move |_: Request<Incoming>| {
        let upgrade = ws::upgrade(closure.clone()).configure(|config| config.flush(flush));
        async { Ok::<Response<Empty<Bytes>>, Infallible>(upgrade.into_response()) }
    }));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(counted), service);
    tokio::spawn(connection.with_upgrades());
    let (mut client, _) = tokio_tungstenite::client_async("ws://server/", client).await.unwrap();
    let before = writes.load(Ordering::Relaxed);
    client.send(Message::text("go")).await.unwrap();
    expect_burst(&mut client).await;
    writes.load(Ordering::Relaxed) - before
}

async fn expect_burst(client: &mut WebSocketStream<DuplexStream>) {
    for number in 0..BURST {
        let message = client.next().await.unwrap().unwrap();
        assert_eq!(message, Message::text(number.to_string()));
    }
}

async fn burst(mut socket: WebSocket) {
    while let Some(Ok(_)) = socket.recv().await {
        for number in 0..BURST {
            socket.send(Message::text(number.to_string())).await.unwrap();
        }
    }
}

async fn burst_by_sink(socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    while let Some(Ok(_)) = stream.next().await {
        for number in 0..BURST {
            sink.send(Message::text(number.to_string())).await.unwrap();
        }
    }
}

async fn burst_from_elsewhere(socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    stream.next().await;
    let task = tokio::spawn(async move {
        for number in 0..BURST {
            sink.send(Message::text(number.to_string())).await.unwrap();
        }
    });
    task.await.unwrap();
    // Open until the burst is counted.
    stream.next().await;
}

#[tokio::test]
async fn a_burst_is_one_write() {
    assert_eq!(writes(Flush::Deferred, burst).await, 1);
    assert_eq!(writes(Flush::Deferred, burst_by_sink).await, 1);
    assert_eq!(writes(Flush::Deferred, burst_from_elsewhere).await, 1);
}

#[tokio::test]
async fn a_burst_is_as_many_writes_as_messages_if_asked_for() {
    assert_eq!(writes(Flush::Each, burst).await, BURST);
    assert_eq!(writes(Flush::Each, burst_by_sink).await, BURST);
    assert_eq!(writes(Flush::Each, burst_from_elsewhere).await, BURST);
}
