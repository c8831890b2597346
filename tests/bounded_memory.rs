//! No stranger makes a server reserve memory for what did not come, or keep what it cannot use: counted by the allocator.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

#[path = "peer/mod.rs"]
mod peer;

use std::alloc::System;
use std::time::Duration;

use cap::Cap;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use upsock::ws::{Config, Message, Sockets, WebSocket};

use crate::peer::{BINARY, PING, frame, header};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// One test, because the allocator counts for all threads; one thread, so that it can look at any moment.
#[test]
fn what_did_not_come_takes_no_room() {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        // The first pays for what the thread and the runtime keep.
        flood("a first", as_is, &frame(0x82, vec![7; 200 * KIB]), 3).await;

        // Two million empty fragments: refused; and without a limit, nothing to keep.
        let empty = repeated(&frame(BINARY, ""), &frame(0x00, ""), 10_000);
        let (most, taken) = flood("empty fragments", as_is, &empty, 200).await;
        assert!(most < 64 * KIB, "{most}");
        assert_eq!(taken, 1, "refused in the first 10,000");
        let (most, taken) = flood_after("empty fragments, unlimited", unlimited, &empty[..6], &empty[6..], 200).await;
        assert!(most < 64 * KIB, "{most}");
        assert_eq!(taken, 200);

        // One million fragments of one byte: refused; and without a limit, one million bytes.
        let small = frame(0x00, "x").repeat(10_000);
        let (most, taken) = flood_after("small fragments", as_is, &frame(BINARY, ""), &small, 100).await;
        assert!(most < 64 * KIB, "{most}");
        assert_eq!(taken, 1, "refused in the first 10,000");
        let (most, taken) = flood_after("small fragments, unlimited", unlimited, &frame(BINARY, ""), &small, 100).await;
        assert!(most < 3 * MIB, "{most}");
        assert_eq!(taken, 100);

        // A length that no machine has.
        let long = header(0x82, 1 << 40);
        let (most, _) = flood("2^40 bytes declared", as_is, &long, 1).await;
        assert!(most < 16 * KIB, "{most}");
        let (most, _) = flood("2^40 bytes declared, unlimited", unlimited, &long, 1).await;
        assert!(most < 24 * KIB, "{most}");

        // Pings, and nobody who reads the pongs.
        let pings = frame(0x80 | PING, "x".repeat(125)).repeat(1000);
        let (most, _) = flood_unread("pings", as_is, &pings).await;
        assert!(most < MIB, "{most}");
        let (most, volume) = flood_unread("pings, unlimited", unlimited, &pings).await;
        assert!(most < MIB, "{most}");
        assert!(volume < MIB, "it reads on: {volume}");
        let mixed = [frame(0x80 | PING, "x".repeat(125)), frame(0x81, "data")]
            .concat()
            .repeat(900);
        let (most, _) = flood_unread("pings between data", as_is, &mixed).await;
        assert!(most < MIB, "{most}");

        two_hundred_large_messages().await;
        sets_that_are_gone().await;
    });
}

fn as_is(config: Config) -> Config {
    config
}

fn unlimited(config: Config) -> Config {
    config
        .max_message(usize::MAX)
        .max_frame(usize::MAX)
        .max_fragments(usize::MAX)
        .max_control_frames(usize::MAX)
}

fn repeated(first: &[u8], next: &[u8], count: usize) -> Vec<u8> {
    [first, &next.repeat(count - 1)].concat()
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_binary() && socket.send(Message::Binary(message.into_data())).await.is_err() {
            break;
        }
    }
}

fn open(configure: fn(Config) -> Config) -> DuplexStream {
    let (client, io) = duplex(KIB);
    let socket = Sockets::new().open(io, configure(Config::new())).unwrap();
    tokio::spawn(echo(socket));
    client
}

async fn flood(name: &str, configure: fn(Config) -> Config, input: &[u8], times: usize) -> (usize, usize) {
    flood_after(name, configure, b"", input, times).await
}

/// Sends the first input once, and the other so many times or until the server has had enough of it, to a server whose
/// frames are read. Returns how much the heap grew at most, and how many times.
async fn flood_after(
    name: &str,
    configure: fn(Config) -> Config,
    first: &[u8],
    input: &[u8],
    times: usize,
) -> (usize, usize) {
    let (mut reader, mut writer) = split(open(configure));
    let (closed, mut end) = tokio::sync::oneshot::channel::<()>();
    let reader = tokio::spawn(async move {
        let mut buffer = [0; 100];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            if buffer[..length].contains(&0x88) {
                break;
            }
        }
        drop(closed);
    });
    writer.write_all(first).await.unwrap();
    settle().await;
    let before = HEAP.allocated();
    let (mut most, mut taken) = (0, 0);
    while taken < times && end.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
        for piece in input.chunks(KIB) {
            // A server that has refused it reads on for a while, and then no more.
            if writer.write_all(piece).await.is_err() {
                break;
            }
            most = most.max(HEAP.allocated().saturating_sub(before));
        }
        taken += 1;
        settle().await;
    }
    most = most.max(HEAP.allocated().saturating_sub(before));
    println!("{name}: {most} bytes, {taken} of {times}");
    reader.abort();
    (most, taken)
}

/// The same with a client that reads nothing, until the server takes no more. Returns how much it took, too.
async fn flood_unread(name: &str, configure: fn(Config) -> Config, input: &[u8]) -> (usize, usize) {
    let mut client = open(configure);
    settle().await;
    let before = HEAP.allocated();
    let (mut most, mut volume) = (0, 0);
    while volume < 32 * MIB {
        match timeout(Duration::from_secs(5), client.write(&input[volume % input.len()..])).await {
            Ok(Ok(written)) => volume += written,
            _ => break,
        }
        yield_now().await;
        most = most.max(HEAP.allocated().saturating_sub(before));
    }
    println!("{name}: {most} bytes, {volume} taken");
    (most, volume)
}

async fn two_hundred_large_messages() {
    const COUNT: usize = 200;
    let large = |config: Config| config.max_message(16 * MIB).max_frame(16 * MIB);
    let mut clients: Vec<_> = (0..COUNT).map(|_| open(large)).collect();
    settle().await;
    let before = HEAP.allocated();
    for client in &mut clients {
        client.write_all(&header(0x82, 16 * MIB as u64)).await.unwrap();
        client.write_all(b"abc").await.unwrap();
    }
    settle().await;
    let each = HEAP.allocated().saturating_sub(before) / COUNT;
    println!("200 times 16 MiB declared: {each} bytes each");
    assert!(each < 17 * KIB, "{each}");
}

/// A set of sockets, with its clock, goes with the last of them.
async fn sets_that_are_gone() {
    settle().await;
    let mut before = 0;
    for round in 0..101 {
        drop(open(as_is));
        // The sweep has seen that there are none.
        sleep(Duration::from_secs(1)).await;
        if round == 0 {
            before = HEAP.allocated();
        }
    }
    let kept = HEAP.allocated().saturating_sub(before);
    println!("100 sets that are gone: {kept} bytes");
    assert!(kept < 1000, "{kept}");
}

/// Everyone has done what can be done.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}
