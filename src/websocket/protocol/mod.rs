//! The frame protocol (RFC 6455 §5 to §8), sans-I/O: bytes in, messages out; messages in, bytes out.
//!
//! Nothing here waits, reads a clock or knows a socket. [`Protocol`] is what the session drives, and what the property
//! tests hold against tungstenite:
//!
//! ```text
//! frame · mask · utf8   one header, one payload, one text
//! decoder               bytes → events, within the limits
//! encoder               frames → gathered bytes and spliced payloads
//! closing               Close frames, and who has sent one
//! deflate               compressed payloads (RFC 7692), with the feature `deflate`
//! shared                frames that are encoded once for many sockets, with the feature `hub`
//! ```

mod closing;
mod decoder;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(test)]
mod differential;
mod encoder;
mod frame;
#[cfg(test)]
mod invariants;
mod mask;
#[cfg(feature = "hub")]
mod shared;
mod utf8;
mod violation;

use std::io::IoSlice;

use bytes::Bytes;
use bytes::buf::Limit;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, Utf8Bytes};

use self::closing::Closing;
use self::decoder::{Decoder, Event};
use self::encoder::Encoder;
use self::frame::{MAX_CONTROL, OpCode};

pub(crate) use self::closing::may_be_sent;
#[cfg(feature = "deflate")]
pub(crate) use self::deflate::{Agreement, Profile};
pub(crate) use self::encoder::MAX_SLICES;
#[cfg(feature = "hub")]
pub(crate) use self::shared::SharedFrame;
pub(crate) use self::violation::Violation;

/// What a peer may make us hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes in a message.
    pub(crate) message: usize,
    /// Bytes in a frame.
    pub(crate) frame: usize,
    /// Frames in a message.
    pub(crate) fragments: u32,
    /// Control frames and empty fragments without data between them, in one period.
    pub(crate) controls: u32,
}

/// The extensions that were agreed on (RFC 6455 §9).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extensions {
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<Agreement>,
}

/// Why a message cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsendable {
    /// A Close frame is queued already, and is the last (RFC 6455 §5.5.1).
    Closed,
    /// Longer than 125 bytes (RFC 6455 §5.5).
    LongControl,
    /// A code that must not be sent (RFC 6455 §7.4).
    CloseCode,
    /// Frames are made here, from messages.
    RawFrame,
}

/// One side, the server's, of one WebSocket connection.
#[derive(Debug)]
pub(crate) struct Protocol {
    decoder: Decoder,
    encoder: Encoder,
    closing: Closing,
    #[cfg(feature = "deflate")]
    compressor: Option<Box<deflate::Compressor>>,
}

impl Protocol {
    pub(crate) fn new(limits: Limits, extensions: &Extensions) -> Self {
        Self {
            decoder: Decoder::new(limits, extensions),
            encoder: Encoder::default(),
            closing: Closing::default(),
            #[cfg(feature = "deflate")]
            compressor: extensions
                .deflate
                .as_ref()
                .map(|agreement| Box::new(deflate::Compressor::new(agreement))),
        }
    }

    /// Takes bytes from the start of `input`, which it may overwrite, up to the end of one message.
    ///
    /// Returns how many bytes it took, and the message. Without a message more input is needed: at most 131 bytes are
    /// left, and must be offered again in front of it. Pings are answered here; a Close frame or a violation is the
    /// last item, and to be answered with [`Protocol::answer`], after what is still to be sent.
    #[inline]
    pub(crate) fn receive(&mut self, input: &mut [u8]) -> (usize, Option<Result<Message, Violation>>) {
        match self.decoder.decode(input) {
            Ok((taken, None)) => (taken, None),
            Ok((taken, Some(event))) => (taken, Some(self.event(event))),
            Err(violation) => (0, Some(Err(violation))),
        }
    }

    /// Where input may be read to without passing through [`Protocol::receive`]; tell [`Protocol::received_directly`] how much came.
    pub(crate) fn direct(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        self.decoder.direct()
    }

    pub(crate) fn received_directly(&mut self, length: usize) -> Option<Result<Message, Violation>> {
        match self.decoder.filled(length) {
            Ok(event) => event.map(|event| self.event(event)),
            Err(violation) => Some(Err(violation)),
        }
    }

    /// A new period begins, in which a peer may send as many control frames again.
    pub(crate) fn new_period(&mut self) {
        self.decoder.new_period();
    }

    /// Whether some, but not all, of a message has come.
    #[inline]
    pub(crate) fn is_partial(&self) -> bool {
        self.decoder.is_partial()
    }

    #[inline]
    fn event(&mut self, event: Event) -> Result<Message, Violation> {
        Ok(match event {
            Event::Text(data) => Message::Text(text(data)),
            Event::Binary(data) => Message::Binary(data),
            Event::Pong(data) => Message::Pong(data),
            Event::Ping(data) => {
                if !self.closing.sent {
                    self.encoder.pong(data.clone());
                }
                Message::Ping(data)
            }
            Event::Close(body) => Message::Close(closing::parse(&body)?),
        })
    }

    /// Queues the Close frame that answers the last item: it echoes the peer's status code (§5.5.1), without the
    /// reason, or names the violation and fails the connection (§7.1.7).
    pub(crate) fn answer(&mut self, last: &Result<Message, Violation>) {
        self.closing.received = true;
        if let Ok(Message::Close(frame)) = last {
            self.closing.begin(true, frame.as_ref());
        }
        match last {
            Ok(Message::Close(Some(frame))) => self.close(Some(&CloseFrame {
                code: frame.code,
                reason: Utf8Bytes::default(),
            })),
            Ok(_) => self.close(None),
            Err(violation) => {
                self.decoder.forget();
                self.close(Some(&CloseFrame {
                    code: violation.close_code(),
                    reason: Utf8Bytes::from_static(violation.reason()),
                }));
            }
        }
    }

