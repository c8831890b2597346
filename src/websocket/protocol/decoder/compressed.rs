//! What is different for messages that are compressed (RFC 7692 §6.2).

use super::super::deflate::allowance;
use super::super::frame::{Header, OpCode};
use super::super::{Limits, Violation, mask, utf8};
use super::{Decoder, Event, fits};

impl Decoder {
    /// `check`, if RSV1 is set or the open message is compressed.
    #[cold]
    pub(super) fn check_compressed(&self, header: Header) -> Result<(), Violation> {
        let first = matches!(header.opcode, OpCode::Text | OpCode::Binary);
        let Some(inflater) = self.inflater.as_ref().filter(|_| first || !header.rsv1) else {
            return Err(Violation::ReservedBits);
        };
        if header.opcode.is_control() {
            return Ok(());
        }
        let (_, fragments) = self.place(header.opcode)?;
        let limits = Limits {
            message: allowance(self.limits.message),
            frame: allowance(self.limits.frame),
            ..self.limits
        };
        fits(header.length, &limits, inflater.received(), fragments)
    }

    /// Inflates the next bytes of the open frame's payload, still masked; none of it is kept.
    pub(super) fn compressed_payload(&mut self, bytes: &mut [u8]) -> Result<Option<Event>, Violation> {
        let (Some(frame), Some(message), Some(inflater)) = (&mut self.frame, &mut self.message, &mut self.inflater)
        else {
            return Ok(None);
        };
        frame.key = mask::apply(bytes, frame.key);
        frame.missing -= bytes.len();
        let limit = self.limits.message;
        inflater.inflate(bytes, |piece| {
            let data = &mut message.data;
            if piece.len() > limit - data.len() {
                return Err(Violation::LongMessage);
            }
            if data.capacity() - data.len() < piece.len() {
                data.reserve_exact(data.len().max(piece.len()).min(limit - data.len()));
            }
            data.extend_from_slice(piece);
            if message.text {
                utf8::advance(data, &mut message.valid)?;
            }
            Ok(())
        })?;
        if frame.missing == 0 && frame.fin {
            inflater.finish()?;
        }
        self.finish()
    }
}
