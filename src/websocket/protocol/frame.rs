//! One frame's header (RFC 6455 §5.2).

use super::Violation;

/// The longest header that a server sends.
#[cfg(feature = "hub")]
pub(crate) const MAX_HEADER: usize = 10;

/// The longest payload of a control frame (RFC 6455 §5.5).
pub(crate) const MAX_CONTROL: usize = 125;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum OpCode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl OpCode {
    pub(crate) fn is_control(self) -> bool {
        self as u8 >= 8
    }

    fn parse(bits: u8) -> Result<Self, Violation> {
        Ok(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return Err(Violation::ReservedOpCode),
        })
    }
}

/// The header of a frame that a client sent: it is masked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) fin: bool,
    /// The bit that permessage-deflate uses (RFC 7692 §6); its meaning is the decoder's to judge.
    pub(crate) rsv1: bool,
    pub(crate) opcode: OpCode,
    pub(crate) key: [u8; 4],
    pub(crate) length: u64,
}

impl Header {
    /// Parses the header at the start of `bytes` and says how long it is; `None` while bytes are missing.
    #[inline]
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x30 != 0 {
            return Err(Violation::ReservedBits);
        }
        let opcode = OpCode::parse(first & 0x0f)?;
        let fin = first & 0x80 != 0;
        if second & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        let short = second & 0x7f;
        if opcode.is_control() {
            if !fin {
                return Err(Violation::FragmentedControl);
            }
            if usize::from(short) > MAX_CONTROL {
                return Err(Violation::LongControl);
            }
        }
        let (length, extended) = match short {
            126 => match rest.first_chunk::<2>() {
                Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(bytes) => (u64::from_be_bytes(*bytes), 8),
                None => return Ok(None),
            },
            _ => (u64::from(short), 0),
        };
        match extended {
            2 if length < 126 => return Err(Violation::LengthNotMinimal),
            8 if length <= 0xffff => return Err(Violation::LengthNotMinimal),
            8 if length >> 63 != 0 => return Err(Violation::LengthTopBit),
            _ => {}
        }
        let Some(&key) = rest[extended..].first_chunk::<4>() else {
            return Ok(None);
        };
        let header = Self {
            fin,
            rsv1: first & RSV1 != 0,
            opcode,
            key,
            length,
        };
        Ok(Some((header, 2 + extended + 4)))
    }
}

/// The bit that says that a message is compressed (RFC 7692 §6).
pub(crate) const RSV1: u8 = 0x40;

/// Appends the header of an unfragmented frame as a server sends it: without a mask. `rsv1` is 0 or [`RSV1`].
#[inline]
pub(crate) fn write_header(out: &mut Vec<u8>, opcode: OpCode, rsv1: u8, length: usize) {
    let first = 0x80 | rsv1 | opcode as u8;
    match length {
        0..=125 => out.extend_from_slice(&[first, length as u8]),
        126..=0xffff => {
            let [a, b] = (length as u16).to_be_bytes();
            out.extend_from_slice(&[first, 126, a, b]);
        }
        _ => {
            out.extend_from_slice(&[first, 127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
        Ok(Header::parse(bytes)?.map(|(header, used)| (header.length, used)))
    }

    #[test]
    fn lengths_in_their_three_forms() {
        assert_eq!(parse(&[0x82, 0x80 | 125, 1, 2, 3, 4]), Ok(Some((125, 6))));
        assert_eq!(parse(&[0x82, 0xfe, 0, 126, 1, 2, 3, 4]), Ok(Some((126, 8))));
        let long = [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4];
        assert_eq!(parse(&long), Ok(Some((65_536, 14))));
        for cut in 0..long.len() {
            assert_eq!(parse(&long[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn what_rfc_6455_5_2_forbids() {
        let mut long = [0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4];
        assert_eq!(parse(&long), Err(Violation::LengthNotMinimal));
        long[2] = 0x80;
        assert_eq!(parse(&long), Err(Violation::LengthTopBit));
        assert_eq!(parse(&[0x82, 0xfe, 0, 125]), Err(Violation::LengthNotMinimal));
        assert_eq!(parse(&[0x82, 0x05]), Err(Violation::Unmasked));
        assert_eq!(parse(&[0xa2, 0x85]), Err(Violation::ReservedBits));
        assert_eq!(parse(&[0x92, 0x85]), Err(Violation::ReservedBits));
        assert_eq!(parse(&[0x09, 0x80]), Err(Violation::FragmentedControl));
        assert_eq!(parse(&[0x88, 0xfe]), Err(Violation::LongControl));
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            assert_eq!(parse(&[0x80 | opcode, 0x80]), Err(Violation::ReservedOpCode));
        }
    }
}