    /// Whether a message can be sent, by what it is.
    #[inline]
    pub(crate) fn check(message: &Message) -> Result<(), Unsendable> {
        match message {
            Message::Text(_) | Message::Binary(_) => Ok(()),
            Message::Ping(data) | Message::Pong(data) if data.len() > MAX_CONTROL => Err(Unsendable::LongControl),
            Message::Close(Some(frame)) if !may_be_sent(frame.code) => Err(Unsendable::CloseCode),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
            Message::Frame(_) => Err(Unsendable::RawFrame),
        }
    }

    /// Queues a message; a text or binary one is compressed if that was agreed on, it is allowed, and it pays.
    #[inline]
    pub(crate) fn send(&mut self, message: Message, compressible: bool) -> Result<(), Unsendable> {
        if self.closing.sent {
            return Err(Unsendable::Closed);
        }
        Self::check(&message)?;
        match message {
            Message::Text(text) => self.data(OpCode::Text, text.into(), compressible),
            Message::Binary(data) => self.data(OpCode::Binary, data, compressible),
            Message::Ping(data) => self.encoder.frame(OpCode::Ping, data),
            Message::Pong(data) => self.encoder.frame(OpCode::Pong, data),
            Message::Close(frame) => self.close(frame.as_ref()),
            Message::Frame(_) => return Err(Unsendable::RawFrame),
        }
        Ok(())
    }

    #[inline]
    fn data(&mut self, opcode: OpCode, payload: Bytes, compressible: bool) {
        #[cfg(feature = "deflate")]
        if self.compressor.is_some() && compressible && self.compress(opcode, &payload) {
            return;
        }
        let _ = compressible;
        self.encoder.frame(opcode, payload);
    }

    /// Queues a message compressed, unless it is better sent as it is.
    #[cfg(feature = "deflate")]
    #[inline(never)]
    fn compress(&mut self, opcode: OpCode, payload: &[u8]) -> bool {
        let compressed = self
            .compressor
            .as_mut()
            .and_then(|compressor| compressor.message(payload));
        compressed
            .map(|payload| self.encoder.compressed(opcode, payload))
            .is_some()
    }

    /// Queues a frame that other sockets get too, unless a Close frame is queued.
    #[cfg(feature = "hub")]
    #[inline]
    pub(crate) fn send_shared(&mut self, frame: &SharedFrame) {
        if self.closing.sent {
            return;
        }
        #[cfg(feature = "deflate")]
        if self.compressor.is_some() && frame.is_compressible() {
            return self.compress_shared(frame);
        }
        self.encoder.encoded(frame.encoded());
    }

    #[cfg(all(feature = "deflate", feature = "hub"))]
    #[inline(never)]
    fn compress_shared(&mut self, frame: &SharedFrame) {
        let Some(compressor) = &self.compressor else { return };
        if compressor.takes_over() {
            // The window at the peer's holds what this connection has compressed, and nothing else may refer to it.
            return self.data(frame.opcode(), frame.payload(), true);
        }
        let profile = compressor.profile(frame.payload().len());
        let compressed = profile.and_then(|profile| frame.compressed(profile));
        self.encoder.encoded(compressed.unwrap_or(frame.encoded()));
    }

    /// Queues a Close frame, if none is queued yet.
    pub(crate) fn close(&mut self, frame: Option<&CloseFrame>) {
        if !self.closing.sent {
            self.closing.sent = true;
            self.closing.begin(false, frame);
            self.encoder.queue_pong();
            self.encoder.frame(OpCode::Close, closing::format(frame));
        }
    }

    /// The code and reason of the Close frame that began the closing handshake, and who has sent it.
    pub(crate) fn first_close(&self) -> (u16, &str, &'static str) {
        self.closing.first()
    }

    /// Whether our Close frame is queued or sent: no message can follow.
    pub(crate) fn close_sent(&self) -> bool {
        self.closing.sent
    }

    /// Whether the peer's Close frame or a violation has come: no message can follow.
    pub(crate) fn close_received(&self) -> bool {
        self.closing.received
    }

    /// Whether pings wait for an answer that cannot be queued before more is written.
    pub(crate) fn owes_pong(&self) -> bool {
        self.encoder.owes_pong()
    }

    /// How many bytes are queued and not written.
    pub(crate) fn unsent(&self) -> usize {
        self.encoder.unsent()
    }

    /// The next bytes to write, in pieces; returns how many pieces.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; MAX_SLICES]) -> usize {
        self.encoder.slices(slices)
    }

    /// `length` bytes of the slices were written.
    pub(crate) fn advance(&mut self, length: usize) {
        self.encoder.advance(length);
    }

    /// Lends a buffer to gather output in.
    pub(crate) fn lend(&mut self, buffer: &mut Vec<u8>) {
        self.encoder.lend(buffer);
    }

    /// Takes a lent buffer back, if it is empty or much too large for what is in it.
    pub(crate) fn reclaim(&mut self, buffer: &mut Vec<u8>) {
        self.encoder.reclaim(buffer);
    }
}

/// The one place without the compiler's guarantee, and the decoder's main promise: a text event is valid UTF-8.
#[allow(unsafe_code)]
#[inline]
fn text(data: Bytes) -> Utf8Bytes {
    debug_assert!(std::str::from_utf8(&data).is_ok());
    // SAFETY: the decoder makes a text event only after `utf8` has found all its bytes to be valid UTF-8. Checking
    // once more here would cost 0.74 µs for a text of 16 KiB.
    unsafe { Utf8Bytes::from_bytes_unchecked(data) }
}
