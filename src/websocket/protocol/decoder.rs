//! Bytes to messages: frames parsed, unmasked, put together and checked (RFC 6455 §5, §8.1).

#[cfg(feature = "deflate")]
mod compressed;

use bytes::Bytes;
use bytes::buf::{BufMut, Limit};

#[cfg(feature = "deflate")]
use super::deflate::Inflater;
use super::frame::{Header, OpCode};
use super::{Extensions, Limits, Violation, mask, utf8};

/// A header alone makes us reserve no more than this, whatever length it declares.
const FIRST_RESERVATION: usize = 16 * 1024;

/// From this many missing bytes on, a payload is worth a read of its own, straight into its place. Below, a read into
/// the window saves a system call because it takes the frames behind along.
const DIRECT_FROM: usize = 32 * 1024;

/// What one or more frames amount to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Valid UTF-8.
    Text(Bytes),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
    Close(Bytes),
}

#[derive(Debug)]
pub(crate) struct Decoder {
    limits: Limits,
    /// The data frame whose payload is arriving.
    frame: Option<OpenFrame>,
    /// The message that is being put together; boxed, because most connections are idle or get whole messages.
    message: Option<Box<Assembly>>,
    /// Control frames and empty fragments since the last data, in this period.
    controls: u32,
    /// What takes compressed messages, if they were agreed on.
    #[cfg(feature = "deflate")]
    inflater: Option<Box<Inflater>>,
}

#[derive(Debug)]
struct OpenFrame {
    fin: bool,
    /// Turned so that `key[0]` goes with the next byte.
    key: [u8; 4],
    missing: usize,
}

#[derive(Debug)]
struct Assembly {
    text: bool,
    /// RSV1 was set: what comes must be inflated to become `data`.
    compressed: bool,
    data: Vec<u8>,
    /// `data[..valid]` is valid UTF-8, if this is a text.
    valid: usize,
    fragments: u32,
}

impl Decoder {
    pub(crate) fn new(limits: Limits, extensions: &Extensions) -> Self {
        let _ = extensions;
        Self {
            limits,
            frame: None,
            message: None,
            controls: 0,
            #[cfg(feature = "deflate")]
            inflater: extensions
                .deflate
                .as_ref()
                .map(|agreement| Box::new(Inflater::new(agreement))),
        }
    }

    /// A new period begins, in which a peer may send as many control frames again.
    pub(crate) fn new_period(&mut self) {
        self.controls = 0;
    }

    /// Whether some, but not all, of a message has come.
    #[inline]
    pub(crate) fn is_partial(&self) -> bool {
        self.message.is_some()
    }

    /// Takes bytes from the start of `input` (unmasking them there) up to the end of one event.
    ///
    /// Returns how many bytes it took, and the event. Without an event more input is needed; what was not taken is the
    /// beginning of a header or of a control frame, at most 131 bytes, and must be offered again.
    #[inline]
    pub(crate) fn decode(&mut self, input: &mut [u8]) -> Result<(usize, Option<Event>), Violation> {
        let mut taken = 0;
        loop {
            if let Some(frame) = &mut self.frame {
                let rest = &mut input[taken..];
                let length = frame.missing.min(rest.len());
                taken += length;
                let event = self.payload(&mut rest[..length])?;
                if event.is_some() || self.frame.is_some() {
                    return Ok((taken, event));
                }
            }
            let rest = &mut input[taken..];
            let Some((header, length)) = Header::parse(rest)? else {
                return Ok((taken, None));
            };
            self.check(&header)?;
            let payload = &mut rest[length..];
            // `check` has held the length against the limits, which are `usize`.
            let whole = payload.get_mut(..header.length as usize);
            if header.opcode.is_control() {
                let Some(payload) = whole else {
                    return Ok((taken, None));
                };
                // A Close frame is the last in any case.
                if header.opcode != OpCode::Close {
                    self.count_control()?;
                }
                mask::apply(payload, header.key);
                let event = control(header.opcode, Bytes::copy_from_slice(payload));
                return Ok((taken + length + payload.len(), Some(event)));
            }
            if let (Some(payload), true, None) = (whole, header.fin && !header.rsv1, &self.message) {
                // The common case: a whole message that is here already. It leaves in an allocation of its own size,
                // so that keeping it keeps nothing else.
                mask::apply(payload, header.key);
                let text = header.opcode == OpCode::Text;
                if text {
                    utf8::check(payload)?;
                }
                let event = data(text, Bytes::copy_from_slice(payload));
                return Ok((taken + length + payload.len(), Some(event)));
            }
            self.open(&header);
            taken += length;
        }
    }

    /// Where the payload that is missing may be read to directly, if that is worth it. Tell [`Decoder::filled`] of what came.
    pub(crate) fn direct(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        let missing = self.frame.as_ref()?.missing;
        let message = self.message.as_mut()?;
        if missing < DIRECT_FROM || message.compressed {
            return None;
        }
        let data = &mut message.data;
        if data.capacity() == data.len() {
            data.reserve_exact(data.capacity().max(FIRST_RESERVATION).min(missing));
        }
        let room = (data.capacity() - data.len()).min(missing);
        Some(data.limit(room))
    }

    /// The last `length` bytes of the message that is being put together were read there.
    pub(crate) fn filled(&mut self, length: usize) -> Result<Option<Event>, Violation> {
        self.arrived(length)
    }

