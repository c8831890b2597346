//! What waits between a session and the handles that are used outside of it.

use std::collections::VecDeque;
use std::task::Waker;

use tungstenite::Message;

#[cfg(feature = "hub")]
use super::rooms::Share;
use crate::websocket::Error;

pub(crate) type Item = Result<Message, Error>;

/// The session reads on, so that it sees pings and Close frames, until more than this waits for a handler that is busy.
const INBOX_MESSAGES: usize = 16;
const INBOX_BYTES: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    pub(crate) session: Option<Waker>,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    /// The session waits for room in the inbox.
    pub(crate) full: bool,
    /// Nothing will come after what is in the inbox.
    pub(crate) ended: bool,
    /// Nothing can be sent any more.
    pub(crate) closed: bool,
    /// What the session has taken from the outbox, or got otherwise, and not written.
    pub(crate) unsent: usize,
}

/// What the session has received for a handle elsewhere, or for one that is busy.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: VecDeque<Item>,
    bytes: usize,
}

impl Inbox {
    pub(crate) fn push(&mut self, item: Item) {
        self.bytes += item.as_ref().map_or(0, cost);
        self.queue.push_back(item);
    }

    pub(crate) fn pop(&mut self) -> Option<Item> {
        let item = self.queue.pop_front()?;
        self.bytes -= item.as_ref().map_or(0, cost);
        if self.queue.is_empty() {
            // An idle connection holds no buffer.
            self.queue = VecDeque::new();
        }
        Some(item)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() > INBOX_MESSAGES || self.bytes > INBOX_BYTES
    }
}

/// Something to be sent.
#[derive(Debug)]
pub(crate) enum Mail {
    Message(Message),
    /// Of a room: other sockets get it too.
    #[cfg(feature = "hub")]
    Shared(Share),
}

/// What is to be sent, and not yet in the session's hands. Control frames go ahead of data (RFC 6455 §5.4 allows them
/// even between fragments); a Close frame does not, it is the last.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(super) queue: VecDeque<Mail>,
    /// How many control frames lead the queue.
    controls: u32,
    /// How many were replayed, and do not count.
    #[cfg(feature = "hub")]
    pub(super) replayed: u32,
    pub(super) bytes: usize,
}

impl Outbox {
    pub(crate) fn push(&mut self, message: Message) {
        self.bytes += cost(&message);
        if message.is_ping() || message.is_pong() {
            self.queue.insert(self.controls as usize, Mail::Message(message));
            self.controls += 1;
        } else {
            self.queue.push_back(Mail::Message(message));
        }
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Mail> {
        let mail = self.queue.pop_front()?;
        self.removed(&mail);
        self.controls = self.controls.saturating_sub(1);
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        Some(mail)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many count.
    pub(crate) fn counted(&self) -> usize {
        #[cfg(feature = "hub")]
        return self.queue.len() - self.replayed as usize;
        #[cfg(not(feature = "hub"))]
        self.queue.len()
    }

    #[inline]
    pub(super) fn removed(&mut self, mail: &Mail) {
        self.bytes -= mail.cost();
        #[cfg(feature = "hub")]
        if let Mail::Shared(share) = mail {
            self.replayed -= u32::from(share.replayed);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Mail {
    #[inline]
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Message(message) => cost(message),
            #[cfg(feature = "hub")]
            Self::Shared(share) => share.cost(),
        }
    }
}

/// What a waiting message counts.
fn cost(message: &Message) -> usize {
    size_of::<Message>() + message.len()
}
