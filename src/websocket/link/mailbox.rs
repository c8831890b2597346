//! What waits between a session and the handles that are used outside of it.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::task::Waker;

use tungstenite::Message;

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
pub(crate) struct Mail {
    pub(crate) message: Message,
    pub(crate) compressible: bool,
}

/// What is to be sent, and not yet in the session's hands. Control frames go ahead of data (RFC 6455 §5.4 allows them
/// even between fragments); a Close frame does not, it is the last.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Mail>,
    /// How many control frames lead the queue.
    controls: u32,
    /// The place in line of the socket's handle, from 1 on, if it waits: what senders add meanwhile comes later.
    place: Option<NonZeroU32>,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn push(&mut self, mail: Mail) {
        self.bytes += cost(&mail.message);
        if mail.message.is_ping() || mail.message.is_pong() {
            self.queue.insert(self.controls as usize, mail);
            self.controls += 1;
            self.place = self.place.map(|place| place.saturating_add(1));
        } else {
            self.queue.push_back(mail);
        }
    }

    /// Takes what is first, until that is this long or longer.
    pub(crate) fn take(&mut self, length: usize) -> VecDeque<Mail> {
        if self.bytes <= length {
            self.controls = 0;
            self.place = self.place.map(|_| NonZeroU32::MIN);
            self.bytes = 0;
            // An idle connection holds no buffer.
            return std::mem::take(&mut self.queue);
        }
        let end = self.bytes - length;
        let mut taken = VecDeque::new();
        while self.bytes > end {
            taken.extend(self.pop());
        }
        taken
    }

    fn pop(&mut self) -> Option<Mail> {
        let mail = self.queue.pop_front()?;
        self.bytes -= cost(&mail.message);
        self.controls = self.controls.saturating_sub(1);
        self.place = self
            .place
            .map(|place| NonZeroU32::new(place.get() - 1).unwrap_or(place));
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

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a waiting message counts.
fn cost(message: &Message) -> usize {
    size_of::<Message>() + message.len()
}
