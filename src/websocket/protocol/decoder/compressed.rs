//! What is different for messages that are compressed (RFC 7692 §6.2).

use super::super::deflate::allowance;
use super::super::frame::{Header, OpCode};
use super::super::{Limits, Violation, mask, utf8};
use super::{Decoder, Event};

impl Decoder {
    /// Whether RSV1 may be set: on the first frame of a message, if compression was agreed on.
    pub(super) fn may_be_compressed(&self, opcode: OpCode) -> bool {
        self.inflater.is_some() && matches!(opcode, OpCode::Text | OpCode::Binary)
    }

    /// The limits on what comes of a compressed message, and how much has come; `None` if the frame is of another.
    pub(super) fn compressed_limits(&self, header: &Header) -> Option<(Limits, usize)> {
        let open = self.message.as_ref().is_some_and(|message| message.compressed);
        if !open && !header.rsv1 {
            return None;
        }
        let limits = Limits {
            message: allowance(self.limits.message),
            frame: allowance(self.limits.frame),
            ..self.limits
        };
        Some((limits, self.inflater.as_ref()?.received()))
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
