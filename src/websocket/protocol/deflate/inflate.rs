//! Compressed payloads to messages, as they arrive (RFC 7692 §7.2.2).

use std::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::super::Violation;
use super::{Agreement, TAIL, pool};

/// Shorter messages are not worth judging by their ratio: a line of dashes is one to fifty.
const RATIO_FROM: usize = 64 * 1024;

/// The peer's direction of one connection.
pub(crate) struct Inflater {
    takeover: bool,
    max_ratio: Option<u32>,
    /// While a message passes; with context takeover, from the first one on.
    context: Option<Box<Inflate>>,
    /// Of the message that passes: compressed bytes, what they have become, and the last of them.
    received: usize,
    produced: usize,
    last: [u8; 4],
    /// The stream has ended with a final block, and nothing has come since.
    ended: bool,
}

impl Inflater {
    pub(crate) fn new(agreement: &Agreement) -> Self {
        Self {
            takeover: agreement.client_context_takeover,
            max_ratio: agreement.max_ratio,
            context: None,
            received: 0,
            produced: 0,
            last: [0; 4],
            ended: false,
        }
    }

    /// How many compressed bytes of the message have come.
    pub(crate) fn received(&self) -> usize {
        self.received
    }

    /// Inflates the next bytes of the message; `sink` gets what they become, piece by piece, and may refuse it.
    pub(crate) fn inflate(
        &mut self,
        input: &[u8],
        sink: impl FnMut(&[u8]) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.received += input.len();
        for &byte in &input[input.len().saturating_sub(4)..] {
            self.last.rotate_left(1);
            self.last[3] = byte;
        }
        let result = pool::with_output(|output| self.run(input, output, sink));
        if result.is_err() {
            self.release();
        }
        result
    }

    fn run(
        &mut self,
        mut input: &[u8],
        output: &mut [u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let context = self.context.get_or_insert_with(pool::inflater);
        loop {
            let (taken, made) = (context.total_in(), context.total_out());
            let status = context
                .decompress(input, output, InflateFlush::NoFlush)
                .map_err(|_| Violation::Compression)?;
            let taken = (context.total_in() - taken) as usize;
            let made = (context.total_out() - made) as usize;
            input = &input[taken..];
            self.produced += made;
            if self.produced > RATIO_FROM
                && self
                    .max_ratio
                    .is_some_and(|ratio| self.produced / ratio as usize > self.received)
            {
                return Err(Violation::Ratio);
            }
            if made > 0 {
                sink(&output[..made])?;
            }
            if status == Status::StreamEnd {
                // Legal anywhere (RFC 7692 §7.2.3.4). Like browsers, we take it that who ends a stream begins another,
                // which does not refer to it.
                context.reset(false);
                self.ended = true;
            } else if taken > 0 {
                self.ended = false;
            }
            // If the buffer is full, there may be more.
            if input.is_empty() && made < output.len() {
                return Ok(());
            }
            if taken == 0 && made == 0 {
                return Err(Violation::Compression);
            }
        }
    }

    /// All of the message has come: it must end where a block does, with the tail that its sender has left out.
    pub(crate) fn finish(&mut self) -> Result<(), Violation> {
        let whole = self.ended || self.received == 0 || self.ends_with_block();
        if !self.takeover || !whole {
            self.release();
        }
        (self.received, self.produced, self.last, self.ended) = (0, 0, [0; 4], false);
        if whole { Ok(()) } else { Err(Violation::Compression) }
    }

    fn ends_with_block(&mut self) -> bool {
        let Some(context) = &mut self.context else {
            return false;
        };
        // The first byte: for a sender that has not left the tail out, the beginning of another. The last: told to stop
        // behind a block, zlib leaves it where it is, but takes it if it is in the middle of something.
        let [a, b, c, d] = TAIL;
        let probe = [0, a, b, c, d, 0];
        let input = if self.last == TAIL { &probe } else { &probe[1..] };
        let (taken, made) = (context.total_in(), context.total_out());
        let status = context.decompress(input, &mut [0], InflateFlush::Block);
        status == Ok(Status::Ok) && context.total_in() - taken == input.len() as u64 - 1 && context.total_out() == made
    }

    fn release(&mut self) {
        if let Some(context) = self.context.take() {
            pool::give_back(context);
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
