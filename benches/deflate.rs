//! Compressed messages through the frame protocol, beside what zlib-rs alone takes for them.
//!
//! `cargo bench --bench deflate --features deflate`

#![allow(missing_docs, reason = "criterion's macros make functions")]

/// The crate keeps its protocol private, so this includes the files. They depend on nothing else of the crate.
#[path = "../src/websocket/protocol/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod protocol;

#[path = "compare/load/json.rs"]
#[allow(unreachable_pub)]
mod json;

use std::hint::black_box;
use std::io::IoSlice;

use bytes::{BufMut, Bytes};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tungstenite::Message;
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

use self::protocol::{Agreement, Extensions, Limits, MAX_SLICES, Profile, Protocol};

const SIZES: [(&str, usize); 4] = [
    ("125 B", 125),
    ("1 KiB", 1 << 10),
    ("16 KiB", 16 << 10),
    ("256 KiB", 256 << 10),
];

/// The fastest, and the default.
const LEVELS: [u8; 2] = [1, 6];

/// What the session reads at once.
const WINDOW: usize = 128 << 10;

fn protocol(level: u8) -> Protocol {
    let limits = Limits {
        message: 1 << 20,
        frame: 1 << 20,
        fragments: 1,
        controls: 1,
    };
    let deflate = Some(Agreement {
        profile: Profile { level, window_bits: 15 },
        threshold: 0,
        server_context_takeover: false,
        client_context_takeover: false,
        max_ratio: None,
    });
    Protocol::new(limits, &Extensions { deflate })
}

fn deflate(level: u8, payload: &[u8]) -> Vec<u8> {
    let mut context = Deflate::new(level.into(), false, 15);
    let mut output = vec![0; payload.len() + 1024];
    context
        .compress(payload, &mut output, DeflateFlush::SyncFlush)
        .expect("room for all");
    output.truncate(context.total_out() as usize - 4);
    output
}

fn encode(criterion: &mut Criterion) {
    for level in LEVELS {
        let mut group = criterion.benchmark_group(format!("encode, level {level}"));
        for (name, size) in SIZES {
            let payload = Bytes::from(json::document(size, 0));
            println!(
                "{name} at level {level}: {} bytes, 1 : {:.2}",
                deflate(level, &payload).len(),
                size as f64 / deflate(level, &payload).len() as f64
            );
            group.throughput(Throughput::Bytes(size as u64));
            let mut protocol = protocol(level);
            group.bench_function(BenchmarkId::new("upsock", name), |bencher| {
                bencher.iter(|| {
                    protocol
                        .send(Message::Binary(payload.clone()), true)
                        .expect("the socket is open");
                    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                    let count = protocol.slices(&mut slices);
                    black_box(&slices[..count]);
                    protocol.advance(protocol.unsent());
                });
            });
            let (mut context, mut output) = (Deflate::new(level.into(), false, 15), vec![0; size + 1024]);
            group.bench_function(BenchmarkId::new("zlib-rs alone", name), |bencher| {
                bencher.iter(|| {
                    context.reset();
                    context.compress(black_box(&payload), &mut output, DeflateFlush::SyncFlush)
                });
            });
        }
    }
}

/// A client's frame. Its key is zero: decoding unmasks the input in place, which must be the same in the next round.
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xc1, 0xff];
    frame.put_u64(payload.len() as u64);
    match payload.len() {
        length @ 0..=125 => frame = vec![0xc1, 0x80 | length as u8],
        length @ 126..=0xffff => {
            frame = vec![0xc1, 0xfe];
            frame.put_u16(length as u16);
        }
        _ => {}
    }
    frame.put_u32(0);
    frame.put_slice(payload);
    frame
}

/// Offers the input as the session does: window by window.
fn receive(protocol: &mut Protocol, mut input: &mut [u8]) -> Message {
    loop {
        let length = input.len().min(WINDOW);
        let (taken, item) = protocol.receive(&mut input[..length]);
        if let Some(item) = item {
            return item.expect("a valid frame");
        }
        input = &mut input[taken..];
    }
}

fn decode(criterion: &mut Criterion) {
    for level in LEVELS {
        let mut group = criterion.benchmark_group(format!("decode, level {level}"));
        for (name, size) in SIZES {
            let payload = deflate(level, &Bytes::from(json::document(size, 0)));
            group.throughput(Throughput::Bytes(size as u64));
            let (mut protocol, mut input) = (protocol(level), frame(&payload));
            group.bench_function(BenchmarkId::new("upsock, text", name), |bencher| {
                bencher.iter(|| receive(&mut protocol, black_box(&mut input)));
            });
            let (mut context, mut output) = (Inflate::new(false, 15), vec![0; size + 1024]);
            group.bench_function(BenchmarkId::new("zlib-rs alone", name), |bencher| {
                bencher.iter(|| {
                    context.reset(false);
                    context.decompress(black_box(&payload), &mut output, InflateFlush::SyncFlush)
                });
            });
        }
    }
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
