//! What compressed messages can make a server hold: counted by the allocator, not timed.

#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used)]

#[path = "peer/mod.rs"]
mod peer;

use std::alloc::System;
use std::io::Write;

use cap::Cap;
use flate2::Compression as Level;
use flate2::write::DeflateEncoder;
use tokio::io::DuplexStream;
use upsock::ws::{self, Compression, WebSocket};

use peer::{BINARY, Raw, endless, frame, serve};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// So many zeros, compressed, without having them all at once.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Level::new(9));
    for _ in 0..mebibytes * 16 {
        encoder.write_all(&[0; 65_536]).unwrap();
    }
    encoder.flush().unwrap();
    let bytes = encoder.get_ref();
    bytes[..bytes.len() - 4].to_vec()
}

/// On a server in this thread, with all settings at their defaults but compression.
async fn client() -> Raw<DuplexStream> {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let route = || {
        ws::upgrade(|mut socket: WebSocket| async move { while socket.recv().await.is_some() {} })
            .configure(|config| endless(config).compression(Compression::on()))
    };
    serve(server, std::sync::Arc::new(route));
    let (client, head) = Raw::handshake_with(client, "Sec-WebSocket-Extensions: permessage-deflate\r\n").await;
    assert!(head.contains("permessage-deflate"));
    client
}

// One test: they would count each other.
#[tokio::test]
async fn are_bounded() {
    let small = bomb(1);
    let large = frame(FIN | RSV1 | BINARY, bomb(64));
    assert!(large.len() < 70_000);
    // What the thread and the runtime keep.
    let mut first = client().await;
    first.write(&frame(FIN | RSV1 | BINARY, &small)).await;
    first.ping_pong().await;

    // A thousand to one: no more than the limit of a message (and half of it, while it grows), and no longer than it takes.
    let before = HEAP.allocated();
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = client().await;
        client.write(&large).await;
        client.expect_close(1009, "message is too big").await;
        // It lingers.
        clients.push(client);
    }
    let (peak, after) = (HEAP.max_allocated() - before, HEAP.allocated() - before);
    println!(
        "a bomb of 64 MiB: {peak} bytes at most, and for each that lingers {}",
        after / 10
    );
    assert!(peak < (3 << 20) / 2 + 512 * 1024, "{peak}");
    assert!(after / 10 < 80 * 1024, "{after}");
    drop(clients);

    // An unfinished message holds its context, and what it has become.
    let before = HEAP.allocated();
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = client().await;
        client.write(&frame(RSV1 | BINARY, &small[..20])).await;
        client.ping_pong().await;
        clients.push(client);
    }
    let each = (HEAP.allocated() - before) / 100;
    println!("an unfinished message: {each}");
    assert!(each < 128 * 1024, "{each}");
}
