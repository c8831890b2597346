//! A message that is encoded once, for many sockets.

use bytes::Bytes;
use tungstenite::Message;

use super::frame::{MAX_HEADER, OpCode, write_header};

/// A whole data frame, header and payload in one allocation of its own size.
///
/// It owns its bytes: one that is kept keeps nothing else with it. A socket that has agreed on compression is to get a
/// compressed form, which belongs here, beside this one, made when the first socket with those parameters asks for it
/// ([`Protocol::send_shared`](super::Protocol::send_shared)).
#[derive(Debug)]
pub(crate) struct SharedFrame {
    opcode: OpCode,
    header: usize,
    encoded: Bytes,
}

impl SharedFrame {
    /// Encodes a text or a binary message; others are not for many.
    pub(crate) fn new(message: &Message) -> Option<Self> {
        let (opcode, payload) = match message {
            Message::Text(text) => (OpCode::Text, text.as_bytes()),
            Message::Binary(data) => (OpCode::Binary, &**data),
            _ => return None,
        };
        let mut encoded = Vec::with_capacity(MAX_HEADER + payload.len());
        write_header(&mut encoded, opcode, 0, payload.len());
        let header = encoded.len();
        encoded.extend_from_slice(payload);
        Some(Self {
            opcode,
            header,
            encoded: encoded.into_boxed_slice().into(),
        })
    }

    pub(crate) fn is_text(&self) -> bool {
        self.opcode == OpCode::Text
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.encoded[self.header..]
    }

    /// Header and payload.
    #[inline]
    pub(crate) fn encoded(&self) -> &Bytes {
        &self.encoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_owns_its_bytes_and_no_more() {
        let read = Bytes::from(vec![7; 128 * 1024]);
        for (length, header) in [(0, 2), (20, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let frame = SharedFrame::new(&Message::Binary(read.slice(..length))).unwrap();
            assert_eq!(frame.encoded().len(), header + length);
            assert_eq!(frame.payload(), &read[..length]);
            let own = Vec::from(frame.encoded);
            assert_eq!(own.capacity(), header + length);
        }
        assert!(SharedFrame::new(&Message::Ping(Bytes::new())).is_none());
        assert!(SharedFrame::new(&Message::Close(None)).is_none());
    }
}
