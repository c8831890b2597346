//! A crowd of sockets: every one of them counts, and other tasks have their turns meanwhile.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Barrier;
use tokio::task::{JoinSet, yield_now};
use upsock::UpgradeLayer;
use upsock::ws::{self, Config, Sockets, WebSocket};

use crate::peer::{CLOSE, TEXT, frame, soon};
use crate::{connect, counts, emptied, serve};

/// In the words: every one of them gets 1001 or was already closing; none is lost count of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_busy_and_a_thousand_idle_sockets_are_told_and_counted() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let layer = UpgradeLayer::new();
    let sockets = layer.sockets();
    let server = serve(&layer, || {
        ws::upgrade(|mut socket: WebSocket| async move {
            while let Some(Ok(message)) = socket.recv().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    break;
                }
            }
        })
    })
    .await;
    let done = Arc::new(AtomicUsize::new(0));
    let all_are_there = Arc::new(Barrier::new(2001));
    let mut tasks = JoinSet::new();
    for number in 0..2000 {
        let mut client = connect(server).await;
        let (done, all_are_there) = (done.clone(), all_are_there.clone());
        tasks.spawn(async move {
            all_are_there.wait().await;
            let busy = number % 2 == 0;
            if busy {
                client.send(TEXT, "to and fro").await;
            }
            // Some go by themselves, at about the same time.
            let leaves = number % 100 == 0;
            if leaves {
                client.send_close(1000).await;
            }
            let mut code = 0;
            while let Ok(Some(frame)) = client.try_frame().await {
                if frame.opcode == CLOSE {
                    code = u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
                    client.shutdown_with_close().await;
                } else if !leaves {
                    client.send(TEXT, "to and fro").await;
                }
            }
            done.fetch_add(1, Ordering::Relaxed);
            assert!(code == 1001 || leaves && code == 1000, "{code}");
        });
    }
    all_are_there.wait().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let gone = 2000 - sockets.len();
    assert!(gone <= 20, "{gone}");
    let (closed, aborted) = counts(soon(sockets.shutdown(Duration::from_secs(9))).await);
    assert_eq!((closed + aborted, aborted), (2000 - gone, 0));
    soon(async { while tasks.join_next().await.transpose().unwrap().is_some() {} }).await;
    assert_eq!(done.load(Ordering::Relaxed), 2000);
}

/// A peer that answers a Close frame and then ends the connection; it counts the session's wake-ups.
struct Polite {
    polls: Arc<AtomicUsize>,
    answer: Vec<u8>,
    reader: Option<Waker>,
    left: bool,
}

impl AsyncRead for Polite {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        if !self.answer.is_empty() {
            buf.put_slice(&std::mem::take(&mut self.answer));
        } else if !self.left {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Polite {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        assert_eq!(buf[..4], [0x80 | CLOSE, 25, 3, 233]);
        self.answer = frame(0x80 | CLOSE, 1001u16.to_be_bytes());
        self.left = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const CROWD: usize = 10_000;
/// Sockets that may have their turn between two turns of another task.
const BURST: usize = 600;

/// The most of them that pass between two turns of a task that is always ready, while `run` runs.
async fn longest_burst<T>(passed: Arc<AtomicUsize>, run: impl Future<Output = T>) -> (usize, T) {
    let longest = Arc::new(AtomicUsize::new(0));
    let seen = longest.clone();
    let turns = tokio::spawn(async move {
        let mut before = passed.load(Ordering::Relaxed);
        loop {
            yield_now().await;
            let now = passed.load(Ordering::Relaxed);
            seen.fetch_max(now - before, Ordering::Relaxed);
            before = now;
        }
    });
    let result = run.await;
    yield_now().await;
    turns.abort();
    (longest.load(Ordering::Relaxed), result)
}

#[tokio::test]
async fn ten_thousand_sockets_drain_while_another_task_has_its_turns() {
    let sockets = Sockets::new();
    let polls = Arc::new(AtomicUsize::new(0));
    for _ in 0..CROWD {
        let peer = Polite {
            polls: polls.clone(),
            answer: Vec::new(),
            reader: None,
            left: false,
        };
        let mut socket = sockets.open(peer, Config::new()).unwrap();
        tokio::spawn(async move { while socket.recv().await.is_some() {} });
    }
    while polls.load(Ordering::Relaxed) < CROWD {
        yield_now().await;
    }
    let shutdown = tokio::spawn(async move { sockets.shutdown(Duration::from_secs(60)).await });
    let (burst, drained) = longest_burst(polls, soon(shutdown)).await;
    assert_eq!(counts(drained.unwrap()), (CROWD, 0));
    // A session is polled, and reads, a few times until its end.
    assert!(burst <= BURST, "{burst}");
}

/// Says when it is dropped.
struct Hung(Arc<AtomicUsize>);

impl Drop for Hung {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl AsyncRead for Hung {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Hung {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn ten_thousand_sockets_are_aborted_while_another_task_has_its_turns() {
    let sockets = Sockets::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    for _ in 0..CROWD {
        let mut socket = sockets.open(Hung(dropped.clone()), Config::new()).unwrap();
        tokio::spawn(async move { while socket.recv().await.is_some() {} });
    }
    let run = tokio::spawn(async move {
        let drained = sockets.shutdown(Duration::from_millis(300)).await;
        emptied(&sockets).await;
        drained
    });
    let (burst, drained) = longest_burst(dropped.clone(), soon(run)).await;
    assert_eq!(counts(drained.unwrap()), (0, CROWD));
    assert_eq!(dropped.load(Ordering::Relaxed), CROWD);
    assert!(burst <= BURST, "{burst}");
}
