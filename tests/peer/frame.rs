//! Frames in bytes: as a client sends them, and as a server does.

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    /// The message is compressed.
    pub rsv1: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

/// A frame as clients send it; `first` is its first byte.
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = header(first, payload.len() as u64);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's header that declares this length.
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..=125 => header.push(0x80 | length as u8),
        126..=0xffff => {
            header.push(0x80 | 126);
            header.extend((length as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend(length.to_be_bytes());
        }
    }
    header.extend(KEY);
    header
}

/// The first frame of a server, and its length; `None` if it is not all there.
pub(super) fn parse(input: &[u8]) -> Option<(Frame, usize)> {
    let (&first, &second) = (input.first()?, input.get(1)?);
    assert_eq!(first & 0x30, 0, "reserved bits");
    assert_eq!(second & 0x80, 0, "a server does not mask");
    let (length, start) = match second {
        126 => (u64::from(u16::from_be_bytes(*input[2..].first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*input[2..].first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    let end = start + length as usize;
    let frame = Frame {
        fin: first & 0x80 != 0,
        rsv1: first & 0x40 != 0,
        opcode: first & 0x0f,
        payload: input.get(start..end)?.to_vec(),
    };
    Some((frame, end))
}
