//! What a session shares with the handles of its socket that are used outside of it.
//!
//! Inside the session's own poll a handle works on the connection itself ([`lending`](super::lending)). From any other
//! task it leaves its wishes here and is woken when they are met.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tungstenite::Message;

use super::Error;
use super::protocol::Protocol;

type Item = Result<Message, Error>;

/// The session reads on, so that it sees pings and Close frames, until more than this waits for a handler that is busy.
const INBOX_MESSAGES: usize = 16;
const INBOX_BYTES: usize = 16 * 1024;

/// `flags`: there is something to send.
const OUTBOX: u8 = 1;
/// `flags`: there is something to receive.
const INBOX: u8 = 2;
/// `flags`: the socket's handle has been dropped.
const DROPPED: u8 = 4;
/// `flags`: a writer waits.
const WRITER: u8 = 8;

#[derive(Debug)]
pub(crate) struct Link {
    /// Says what is in the mailbox, so that nobody locks it in vain.
    flags: AtomicU8,
    mailbox: Mutex<Mailbox>,
    high_water_mark: usize,
}

#[derive(Debug, Default)]
struct Mailbox {
    session: Option<Waker>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    inbox: VecDeque<Item>,
    inbox_bytes: usize,
    /// The session waits for room in the inbox.
    full: bool,
    /// Nothing will come after what is in the inbox.
    ended: bool,
    /// With whether it may be compressed.
    outbox: VecDeque<(Message, bool)>,
    outbox_bytes: usize,
    /// What the session has taken from the outbox, or got otherwise, and not written.
    unsent: usize,
    /// Nothing can be sent any more.
    closed: bool,
}

