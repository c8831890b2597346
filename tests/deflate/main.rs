//! Compressed messages, on real connections.

#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used)]

#[path = "../peer/mod.rs"]
mod peer;

mod hostile;
mod messages;
#[cfg(feature = "hub")]
mod rooms;

use std::io::Write;

use flate2::Compression as Level;
use flate2::write::DeflateEncoder;

use crate::peer::{Raw, Server};

/// RSV1.
const COMPRESSED: u8 = 0x40;

/// A client that offers this, and what is answered.
async fn offer(server: &Server, offer: &str) -> (Raw, Option<String>) {
    let lines = format!("Sec-WebSocket-Extensions: {offer}\r\n");
    let (client, head) = Raw::handshake_with(server.tcp().await, &lines).await;
    let answer = head
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-extensions: "))
        .map(String::from);
    (client, answer)
}

/// A payload as it is sent: without the tail.
fn deflated(payload: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Level::new(9));
    encoder.write_all(payload.as_ref()).unwrap();
    encoder.flush().unwrap();
    let bytes = encoder.get_ref().clone();
    assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]));
    bytes[..bytes.len() - 4].to_vec()
}

/// What a payload stands for.
fn inflated(payload: &[u8]) -> Vec<u8> {
    let mut inflate = flate2::Decompress::new(false);
    let mut data = Vec::with_capacity(1 << 20);
    let bytes = [payload, &[0, 0, 0xff, 0xff]].concat();
    inflate
        .decompress_vec(&bytes, &mut data, flate2::FlushDecompress::Sync)
        .unwrap();
    data
}
