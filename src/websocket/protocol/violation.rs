//! What a peer can do wrong, and what it is told.

use std::fmt;

use tungstenite::protocol::frame::coding::CloseCode;

/// A breach of RFC 6455 or of one of our limits: it fails the connection (RFC 6455 §7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    ReservedBits,
    ReservedOpCode,
    Unmasked,
    LengthNotMinimal,
    LengthTopBit,
    LongControl,
    FragmentedControl,
    UnexpectedContinuation,
    UnfinishedMessage,
    CloseBody,
    CloseCode,
    Utf8,
    LongFrame,
    LongMessage,
    ManyFragments,
    ManyControls,
    SlowMessage,
    #[cfg(feature = "deflate")]
    Compression,
    #[cfg(feature = "deflate")]
    Ratio,
}

impl Violation {
    pub(crate) fn close_code(self) -> CloseCode {
        match self {
            Self::Utf8 => CloseCode::Invalid,
            Self::LongFrame | Self::LongMessage => CloseCode::Size,
            #[cfg(feature = "deflate")]
            Self::Ratio => CloseCode::Size,
            Self::ManyFragments | Self::ManyControls | Self::SlowMessage => CloseCode::Policy,
            _ => CloseCode::Protocol,
        }
    }

    /// The reason in the Close frame, and the text of the error.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved bit set without an extension",
            Self::ReservedOpCode => "reserved opcode",
            Self::Unmasked => "frame is not masked",
            Self::LengthNotMinimal => "payload length is not in its shortest form",
            Self::LengthTopBit => "payload length has its top bit set",
            Self::LongControl => "control frame longer than 125 bytes",
            Self::FragmentedControl => "control frame is fragmented",
            Self::UnexpectedContinuation => "continuation without a message",
            Self::UnfinishedMessage => "new message inside a fragmented one",
            Self::CloseBody => "close frame with a body of one byte",
            Self::CloseCode => "close code that must not be sent",
            Self::Utf8 => "text is not UTF-8",
            Self::LongFrame => "frame is too big",
            Self::LongMessage => "message is too big",
            Self::ManyFragments => "message has too many fragments",
            Self::ManyControls => "too many control frames or empty fragments without data",
            Self::SlowMessage => "message takes too long",
            #[cfg(feature = "deflate")]
            Self::Compression => "compressed data is broken",
            #[cfg(feature = "deflate")]
            Self::Ratio => "message is compressed too much",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}
