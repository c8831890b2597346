//! What one connection sends at once, and whether that comes back.

use crate::Error;
use crate::frame::{self, Kind};
use crate::{deflate, json};

pub struct Batch {
    pub requests: Vec<u8>,
    expected: Expected,
}

enum Expected {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A frame for each of these texts; servers compress as they like.
    Texts(Vec<Vec<u8>>),
}

impl Batch {
    pub fn new(kind: Kind, size: usize, messages: usize) -> Result<Self, Error> {
        let mut requests = Vec::new();
        let keys = (1..).map(|number| 0x9e37_79b9_u32.wrapping_mul(number).to_be_bytes());
        let expected = if matches!(kind, Kind::Json | Kind::Deflate) {
            let texts: Vec<_> = (0..messages).map(|number| json::document(size, number)).collect();
            for (text, key) in texts.iter().zip(keys) {
                let payload = match kind {
                    Kind::Deflate => &deflate::compress(text)?,
                    _ => text,
                };
                frame::request(&mut requests, kind, payload, key);
            }
            Expected::Texts(texts)
        } else {
            let (letters, mut replies) = (frame::payload(size), Vec::new());
            for key in keys.take(messages) {
                frame::request(&mut requests, kind, &letters, key);
                frame::reply(&mut replies, kind, &letters);
            }
            Expected::Bytes(replies)
        };
        Ok(Self { requests, expected })
    }
}

/// How far a connection's replies have come.
#[derive(Default)]
pub struct Replies {
    /// The first batch is compared, byte by byte; later ones by their length or number.
    pub verified: bool,
    /// How long the first batch was.
    pub first: usize,
    /// Of this batch: bytes and whole frames.
    received: usize,
    frames: usize,
    /// The beginning of a frame, or as long as nothing is verified all of it, and how much of its payload is missing.
    frame: Vec<u8>,
    missing: usize,
}

impl Replies {
    /// Takes what has come: whether the batch is complete.
    pub fn take(&mut self, batch: &Batch, bytes: &[u8]) -> Result<bool, Error> {
        let complete = match &batch.expected {
            Expected::Bytes(expected) => self.take_bytes(expected, bytes)?,
            Expected::Texts(texts) => self.take_frames(texts, bytes)?,
        };
        self.received += bytes.len();
        if complete {
            if !self.verified {
                (self.verified, self.first) = (true, self.received);
            }
            (self.received, self.frames) = (0, 0);
        }
        Ok(complete)
    }

    fn take_bytes(&self, expected: &[u8], bytes: &[u8]) -> Result<bool, Error> {
        let end = self.received + bytes.len();
        let Some(expected_here) = expected.get(self.received..end) else {
            return Err("more has come back than was sent".into());
        };
        if !self.verified && *expected_here != *bytes {
            return Err("a wrong echo".into());
        }
        Ok(end == expected.len())
    }

    fn take_frames(&mut self, texts: &[Vec<u8>], mut bytes: &[u8]) -> Result<bool, Error> {
        while !bytes.is_empty() {
            let Some(text) = texts.get(self.frames) else {
                return Err("more has come back than was sent".into());
            };
            if self.missing == 0 {
                self.frame.push(bytes[0]);
                bytes = &bytes[1..];
                self.missing = frame::payload_length(&self.frame).unwrap_or_default();
                continue;
            }
            let (piece, rest) = bytes.split_at(self.missing.min(bytes.len()));
            if !self.verified {
                self.frame.extend(piece);
            }
            self.missing -= piece.len();
            bytes = rest;
            if self.missing == 0 {
                if !self.verified && deflate::text(&self.frame)? != *text {
                    return Err("a wrong echo".into());
                }
                self.frame.clear();
                self.frames += 1;
            }
        }
        Ok(self.frames == texts.len())
    }
}
