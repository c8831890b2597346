//! Connections that come and go at random points leave nothing behind: tasks, files and heap are counted.
//!
//! `UPSOCK_LEAKS_SECONDS` makes it go on for so long.

#![cfg(feature = "websocket")]
#![allow(clippy::unwrap_used)]

#[path = "peer/mod.rs"]
mod peer;
#[path = "support/mod.rs"]
mod support;

use std::alloc::System;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cap::Cap;
use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use upsock::UpgradeLayer;
use upsock::ws::{self, CloseCode, Config, Sender, Sockets, WebSocket};

use crate::peer::{BINARY, CLOSE, PING, TEXT, frame, header, soon};
use crate::support::Head;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// The heap is one for all tests.
static ALONE: Mutex<()> = Mutex::new(());

const CONNECTIONS: usize = 5000;
const AT_A_TIME: usize = 50;

/// What must be the same before and after.
#[derive(Clone, Copy, Debug)]
struct Count {
    tasks: usize,
    files: usize,
    heap: usize,
}

fn count() -> Count {
    Count {
        tasks: Handle::current().metrics().num_alive_tasks(),
        files: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
        heap: HEAP.allocated(),
    }
}

/// splitmix64: the same points each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// A handler of each kind in turn: it answers, fails, is moved away in halves, or is written to from all sides.
async fn handler(mut socket: WebSocket, kind: usize, room: Arc<Mutex<Vec<Sender>>>) -> Result<(), ws::Error> {
    match kind % 5 {
        0 | 1 => {
            while let Some(message) = socket.recv().await {
                socket.send(message?).await?;
            }
        }
        2 => {
            let _ = soon(socket.recv()).await;
            panic!("a handler's own failure");
        }
        3 => {
            let (mut sink, mut stream) = socket.split();
            tokio::spawn(async move { while sink.send(vec![0; 10_000].into()).await.is_ok() {} });
            tokio::spawn(async move { while stream.next().await.is_some() {} });
        }
        _ => {
            room.lock().unwrap().push(socket.sender());
            for _ in 0..3 {
                let sender = socket.sender();
                tokio::spawn(async move { while sender.send(vec![0; 1000].into()).await.is_ok() {} });
            }
            if let Some(Ok(_)) = socket.recv().await {
                socket.close(CloseCode::Away, "enough").await?;
            }
        }
    }
    Ok(())
}

/// One client, which goes away somewhere.
async fn client(server: SocketAddr, mut random: Random) {
    let mut stream = soon(TcpStream::connect(server)).await.unwrap();
    let frames = [
        frame(0x80 | TEXT, "hello"),
        frame(0x80 | PING, "there?"),
        frame(TEXT, "a piece"),
        frame(0x80, "and the rest"),
        frame(0x82, vec![1; 5_000]),
        header(0x82, 40_000),
        vec![0; random.below(40_000)],
        frame(0x80 | CLOSE, 1000u16.to_be_bytes()),
    ];
    let handshake = Head::handshake("/").and("");
    let whole: Vec<u8> = [&handshake[..], &frames.concat()].concat();
    // As often within the handshake as behind it.
    let length = if random.below(2) == 0 {
        handshake.len()
    } else {
        whole.len()
    };
    let end = random.below(length + 1);
    let step = 1 + random.below(whole.len());
    for piece in whole[..end].chunks(step.max(end / 8 + 1)) {
        if stream.write_all(piece).await.is_err() {
            break;
        }
        if random.below(3) == 0 {
            let _ = timeout(Duration::from_millis(1), stream.read(&mut [0; 1000])).await;
        }
    }
    match random.below(3) {
        0 => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
        1 => drop(timeout(Duration::from_millis(1), stream.shutdown()).await),
        _ => {}
    }
}

async fn crowd(server: SocketAddr, connections: usize, seed: u64) {
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        if tasks.len() == AT_A_TIME {
            tasks.join_next().await.unwrap().unwrap();
        }
        tasks.spawn(client(server, Random(seed ^ ((number as u64) << 20))));
    }
    tasks.join_all().await;
}

