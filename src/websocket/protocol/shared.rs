//! A message that is encoded once, for many sockets.

#[cfg(feature = "deflate")]
use std::sync::OnceLock;

use bytes::Bytes;
use tungstenite::Message;

#[cfg(feature = "deflate")]
use super::deflate::{Profile, compress};
#[cfg(feature = "deflate")]
use super::frame::RSV1;
use super::frame::{MAX_HEADER, OpCode, write_header};

/// A whole data frame, header and payload in one allocation of its own size.
///
/// It owns its bytes: one that is kept keeps nothing else with it.
#[derive(Debug)]
pub(crate) struct SharedFrame {
    opcode: OpCode,
    header: u8,
    compressible: bool,
    encoded: Bytes,
    #[cfg(feature = "deflate")]
    compressed: Forms,
}

/// The compressed forms of a frame, each made when the first socket with its profile asks for it: a list, since nearly
/// always there is one.
#[cfg(feature = "deflate")]
type Forms = OnceLock<Box<Compressed>>;

#[cfg(feature = "deflate")]
#[derive(Debug)]
struct Compressed {
    profile: Profile,
    /// `None` if it would not be shorter.
    encoded: Option<Bytes>,
    next: Forms,
}

impl SharedFrame {
    /// Encodes a text or a binary message; others are not for many.
    pub(crate) fn new(message: &Message, compressible: bool) -> Option<Self> {
        let (opcode, payload) = match message {
            Message::Text(text) => (OpCode::Text, text.as_bytes()),
            Message::Binary(data) => (OpCode::Binary, &**data),
            _ => return None,
        };
        let (header, encoded) = encode(opcode, 0, payload);
        Some(Self {
            opcode,
            header,
            compressible,
            encoded,
            #[cfg(feature = "deflate")]
            compressed: Forms::new(),
        })
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn opcode(&self) -> OpCode {
        self.opcode
    }

    pub(crate) fn is_text(&self) -> bool {
        self.opcode == OpCode::Text
    }

    pub(crate) fn is_compressible(&self) -> bool {
        self.compressible
    }

    pub(crate) fn payload(&self) -> Bytes {
        self.encoded.slice(usize::from(self.header)..)
    }

    /// Header and payload.
    #[inline]
    pub(crate) fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// The same with a compressed payload, which refers to nothing before it; `None` if that would not be shorter.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed(&self, profile: Profile) -> Option<&Bytes> {
        let mut form = &self.compressed;
        loop {
            let there = form.get_or_init(|| {
                let payload = compress(profile, &self.payload());
                Box::new(Compressed {
                    profile,
                    encoded: payload.map(|payload| encode(self.opcode, RSV1, &payload).1),
                    next: Forms::new(),
                })
            });
            if there.profile == profile {
                return there.encoded.as_ref();
            }
            form = &there.next;
        }
    }
}

/// A frame, and how long its header is.
fn encode(opcode: OpCode, rsv1: u8, payload: &[u8]) -> (u8, Bytes) {
    let mut encoded = Vec::with_capacity(MAX_HEADER + payload.len());
    write_header(&mut encoded, opcode, rsv1, payload.len());
    let header = encoded.len() as u8;
    encoded.extend_from_slice(payload);
    (header, encoded.into_boxed_slice().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_owns_its_bytes_and_no_more() {
        let read = Bytes::from(vec![7; 128 * 1024]);
        for (length, header) in [(0, 2), (20, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let frame = SharedFrame::new(&Message::Binary(read.slice(..length)), true).unwrap();
            assert_eq!(frame.encoded().len(), header + length);
            assert_eq!(frame.payload(), read.slice(..length));
            let own = Vec::from(frame.encoded);
            assert_eq!(own.capacity(), header + length);
        }
        assert!(SharedFrame::new(&Message::Ping(Bytes::new()), true).is_none());
        assert!(SharedFrame::new(&Message::Close(None), true).is_none());
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn it_is_compressed_once_for_each_profile() {
        let profile = |level| Profile { level, window_bits: 15 };
        let frame = SharedFrame::new(&Message::text("to be or not to be ".repeat(50)), true).unwrap();
        let [fast, best] = [1, 9].map(|level| frame.compressed(profile(level)).unwrap());
        assert_eq!(fast[0], 0x80 | RSV1 | OpCode::Text as u8);
        assert!(best.len() < frame.encoded().len() / 10);
        for (level, form) in [(9, best), (1, fast)] {
            assert_eq!(frame.compressed(profile(level)).unwrap().as_ptr(), form.as_ptr());
        }
        assert!(fast.as_ptr() != best.as_ptr());

        let short = SharedFrame::new(&Message::text("!"), true).unwrap();
        assert!(short.compressed(profile(6)).is_none() && short.compressed(profile(6)).is_none());
    }
}
