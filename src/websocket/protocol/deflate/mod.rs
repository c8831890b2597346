//! permessage-deflate (RFC 7692): the payloads of messages, compressed and back, sans-I/O like the rest.
//!
//! ```text
//! compress   a message → its compressed payload; also outside of a connection
//! inflate    compressed pieces, as they arrive → the message
//! pool       the contexts of a thread, borrowed while a message passes
//! ```

mod compress;
#[cfg(test)]
mod differential;
mod inflate;
mod pool;
#[cfg(test)]
mod tests;

pub(crate) use self::compress::Compressor;
#[cfg(feature = "hub")]
pub(crate) use self::compress::compress;
pub(crate) use self::inflate::Inflater;

/// An empty block, which a sender leaves out at the end of each message (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// How a payload is compressed: whatever else two connections have agreed on, by the same profile they can get the same
/// frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    /// 1 to 9.
    pub(crate) level: u8,
    /// The window's size as a power of two, 9 to 15.
    pub(crate) window_bits: u8,
}

/// What was agreed on in the handshake (RFC 7692 §7.1), and how our side makes use of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreement {
    pub(crate) profile: Profile,
    /// Shorter messages are sent as they are.
    pub(crate) threshold: usize,
    /// The server's messages refer to those before them.
    pub(crate) server_context_takeover: bool,
    /// The client's may.
    pub(crate) client_context_takeover: bool,
    /// How much longer than its compressed form a message may be.
    pub(crate) max_ratio: Option<u32>,
}

/// How many compressed bytes are taken for so many bytes of data.
///
/// Data that cannot be compressed grows: by 5 bytes a block where blocks are stored, by an eighth with the fixed codes
/// that fast compressors use for everything. It also bounds what blocks that hold nothing can cost us.
pub(super) fn allowance(bytes: usize) -> usize {
    bytes.saturating_add(bytes / 8).saturating_add(64)
}
