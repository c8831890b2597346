//! What waits between a session and the handles that are used outside of it.

use std::collections::VecDeque;
use std::num::NonZeroU32;
#[cfg(feature = "hub")]
use std::sync::Arc;
use std::task::Waker;

use tungstenite::Message;

#[cfg(feature = "hub")]
use super::rooms::Share;
use crate::websocket::Error;

pub(crate) type Item = Result<Message, Error>;

/// The session reads on, so that it sees pings and Close frames, until more than this waits for a handler that is busy.
const INBOX_MESSAGES: usize = 16;
const INBOX_BYTES: usize = 16 * 1024;

/// In this order: see [`Link`](super::Link).
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Mailbox {
    /// Nothing can be sent any more.
    pub(crate) closed: bool,
    /// Nothing will come after what is in the inbox.
    pub(crate) ended: bool,
    /// The session waits for room in the inbox.
    pub(crate) full: bool,
    pub(crate) outbox: Outbox,
    pub(crate) session: Option<Waker>,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
    pub(crate) inbox: Inbox,
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

/// Something to be sent. It is small, since a room leaves one with each of its members.
#[derive(Debug)]
pub(crate) enum Mail {
    Message {
        message: Box<Message>,
        compressible: bool,
    },
    /// Of a room: other sockets get it too.
    #[cfg(feature = "hub")]
    Shared(Arc<Share>),
    /// The same, of the past.
    #[cfg(feature = "hub")]
    Replayed(Arc<Share>),
}

/// What is to be sent, and not yet in the session's hands. Control frames go ahead of data (RFC 6455 §5.4 allows them
/// even between fragments); a Close frame does not, it is the last.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(super) queue: VecDeque<Mail>,
    /// How many control frames lead the queue.
    controls: u32,
    /// The place in line of the socket's handle, from 1 on, if it waits: what senders add meanwhile comes later.
    place: Option<NonZeroU32>,
    /// How many were replayed, and do not count.
    #[cfg(feature = "hub")]
    pub(super) replayed: u32,
    pub(super) bytes: usize,
}

impl Outbox {
    pub(crate) fn push(&mut self, message: Message, compressible: bool) {
        self.bytes += cost(&message);
        let control = message.is_ping() || message.is_pong();
        let mail = Mail::Message {
            message: Box::new(message),
            compressible,
        };
        if control {
            self.queue.insert(self.controls as usize, mail);
            self.controls += 1;
            self.place = self.place.map(|place| place.saturating_add(1));
        } else {
            self.queue.push_back(mail);
        }
    }

    /// Takes what is first, until that is this long or longer.
    pub(crate) fn take(&mut self, length: usize) -> VecDeque<Mail> {
        let (mut taken, mut left) = (VecDeque::new(), length);
        while left > 0 && !self.queue.is_empty() {
            if self.counted() == self.queue.len() && self.bytes <= left && taken.is_empty() {
                self.controls = 0;
                self.place = self.place.map(|_| NonZeroU32::MIN);
                self.bytes = 0;
                // An idle connection holds no buffer.
                return std::mem::take(&mut self.queue);
            }
            if let Some(mail) = self.pop() {
                left = left.saturating_sub(mail.length());
                taken.push_back(mail);
            }
        }
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        taken
    }

    fn pop(&mut self) -> Option<Mail> {
        let mail = self.queue.pop_front()?;
        self.removed(0, &mail);
        self.controls = self.controls.saturating_sub(1);
        Some(mail)
    }

    /// The socket's handle waits, behind all that is here now.
    pub(crate) fn line_up(&mut self) {
        let ahead = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        self.place.get_or_insert(NonZeroU32::MIN.saturating_add(ahead));
    }

    /// Whether it has waited for as long as was fair.
    pub(crate) fn is_turn(&self) -> bool {
        self.place == Some(NonZeroU32::MIN)
    }

    pub(crate) fn leave_line(&mut self) {
        self.place = None;
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

    /// This was removed from there.
    #[inline]
    pub(super) fn removed(&mut self, at: usize, mail: &Mail) {
        self.bytes -= mail.cost();
        if let Some(place) = self.place.filter(|place| place.get() as usize > at + 1) {
            self.place = NonZeroU32::new(place.get() - 1);
        }
        #[cfg(feature = "hub")]
        if let Mail::Replayed(_) = mail {
            self.replayed -= 1;
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
            Self::Message { message, .. } => cost(message),
            #[cfg(feature = "hub")]
            Self::Shared(share) => share.cost(),
            #[cfg(feature = "hub")]
            Self::Replayed(_) => 0,
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Message { message, .. } => message.len(),
            #[cfg(feature = "hub")]
            Self::Shared(share) | Self::Replayed(share) => share.frame.encoded().len(),
        }
    }
}

/// What a waiting message counts.
fn cost(message: &Message) -> usize {
    size_of::<Message>() + message.len()
}
