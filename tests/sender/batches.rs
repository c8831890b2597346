//! However many senders: one wake-up and one write for all that has come by then.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::task::{JoinSet, yield_now};
use upsock::ws::{Config, WebSocket};

use crate::peer::{Raw, TEXT};

/// Counts the calls that a kernel would see; a session reads once for each wake-up.
struct Counted {
    stream: DuplexStream,
    reads: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_hundred_senders_cost_one_wake_up_and_one_write() {
    let (peer, stream) = tokio::io::duplex(1 << 20);
    let (reads, writes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = Counted {
        stream,
        reads: reads.clone(),
        writes: writes.clone(),
    };
    let (socket, mut peer) = (WebSocket::from_io(counted, Config::new()), Raw::new(peer));
    while reads.load(Ordering::Relaxed) == 0 {
        yield_now().await;
    }
    let before = reads.load(Ordering::Relaxed);
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let sender = socket.sender();
        tasks.spawn(async move {
            for _ in 0..10 {
                sender.send("to one of many".into()).await.unwrap();
            }
        });
    }
    for _ in 0..1000 {
        peer.expect(TEXT, "to one of many").await;
    }
    tasks.join_all().await;
    // Tasks that are started together have their turns together, but not all before the session's.
    let (writes, wake_ups) = (writes.load(Ordering::Relaxed), reads.load(Ordering::Relaxed) - before);
    assert!(writes <= 2, "{writes} writes");
    assert!(wake_ups <= 2, "{wake_ups} wake-ups");
}