impl Link {
    pub(crate) fn new(high_water_mark: usize) -> Self {
        Self {
            flags: AtomicU8::new(0),
            mailbox: Mutex::default(),
            high_water_mark,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        // No code of a user runs under this lock, so what a panic left is consistent.
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }

    fn set(&self, flag: u8) {
        self.flags.fetch_or(flag, Ordering::Release);
    }

    fn clear(&self, flag: u8) {
        self.flags.fetch_and(!flag, Ordering::Release);
    }

    fn wake_session(mailbox: MutexGuard<'_, Mailbox>) {
        let waker = mailbox.session.clone();
        drop(mailbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The handle's side.
impl Link {
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Item>> {
        let mut mailbox = self.lock();
        match self.pop(&mut mailbox) {
            Some(item) => {
                if std::mem::take(&mut mailbox.full) {
                    Self::wake_session(mailbox);
                }
                Poll::Ready(Some(item))
            }
            None if mailbox.ended => Poll::Ready(None),
            None => {
                mailbox.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ready when a message may be sent.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let mut mailbox = self.lock();
        if mailbox.closed {
            return Poll::Ready(Err(Error::closed()));
        }
        if mailbox.outbox_bytes + mailbox.unsent < self.high_water_mark {
            return Poll::Ready(Ok(()));
        }
        mailbox.writer = Some(cx.waker().clone());
        self.set(WRITER);
        Poll::Pending
    }

    pub(crate) fn send(&self, message: Message, compressible: bool) -> Result<(), Error> {
        Protocol::check(&message)?;
        let mut mailbox = self.lock();
        if mailbox.closed {
            return Err(Error::closed());
        }
        mailbox.closed = message.is_close();
        mailbox.outbox_bytes += cost(&message);
        mailbox.outbox.push_back((message, compressible));
        if !self.has(OUTBOX) {
            self.set(OUTBOX);
            Self::wake_session(mailbox);
        }
        Ok(())
    }

    /// Ready when all that was sent is written.
    pub(crate) fn poll_written(&self, cx: &Context<'_>) -> Poll<()> {
        let mut mailbox = self.lock();
        if mailbox.outbox_bytes == 0 && mailbox.unsent == 0 {
            return Poll::Ready(());
        }
        mailbox.writer = Some(cx.waker().clone());
        self.set(WRITER);
        Poll::Pending
    }

    /// The socket's handle is dropped.
    pub(crate) fn drop_handle(&self) {
        self.set(DROPPED);
        Self::wake_session(self.lock());
    }

    fn pop(&self, mailbox: &mut Mailbox) -> Option<Item> {
        let item = mailbox.inbox.pop_front()?;
        mailbox.inbox_bytes -= item.as_ref().map_or(0, cost);
        if mailbox.inbox.is_empty() {
            // An idle connection holds no buffer.
            mailbox.inbox = VecDeque::new();
            self.clear(INBOX);
        }
        Some(item)
    }
}

/// The session's side.
impl Link {
    pub(crate) fn is_dropped(&self) -> bool {
        self.has(DROPPED)
    }

    pub(crate) fn has_mail(&self) -> bool {
        self.has(OUTBOX)
    }

    pub(crate) fn has_inbox(&self) -> bool {
        self.has(INBOX)
    }

    pub(crate) fn has_writer(&self) -> bool {
        self.has(WRITER)
    }

    pub(crate) fn set_session(&self, waker: &Waker) {
        self.lock().session = Some(waker.clone());
    }

    /// Takes back what was meant for a handle elsewhere.
    pub(crate) fn take_received(&self) -> Option<Item> {
        self.pop(&mut self.lock())
    }

    /// Whether one more message may wait; if not, the session will be woken when it may.
    pub(crate) fn has_room(&self) -> bool {
        if !self.has(INBOX) {
            return true;
        }
        let mut mailbox = self.lock();
        mailbox.full = mailbox.inbox.len() > INBOX_MESSAGES || mailbox.inbox_bytes > INBOX_BYTES;
        !mailbox.full
    }

    pub(crate) fn deliver(&self, item: Item) {
        let mut mailbox = self.lock();
        mailbox.inbox_bytes += item.as_ref().map_or(0, cost);
        mailbox.inbox.push_back(item);
        self.set(INBOX);
        let reader = mailbox.reader.take();
        drop(mailbox);
        wake(reader);
    }

    /// Nothing more will be delivered.
    pub(crate) fn end(&self) {
        let mut mailbox = self.lock();
        mailbox.ended = true;
        let reader = mailbox.reader.take();
        drop(mailbox);
        wake(reader);
    }

    /// The session is gone, and has left the rest undone.
    pub(crate) fn over(&self) {
        let mut mailbox = self.lock();
        let unsent = std::mem::take(&mut mailbox.outbox);
        mailbox.outbox_bytes = 0;
        // It would keep the task's memory for as long as a handle lives.
        let session = mailbox.session.take();
        drop(mailbox);
        drop((unsent, session));
        self.written(0, true);
        self.end();
    }

    /// Moves what is to be sent into `protocol`.
    pub(crate) fn collect(&self, protocol: &mut Protocol) {
        let mut mailbox = self.lock();
        let outbox = std::mem::take(&mut mailbox.outbox);
        let bytes = mailbox.outbox_bytes;
        self.clear(OUTBOX);
        drop(mailbox);
        // Without the lock: compressing takes its time.
        for (message, compressible) in outbox {
            // Checked when it was accepted; a Close frame may have gone out since.
            let _ = protocol.send(message, compressible);
        }
        let mut mailbox = self.lock();
        mailbox.outbox_bytes -= bytes;
        mailbox.unsent = protocol.unsent();
    }

    /// Tells waiting writers how much is unsent now, and whether more can be.
    pub(crate) fn written(&self, unsent: usize, closed: bool) {
        let mut mailbox = self.lock();
        mailbox.unsent = unsent;
        mailbox.closed |= closed;
        let writer = mailbox.writer.take();
        self.clear(WRITER);
        drop(mailbox);
        wake(writer);
    }
}

/// What a waiting message counts.
fn cost(message: &Message) -> usize {
    size_of::<Message>() + message.len()
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
