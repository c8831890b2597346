//! Idle sockets stay up, behind proxies too, and cost nothing between pings.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex, split};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use upsock::ws::{self, Config, Message, Sockets, WebSocket};

use crate::peer::{serve, watch};
use crate::watched;

const AN_HOUR: u64 = 3600;

/// Its only sign of life are its pongs.
#[tokio::test(start_paused = true)]
async fn for_an_hour_with_a_peer_that_only_answers() {
    for moved in [false, true] {
        let (mut client, mut seen) = watched(moved, |config| config).await;
        let pings = client.answer_pings(AN_HOUR).await;
        assert!(
            (AN_HOUR as usize / 26..=AN_HOUR as usize / 25).contains(&pings),
            "{pings}"
        );
        client.leave().await;
        assert_eq!(seen.recv().await.unwrap(), ["close 1000"]);
    }
}

/// Passes bytes on, and drops the connection after 60 s without one, in either direction: stricter than any.
async fn proxy(client: DuplexStream, server: DuplexStream) -> io::Result<()> {
    async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
        let mut buffer = [0; 1000];
        loop {
            match timeout(Duration::from_secs(60), from.read(&mut buffer)).await?? {
                0 => return to.shutdown().await,
                length => to.write_all(&buffer[..length]).await?,
            }
        }
    }
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    tokio::try_join!(pass(from_client, to_server), pass(from_server, to_client)).map(|_| ())
}

/// The independent client, which knows of no keep-alive: it answers pings, as all must.
#[tokio::test(start_paused = true)]
async fn for_hours_behind_a_proxy_with_a_timeout_of_60_seconds() {
    let (io, outer) = duplex(1000);
    let (inner, server) = duplex(1000);
    let proxy = tokio::spawn(proxy(outer, inner));
    serve(
        server,
        Arc::new(|| {
            ws::upgrade(|mut socket: WebSocket| async move {
                while let Some(Ok(message)) = socket.recv().await {
                    if message.is_text() {
                        socket.send(message).await.unwrap();
                    }
                }
            })
        }),
    );
    let (mut client, _) = tokio_tungstenite::client_async("ws://localhost/", io).await.unwrap();
    for i in 0..2 {
        let idle = timeout(Duration::from_secs(AN_HOUR), async {
            loop {
                let item = client.next().await;
                assert!(matches!(item, Some(Ok(Message::Ping(_)))), "{item:?}");
            }
        });
        assert!(idle.await.is_err());
        let message = Message::text(i.to_string());
        client.send(message.clone()).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), message);
    }
    client.close(None).await.unwrap();
    while client.next().await.is_some() {}
    drop(client);
    proxy.await.unwrap().unwrap();
}

/// Counts how often a session looks at its transport: at each poll of it at least once.
struct Counted {
    io: DuplexStream,
    reads: Arc<AtomicUsize>,
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_are_not_woken_between_pings() {
    const COUNT: usize = 10_000;
    let reads = Arc::new(AtomicUsize::new(0));
    let sockets = Sockets::new();
    let mut clients = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let (client, io) = duplex(64);
        let counted = Counted {
            io,
            reads: reads.clone(),
        };
        let mut socket = sockets.open(counted, Config::new()).unwrap();
        tokio::spawn(async move { watch(&mut socket).await });
        clients.push(client);
    }
    let start = Instant::now();
    sleep(Duration::from_secs(1)).await;
    let begun = reads.swap(0, Ordering::Relaxed);
    assert!(begun >= COUNT, "{begun}");
    sleep(Duration::from_secs(23)).await;
    assert_eq!(reads.swap(0, Ordering::Relaxed), 0, "between pings");
    sleep(Duration::from_secs(2)).await;
    // Each was woken once for its ping.
    let woken = reads.swap(0, Ordering::Relaxed);
    assert!((COUNT..=3 * COUNT).contains(&woken), "{woken}");
    // They answer, and it goes on.
    let mut clients: Vec<_> = futures_util::stream::iter(clients)
        .then(|io| WebSocketStream::from_raw_socket(io, Role::Client, None))
        .collect()
        .await;
    for client in &mut clients {
        assert!(client.next().await.unwrap().unwrap().is_ping());
        client.flush().await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    reads.store(0, Ordering::Relaxed);
    sleep(Duration::from_secs(18)).await;
    // The alarm for a pong that has come in time is the only one.
    let woken = reads.load(Ordering::Relaxed);
    assert!(woken <= 3 * COUNT, "{woken}");
    assert_eq!(sockets.len(), COUNT);
    assert!(start.elapsed() < Duration::from_secs(50));
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