#[test]
fn connections_dropped_at_random_points_leave_nothing_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    std::panic::set_hook(Box::new(|panic| {
        if !format!("{panic}").contains("a handler's own failure") {
            eprintln!("{panic}");
        }
    }));
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let room = Arc::new(Mutex::new(Vec::new()));
    runtime
        .block_on(runtime.spawn(async move {
            let layer = UpgradeLayer::new();
            let sockets = layer.sockets();
            let (members, kinds) = (room.clone(), std::sync::atomic::AtomicUsize::new(0));
            let route = Arc::new(move || {
                let (room, kind) = (
                    members.clone(),
                    kinds.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
                );
                ws::upgrade(move |socket| handler(socket, kind, room)).configure(peer::short)
            });
            let handler = support::service(move |_| route().into_response::<Full<Bytes>>());
            let server = support::serve(layer.layer(handler)).await;

            // The first pay for what threads, the runtime and the set keep.
            crowd(server, CONNECTIONS / 5, 0).await;
            let before = settled(&sockets, &room, None).await;
            let seconds = std::env::var("UPSOCK_LEAKS_SECONDS").map_or(0, |text| text.parse().unwrap());
            let begin = Instant::now();
            for seed in 1.. {
                crowd(server, CONNECTIONS, seed).await;
                if begin.elapsed() >= Duration::from_secs(seconds) {
                    break;
                }
            }
            let after = settled(&sockets, &room, Some(before)).await;
            println!("{before:?}\n{after:?}\n{:?}", sockets.stats());
            assert!(sockets.stats().opened as usize > CONNECTIONS / 4);
            assert_eq!((after.tasks, after.files), (before.tasks, before.files));
            // Less than any part of a socket for each; a thread may keep a buffer of 128 KiB more than before.
            let grown = after.heap.saturating_sub(before.heap);
            assert!(grown < 64 * CONNECTIONS, "{grown} bytes");
        }))
        .unwrap();
}

/// Counts when all is over; waits until it is no more than `goal`.
async fn settled(sockets: &Sockets, room: &Mutex<Vec<Sender>>, goal: Option<Count>) -> Count {
    soon(async {
        while !sockets.is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let members = std::mem::take(&mut *room.lock().unwrap());
    assert!(members.iter().all(Sender::is_closed));
    drop(members);
    let mut last = count();
    for _ in 0..200 {
        sleep(Duration::from_millis(20)).await;
        let now = count();
        let still = now.tasks == last.tasks && now.files == last.files;
        let reached = goal.is_none_or(|goal| now.tasks <= goal.tasks && now.files <= goal.files);
        last = now;
        // The sweep has ended too.
        if still && reached && now.tasks <= 2 {
            break;
        }
    }
    last
}

/// A list of senders that is cleaned up now and then must not hold what peers had sent.
#[test]
fn a_sender_that_outlives_its_socket_keeps_no_messages() {
    const SOCKETS: usize = 20;
    const LENGTH: usize = 100_000;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut senders = Vec::new();
        let before = count();
        for round in 0..SOCKETS {
            let (peer, io) = tokio::io::duplex(1 << 20);
            let socket = WebSocket::from_io(io, peer::short(Config::new()));
            let sender = socket.sender();
            let mut peer = peer::Raw::new(peer);
            peer.send(BINARY, vec![0; LENGTH]).await;
            // The session takes it in; nobody receives it, nor what is sent to a peer that is gone.
            sleep(Duration::from_millis(1)).await;
            if round % 2 == 0 {
                drop(socket);
                drop(peer);
            } else {
                drop(peer);
                drop(socket);
            }
            let _ = sender.try_send(vec![0; LENGTH].into());
            soon(sender.closed()).await;
            senders.push(sender);
        }
        sleep(Duration::from_secs(1)).await;
        let grown = count().heap.saturating_sub(before.heap);
        assert!(grown < SOCKETS * LENGTH / 10, "{grown} bytes");
    });
}

/// A server may make a layer for each connection.
#[test]
fn a_layer_that_is_dropped_leaves_nothing_behind() {
    const LAYERS: usize = 500;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // The pause passes as soon as nobody has anything to do.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut before = None;
        for _ in 0..2 {
            for _ in 0..LAYERS {
                let layer = UpgradeLayer::new();
                let (peer, io) = tokio::io::duplex(64);
                drop(layer.sockets().open(io, Config::new()));
                drop(peer);
            }
            sleep(Duration::from_secs(1)).await;
            let now = count();
            if let Some(before) = before.replace(now) {
                assert_eq!(now.tasks, 0);
                let grown = now.heap.saturating_sub(before.heap);
                assert!(grown < 8 * LAYERS, "{grown} bytes");
            }
        }
    });
}
