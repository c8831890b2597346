//! Senders, and the registry.

use tungstenite::Message;

use super::mailbox::Outbox;
use super::{ABORTED, Link, RUNG, Waiting};
use crate::websocket::protocol::{Protocol, Unsendable};

/// Why a message was not taken into the outbox.
pub(crate) enum Refused {
    Full,
    Unsendable(Unsendable),
}

impl Link {
    /// Takes a message to be sent, if there is room in the outbox; in an empty one there always is.
    pub(crate) fn offer(&self, message: Message, compressible: bool) -> Result<(), (Refused, Message)> {
        if let Err(why) = Protocol::check(&message) {
            return Err((Refused::Unsendable(why), message));
        }
        let mailbox = self.lock();
        if mailbox.closed {
            return Err((Refused::Unsendable(Unsendable::Closed), message));
        }
        if self.is_full(&mailbox.outbox, message.len()) {
            return Err((Refused::Full, message));
        }
        self.accept(mailbox, message, compressible);
        Ok(())
    }

    /// Whether the outbox takes no message of this length.
    pub(super) fn is_full(&self, outbox: &Outbox, length: usize) -> bool {
        outbox.counted() > 0
            && (outbox.counted() >= self.outbox_messages as usize
                || outbox.bytes().saturating_add(length) > self.outbox_bytes as usize)
    }

    pub(crate) fn waiting(&self) -> &Waiting {
        self.waiting.get_or_init(Box::default)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The sweep has found something due.
    pub(crate) fn ring(&self) {
        self.set(RUNG);
        Self::wake_session(self.lock());
    }

    /// The session is to end at once.
    pub(crate) fn abort(&self) {
        self.set(ABORTED);
        Self::wake_session(self.lock());
    }
}
