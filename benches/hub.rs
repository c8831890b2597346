//! Rooms in memory: what a member costs when a message is published, and until it has left.
//!
//! `cargo bench --bench hub --features deflate`

#![allow(missing_docs, reason = "criterion's macros make functions")]

#[path = "compare/load/json.rs"]
#[allow(unreachable_pub)]
mod json;

use std::convert::Infallible;
use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use upsock::ws::hub::{Hub, Lag};
use upsock::ws::{self, Message, UpgradeLayer};

const MEMBERS: usize = 10_000;

const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

/// This thread's time on a processor: what else runs on the machine does not count.
fn clock() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// A peer that opens a socket, takes everything, and says nothing more.
struct Peer {
    to_say: &'static [u8],
    written: Arc<AtomicUsize>,
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.to_say.is_empty() {
            return Poll::Pending;
        }
        buf.put_slice(std::mem::take(&mut self.to_say));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.written.fetch_add(buf.len(), Ordering::Relaxed);
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
}

impl Room {
    fn new(compressed: bool) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let hub: Hub = Hub::builder().lag(Lag::DropNewest).build();
        let written = Arc::new(AtomicUsize::new(0));
        let route = {
            let hub = hub.clone();
            move |_: Request<Incoming>| {
                let hub = hub.clone();
                let upgrade = ws::upgrade(move |mut socket| async move {
                    let _member = hub.join("room", &socket.sender());
                    while socket.recv().await.is_some() {}
                });
                let upgrade = if compressed {
                    upgrade.configure(compress)
                } else {
                    upgrade
                };
                async { Ok::<Response<Empty<Bytes>>, Infallible>(upgrade.into_response()) }
            }
        };
        runtime.block_on(async {
            let service = UpgradeLayer::new().transport::<Peer>().layer(service_fn(route));
            for _ in 0..MEMBERS {
                let written = written.clone();
                let peer = Peer {
                    to_say: HANDSHAKE,
                    written,
                };
                let connection = http1::Builder::new().serve_connection(TokioIo::new(peer), service.clone());
                tokio::spawn(connection.with_upgrades());
            }
            while hub.count("room") < MEMBERS {
                yield_now().await;
            }
        });
        let room = Self { runtime, hub, written };
        room.drain();
        room
    }

    /// The sessions run until all is written.
    fn drain(&self) {
        self.runtime.block_on(async {
            loop {
                let before = self.written.load(Ordering::Relaxed);
                for _ in 0..MEMBERS / 32 {
                    yield_now().await;
                }
                if self.written.load(Ordering::Relaxed) == before {
                    return;
                }
            }
        });
    }

    /// In the runtime, as servers do: from outside each wake-up is a system call.
    fn publish(&self, message: &Message, burst: usize) -> Duration {
        self.runtime.block_on(async {
            let from = clock();
            for _ in 0..burst {
                black_box(self.hub.broadcast("room", message.clone()));
            }
            clock() - from
        })
    }

    /// Until the last byte is written to the transports.
    fn deliver(&self, message: &Message, burst: usize, length: usize) -> Duration {
        let all = self.written.load(Ordering::Relaxed) + burst * MEMBERS * length;
        self.runtime.block_on(async {
            let from = clock();
            for _ in 0..burst {
                self.hub.broadcast("room", message.clone());
            }
            while self.written.load(Ordering::Relaxed) < all {
                yield_now().await;
            }
            clock() - from
        })
    }

    /// How many bytes a member is sent.
    fn length(&self, message: &Message) -> usize {
        let before = self.written.load(Ordering::Relaxed);
        self.publish(message, 1);
        self.drain();
        (self.written.load(Ordering::Relaxed) - before) / MEMBERS
    }
}

#[cfg(feature = "deflate")]
fn compress(config: ws::Config) -> ws::Config {
    config.compression(ws::Compression::on())
}

#[cfg(not(feature = "deflate"))]
fn compress(config: ws::Config) -> ws::Config {
    config
}

/// One element is one member and one message.
fn hub(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hub, 10,000 members");
    group.sample_size(20);
    group.throughput(Throughput::Elements(MEMBERS as u64));
    let mut measure = |name: &str, room: &Room, message: &Message, burst: usize| {
        let length = room.length(message);
        let each = |time: Duration| time / u32::try_from(burst).expect("a small number");
        group.bench_function(format!("{name}: publish, burst {burst}"), |bencher| {
            bencher.iter_custom(|rounds| {
                let publish = |_| {
                    let time = room.publish(message, burst);
                    room.drain();
                    time
                };
                each((0..rounds).map(publish).sum())
            });
        });
        group.bench_function(format!("{name}: delivery, burst {burst}"), |bencher| {
            bencher.iter_custom(|rounds| each((0..rounds).map(|_| room.deliver(message, burst, length)).sum()));
        });
    };
    let room = Room::new(false);
    let small = Message::binary(vec![0xa5; 20]);
    measure("20 bytes", &room, &small, 1);
    measure("20 bytes", &room, &small, 16);
    let large = Message::binary(json::document(1024, 0));
    measure("1 KiB", &room, &large, 16);
    drop(room);
    if cfg!(feature = "deflate") {
        let room = Room::new(true);
        assert!(room.length(&large) < 512);
        measure("1 KiB, compressed", &room, &large, 16);
    }
    group.finish();
}

criterion_group!(benches, hub);
criterion_main!(benches);
