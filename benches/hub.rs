//! Rooms in memory: what a member costs when a message is published, and until it has left.
//!
//! `cargo bench --bench hub`

#![allow(missing_docs, reason = "criterion's macros make functions")]

use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use upsock::ws::hub::{Hub, Lag, Membership};
use upsock::ws::{Config, Message, WebSocket};

const MEMBERS: usize = 10_000;

/// This thread's time on a processor: what else runs on the machine does not count.
fn clock() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds = statistics.split(' ').next().and_then(|time| time.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number"))
}

/// A peer that takes everything, and says nothing.
struct Sink(Arc<AtomicUsize>);

impl AsyncRead for Sink {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Sink {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.fetch_add(buf.len(), Ordering::Relaxed);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Room {
    runtime: Runtime,
    hub: Hub,
    written: Arc<AtomicUsize>,
    members: Vec<(WebSocket, Membership)>,
}

fn room() -> Room {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let hub: Hub = Hub::builder().lag(Lag::DropNewest).build();
    let written = Arc::new(AtomicUsize::new(0));
    let guard = runtime.enter();
    let members = (0..MEMBERS)
        .map(|_| {
            let socket = WebSocket::from_io(Sink(written.clone()), Config::new());
            let membership = hub.join("room", &socket.sender());
            (socket, membership)
        })
        .collect();
    drop(guard);
    let room = Room {
        runtime,
        hub,
        written,
        members,
    };
    room.drain();
    room
}

impl Room {
    /// The sessions run until all is written.
    fn drain(&self) {
        self.runtime.block_on(async {
            loop {
                let before = self.written.load(Ordering::Relaxed);
                for _ in 0..MEMBERS / 32 {
                    tokio::task::yield_now().await;
                }
                if self.written.load(Ordering::Relaxed) == before {
                    return;
                }
            }
        });
    }
}

fn hub(criterion: &mut Criterion) {
    let room = room();
    let message = Message::binary(vec![0xa5; 20]);
    let mut group = criterion.benchmark_group("hub, 10,000 members");
    group.sample_size(20);
    group.throughput(Throughput::Elements(MEMBERS as u64));
    for burst in [1_usize, 16] {
        // One element is one member and one message.
        group.bench_function(format!("publish, burst {burst}"), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut time = Duration::ZERO;
                for _ in 0..rounds {
                    // In the runtime, as servers do: from outside each wake-up is a system call.
                    time += room.runtime.block_on(async {
                        let from = clock();
                        for _ in 0..burst {
                            black_box(room.hub.broadcast("room", message.clone()));
                        }
                        clock() - from
                    });
                    room.drain();
                }
                time / u32::try_from(burst).expect("a small number")
            });
        });
        group.bench_function(format!("delivery, burst {burst}"), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut time = Duration::ZERO;
                for _ in 0..rounds {
                    let before = room.written.load(Ordering::Relaxed);
                    let all = before + burst * MEMBERS * 22;
                    time += room.runtime.block_on(async {
                        let from = clock();
                        for _ in 0..burst {
                            room.hub.broadcast("room", message.clone());
                        }
                        while room.written.load(Ordering::Relaxed) < all {
                            tokio::task::yield_now().await;
                        }
                        clock() - from
                    });
                }
                time / u32::try_from(burst).expect("a small number")
            });
        });
    }
    group.finish();
    assert_eq!(room.hub.count("room"), room.members.len());
}

criterion_group!(benches, hub);
criterion_main!(benches);