    /// Nothing will be received any more: what was does not wait for the end of the connection.
    pub(crate) fn forget(&mut self) {
        self.frame = None;
        self.message = None;
    }

    /// Judges a frame by its header: the order of frames (§5.4) and the limits, before anything is reserved.
    #[inline]
    fn check(&mut self, header: &Header) -> Result<(), Violation> {
        #[cfg(feature = "deflate")]
        if header.rsv1 || self.message.as_ref().is_some_and(|message| message.compressed) {
            self.check_compressed(*header)?;
            return self.count(header);
        }
        if header.rsv1 {
            return Err(Violation::ReservedBits);
        }
        if header.opcode.is_control() {
            return Ok(());
        }
        let (held, fragments) = self.place(header.opcode)?;
        fits(header.length, &self.limits, held, fragments)?;
        self.count(header)
    }

    /// Each empty fragment costs us more than the peer, and carries nothing; so do control frames.
    #[inline]
    fn count(&mut self, header: &Header) -> Result<(), Violation> {
        if header.opcode.is_control() {
            return Ok(());
        }
        if header.length == 0 && !header.fin {
            return self.count_control();
        }
        self.controls = 0;
        Ok(())
    }

    fn count_control(&mut self) -> Result<(), Violation> {
        self.controls += 1;
        if self.controls > self.limits.controls {
            return Err(Violation::ManyControls);
        }
        Ok(())
    }

    /// How much of its message is there before a data frame: bytes and frames.
    #[inline]
    fn place(&self, opcode: OpCode) -> Result<(usize, u32), Violation> {
        match (&self.message, opcode) {
            (None, OpCode::Continuation) => Err(Violation::UnexpectedContinuation),
            (None, _) => Ok((0, 0)),
            (Some(message), OpCode::Continuation) => Ok((message.data.len(), message.fragments)),
            (Some(_), _) => Err(Violation::UnfinishedMessage),
        }
    }

    fn open(&mut self, header: &Header) {
        let missing = header.length as usize;
        let message = self.message.get_or_insert_with(|| {
            Box::new(Assembly {
                text: header.opcode == OpCode::Text,
                compressed: header.rsv1,
                data: Vec::new(),
                valid: 0,
                fragments: 0,
            })
        });
        message.fragments += 1;
        if header.fin && message.data.is_empty() && !message.compressed {
            message.data.reserve_exact(missing.min(FIRST_RESERVATION));
        }
        self.frame = Some(OpenFrame {
            fin: header.fin,
            key: header.key,
            missing,
        });
    }

    /// Adds the next bytes of the open frame's payload, still masked.
    fn payload(&mut self, bytes: &mut [u8]) -> Result<Option<Event>, Violation> {
        let (Some(frame), Some(message)) = (&self.frame, &mut self.message) else {
            return Ok(None);
        };
        #[cfg(feature = "deflate")]
        if message.compressed {
            return self.compressed_payload(bytes);
        }
        let data = &mut message.data;
        if frame.fin && data.capacity() - data.len() < bytes.len() {
            // Doubled, but never beyond what the message will need: kept, it holds no slack. (How much a message in
            // several fragments will need is not known; it may hold as much again.)
            let room = data.capacity().max(bytes.len()).min(frame.missing);
            data.reserve_exact(room);
        }
        data.extend_from_slice(bytes);
        self.arrived(bytes.len())
    }

    /// Unmasks and checks the last `length` bytes of the message.
    fn arrived(&mut self, length: usize) -> Result<Option<Event>, Violation> {
        let (Some(frame), Some(message)) = (&mut self.frame, &mut self.message) else {
            return Ok(None);
        };
        let start = message.data.len() - length;
        frame.key = mask::apply(&mut message.data[start..], frame.key);
        frame.missing -= length;
        if message.text {
            utf8::advance(&message.data, &mut message.valid)?;
        }
        self.finish()
    }

    /// Finishes the frame and the message, if they are complete.
    fn finish(&mut self) -> Result<Option<Event>, Violation> {
        let Some(OpenFrame { fin, .. }) = self.frame.take_if(|frame| frame.missing == 0) else {
            return Ok(None);
        };
        let Some(message) = self.message.take_if(|_| fin) else {
            return Ok(None);
        };
        if message.text && message.valid < message.data.len() {
            return Err(Violation::Utf8);
        }
        Ok(Some(data(message.text, Bytes::from(message.data))))
    }
}

#[inline]
fn fits(length: u64, limits: &Limits, held: usize, fragments: u32) -> Result<(), Violation> {
    if length > limits.frame as u64 {
        return Err(Violation::LongFrame);
    }
    if length > limits.message.saturating_sub(held) as u64 {
        return Err(Violation::LongMessage);
    }
    if fragments >= limits.fragments {
        return Err(Violation::ManyFragments);
    }
    Ok(())
}

fn data(text: bool, payload: Bytes) -> Event {
    if text {
        Event::Text(payload)
    } else {
        Event::Binary(payload)
    }
}

fn control(opcode: OpCode, payload: Bytes) -> Event {
    match opcode {
        OpCode::Ping => Event::Ping(payload),
        OpCode::Pong => Event::Pong(payload),
        _ => Event::Close(payload),
    }
}
