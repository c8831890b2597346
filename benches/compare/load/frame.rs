//! Frames as a client sends them, and as it gets them back (RFC 6455 §5.2).

use std::str::FromStr;

#[derive(Clone, Copy)]
pub enum Kind {
    Text,
    Binary,
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "text" => Ok(Self::Text),
            "binary" => Ok(Self::Binary),
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
        Kind::Text => 0x81,
        Kind::Binary => 0x82,
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
