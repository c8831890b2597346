//! The frame protocol alone: no transport, no runtime.
//!
//! `cargo bench --bench protocol`

#![allow(missing_docs, reason = "criterion's macros make functions")]

/// The crate keeps its protocol private, so this includes the files. They depend on nothing else of the crate.
#[path = "../src/websocket/protocol/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod protocol;

// Private even within `protocol`, hence once more.
#[path = "../src/websocket/protocol/mask.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, clippy::duplicate_mod)]
mod mask;
#[path = "../src/websocket/protocol/utf8.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, clippy::duplicate_mod)]
mod utf8;

use std::hint::black_box;
use std::io::IoSlice;

use bytes::{BufMut, Bytes};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tungstenite::Message;

use self::protocol::{Extensions, Limits, MAX_SLICES, Protocol, Violation};

const SIZES: [(&str, usize); 5] = [
    ("20 B", 20),
    ("125 B", 125),
    ("1 KiB", 1 << 10),
    ("16 KiB", 16 << 10),
    ("1 MiB", 1 << 20),
];

/// What the session reads at once.
const WINDOW: usize = 64 << 10;

/// A payload of this length.
type Payload = fn(usize) -> Vec<u8>;

const KINDS: [(&str, Payload); 3] = [
    ("binary", |size| vec![0xa5; size]),
    ("ascii", |size| {
        b"WebSockets ".iter().copied().cycle().take(size).collect()
    }),
    ("non-ascii", non_ascii),
];

/// Cyrillic, with an ASCII character first where the size is odd.
fn non_ascii(size: usize) -> Vec<u8> {
    "x".repeat(size % 2)
        .bytes()
        .chain("привет".bytes().cycle().take(size - size % 2))
        .collect()
}

fn protocol() -> Protocol {
    Protocol::new(
        Limits {
            message: 1 << 20,
            frame: 1 << 20,
            fragments: 1,
            controls: 1,
        },
        &Extensions::default(),
    )
}

/// A client's frame. Its key is zero: decoding unmasks the input in place, which must be the same in the next round.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.put_u8(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.put_u8(0x80 | 126);
            frame.put_u16(length as u16);
        }
        length => {
            frame.put_u8(0x80 | 127);
            frame.put_u64(length as u64);
        }
    }
    frame.put_u32(0);
    frame.put_slice(payload);
    frame
}

/// Offers the input as the session does: window by window, and straight into place if the protocol wants that.
fn receive(protocol: &mut Protocol, mut input: &mut [u8]) -> Message {
    loop {
        let item = if let Some(mut place) = protocol.direct() {
            let length = place.remaining_mut().min(input.len());
            let (now, later) = input.split_at_mut(length);
            // The kernel's copy, on a real connection.
            place.put_slice(now);
            input = later;
            protocol.received_directly(length)
        } else {
            let length = input.len().min(WINDOW);
            let (taken, item) = protocol.receive(&mut input[..length]);
            input = &mut input[taken..];
            item
        };
        if let Some(item) = item {
            return item.expect("a valid frame");
        }
    }
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (kind, payload) in KINDS {
        for (name, size) in SIZES {
            let first = if kind == "binary" { 0x82 } else { 0x81 };
            let mut input = frame(first, &payload(size));
            let mut protocol = protocol();
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new(kind, name), |bencher| {
                bencher.iter(|| receive(&mut protocol, black_box(&mut input)));
            });
        }
    }
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (name, size) in SIZES {
        let payload = Bytes::from(vec![0xa5; size]);
        let mut protocol = protocol();
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(name, |bencher| {
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
    }
}

fn masking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask");
    for (name, size) in SIZES {
        let mut data = vec![0xa5; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| mask::apply(black_box(&mut data), black_box([0x37, 0xfa, 0x21, 0x3d])));
        });
    }
}

fn validation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("utf8");
    for (kind, text) in &KINDS[1..] {
        for (name, size) in SIZES {
            let text = text(size);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new(*kind, name), |bencher| {
                bencher.iter(|| utf8::check(black_box(&text)));
            });
        }
    }
}

criterion_group!(benches, decode, encode, masking, validation);
criterion_main!(benches);
