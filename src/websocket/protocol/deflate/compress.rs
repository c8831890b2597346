//! Messages to compressed payloads (RFC 7692 §7.2.1).

use std::fmt;

use bytes::Bytes;
use zlib_rs::{Deflate, DeflateFlush};

use super::{Agreement, Profile, TAIL, pool};

/// A compressed payload that refers to nothing before it: the same for all connections that share the profile.
///
/// `None` if it would not be shorter.
pub(crate) fn compress(profile: Profile, payload: &[u8]) -> Option<Bytes> {
    // A full flush makes the context forget, as a reset does, but clears a quarter less.
    pool::with_compressor(profile, |context| run(context, payload, DeflateFlush::FullFlush))
        .filter(|short| short.len() < payload.len())
}

/// Our direction of one connection.
pub(crate) struct Compressor {
    profile: Profile,
    threshold: usize,
    takeover: bool,
    /// Kept from the first message on, with context takeover.
    context: Option<Box<Deflate>>,
}

impl Compressor {
    pub(crate) fn new(agreement: &Agreement) -> Self {
        Self {
            profile: agreement.profile,
            threshold: agreement.threshold,
            takeover: agreement.server_context_takeover,
            context: None,
        }
    }

    /// How a message for many is compressed, of this length; `None` if that is to be sent as it is.
    #[cfg(feature = "hub")]
    pub(crate) fn profile(&self, length: usize) -> Option<Profile> {
        (length >= self.threshold).then_some(self.profile)
    }

    /// Whether a message may refer to those before it: then each connection has its own.
    #[cfg(feature = "hub")]
    pub(crate) fn takes_over(&self) -> bool {
        self.takeover
    }

    /// The compressed payload of the next message; `None` if that is to be sent as it is.
    pub(crate) fn message(&mut self, payload: &[u8]) -> Option<Bytes> {
        if payload.len() < self.threshold || payload.is_empty() {
            return None;
        }
        if !self.takeover {
            return compress(self.profile, payload);
        }
        // What this context has seen the peer's must see too, also if it has become longer.
        let context = self.context.get_or_insert_with(|| pool::kept_compressor(self.profile));
        let compressed = run(context, payload, DeflateFlush::SyncFlush);
        if compressed.is_none() {
            // A new one refers to nothing that the peer has not got.
            self.context = None;
        }
        compressed
    }
}

/// `None` if zlib fails, which it has no reason to.
fn run(context: &mut Deflate, payload: &[u8], flush: DeflateFlush) -> Option<Bytes> {
    pool::with_output(|output| {
        let mut earlier = Vec::new();
        let mut rest = payload;
        loop {
            let (taken, made) = (context.total_in(), context.total_out());
            context.compress(rest, output, flush).ok()?;
            let taken = (context.total_in() - taken) as usize;
            let made = (context.total_out() - made) as usize;
            rest = &rest[taken..];
            // If the buffer is full, there may be more.
            let finished = rest.is_empty() && made < output.len();
            if finished && earlier.is_empty() {
                return output[..made].strip_suffix(&TAIL).map(Bytes::copy_from_slice);
            }
            earlier.extend_from_slice(&output[..made]);
            if finished {
                let length = earlier.strip_suffix(&TAIL)?.len();
                earlier.truncate(length);
                return Some(earlier.into());
            }
            if taken == 0 && made == 0 {
                return None;
            }
        }
    })
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
