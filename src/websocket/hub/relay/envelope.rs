//! What a message of a room is between two processes.

use bytes::{BufMut, Bytes, BytesMut};
use tungstenite::{Message, Utf8Bytes};

use super::Malformed;
use crate::websocket::hub::Position;
use crate::websocket::protocol::SharedFrame;

/// Of this form; another one has another first byte.
const VERSION: u8 = 1;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
/// Beside the kind: not to be compressed.
const UNCOMPRESSED: u8 = 4;
/// Version, kind, node, epoch, offset; the numbers are big-endian.
const HEADER: usize = 2 + 3 * 8;

pub(crate) struct Envelope {
    /// The process that it comes from.
    pub(crate) node: u64,
    pub(crate) position: Position,
    pub(crate) message: Message,
    pub(crate) compressible: bool,
}

pub(crate) fn seal(node: u64, position: Position, frame: &SharedFrame) -> Bytes {
    let payload = frame.payload();
    let mut sealed = BytesMut::with_capacity(HEADER + payload.len());
    sealed.put_u8(VERSION);
    let kind = if frame.is_text() { TEXT } else { BINARY };
    sealed.put_u8(if frame.is_compressible() {
        kind
    } else {
        kind | UNCOMPRESSED
    });
    sealed.put_u64(node);
    sealed.put_u64(position.epoch);
    sealed.put_u64(position.offset);
    sealed.put_slice(&payload);
    sealed.freeze()
}

pub(crate) fn open(sealed: &[u8]) -> Result<Envelope, Malformed> {
    let (header, payload) = sealed.split_first_chunk::<HEADER>().ok_or(Malformed(()))?;
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&header[at..at + 8]);
        u64::from_be_bytes(bytes)
    };
    let [VERSION, kind, ..] = *header else {
        return Err(Malformed(()));
    };
    let message = match kind & !UNCOMPRESSED {
        TEXT => {
            let text = std::str::from_utf8(payload).map_err(|_| Malformed(()))?;
            Message::Text(Utf8Bytes::from(text))
        }
        BINARY => Message::Binary(Bytes::copy_from_slice(payload)),
        _ => return Err(Malformed(())),
    };
    let (epoch, offset) = (number(10), number(18));
    // An offset that cannot be followed was never given.
    if offset == 0 || offset == u64::MAX {
        return Err(Malformed(()));
    }
    Ok(Envelope {
        node: number(2),
        position: Position { epoch, offset },
        message,
        compressible: kind & UNCOMPRESSED == 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_and_opened() {
        let position = Position { epoch: 7, offset: 1 };
        for message in [Message::text("é"), Message::text(""), Message::binary(vec![0xff; 300])] {
            for compressible in [true, false] {
                let frame = SharedFrame::new(&message, compressible).unwrap();
                let sealed = seal(u64::MAX, position, &frame);
                let opened = open(&sealed).unwrap();
                assert_eq!((opened.node, opened.position), (u64::MAX, position));
                assert_eq!((&opened.message, opened.compressible), (&message, compressible));
            }
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let position = Position { epoch: 7, offset: 1 };
        let frame = SharedFrame::new(&Message::text("é"), true).unwrap();
        let good = seal(1, position, &frame);
        for cut in (0..HEADER).chain([good.len() - 1]) {
            assert!(open(&good[..cut]).is_err(), "cut at {cut}");
        }
        for (at, byte) in [(0, 0), (0, 2), (1, 0), (1, 3), (1, 4), (1, 9), (25, 0), (26, 0xff)] {
            let mut bad = good.to_vec();
            bad[at] = byte;
            assert!(open(&bad).is_err(), "{byte} at {at}");
        }
        let mut last = good.to_vec();
        last[18..26].fill(0xff);
        assert!(open(&last).is_err());
    }
}
