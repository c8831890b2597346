//! Frames as a client sends them, and as it gets them back (RFC 6455 §5.2).

use std::str::FromStr;

/// The first byte of a text: FIN and the opcode; and RSV1, if it is compressed (RFC 7692 §6).
pub const TEXT: u8 = 0x81;
pub const COMPRESSED_TEXT: u8 = 0xc1;
const BINARY: u8 = 0x82;

/// What the messages are.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// Letters.
    Binary,
    /// Letters.
    Text,
    /// Texts, each another one.
    Json,
    /// The same, compressed.
    Deflate,
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "binary" => Ok(Self::Binary),
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "deflate" => Ok(Self::Deflate),
            _ => Err(()),
        }
    }
}

/// Letters, which are the same each time but not the same everywhere.
pub fn payload(size: usize) -> Vec<u8> {
    (0..size)
        .map(|i| b'a' + (i * 7 % 25) as u8 + (i % 256 == 0) as u8)
        .collect()
}

/// Appends a masked frame.
pub fn request(out: &mut Vec<u8>, kind: Kind, payload: &[u8], key: [u8; 4]) {
    header(out, kind, payload.len(), 0x80);
    out.extend(key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Appends a server's frame.
pub fn reply(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    header(out, kind, payload.len(), 0);
    out.extend(payload);
}

fn header(out: &mut Vec<u8>, kind: Kind, length: usize, masked: u8) {
    out.push(match kind {
        Kind::Binary => BINARY,
        Kind::Text | Kind::Json => TEXT,
        Kind::Deflate => COMPRESSED_TEXT,
    });
    match length {
        0..=125 => out.push(masked | length as u8),
        126..=0xffff => {
            out.push(masked | 126);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
}

/// How long the payload behind this header of a server's frame is, if the header is complete.
pub fn payload_length(header: &[u8]) -> Option<usize> {
    match *header {
        [_, length @ 0..=125] => Some(length.into()),
        [_, 126, a, b] => Some(u16::from_be_bytes([a, b]).into()),
        [_, 127, ref length @ ..] => Some(u64::from_be_bytes(length.try_into().ok()?) as usize),
        _ => None,
    }
}

/// The payload of a server's whole frame.
pub fn payload_of(frame: &[u8]) -> &[u8] {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    &frame[header..]
}
