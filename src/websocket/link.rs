//! What a session shares with the handles of its socket that are used outside of it.
//!
//! Inside the session's own poll a handle works on the connection itself ([`lending`]). From any other task, handles
//! and senders leave their wishes here and are woken when they are met.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tungstenite::Message;

use super::mailbox::{Item, Mailbox, Outbox};
use super::protocol::{Protocol, Unsendable};
use super::registry::Registry;
use super::sender::SocketId;
use super::stats::{Counter, Traffic};
use super::{Config, Error, lending};

/// `flags`: there is something to send.
const OUTBOX: u8 = 1;
/// `flags`: there is something to receive.
const INBOX: u8 = 2;
/// `flags`: the socket's handle has been dropped.
const DROPPED: u8 = 4;
/// `flags`: a writer waits.
const WRITER: u8 = 8;
/// `flags`: the sweep has found something due.
const RUNG: u8 = 16;
/// `flags`: the session is to end at once.
const ABORTED: u8 = 32;
/// `flags`: what is to be sent ends with a Close frame.
const CLOSING: u8 = 64;

#[derive(Debug)]
pub(crate) struct Link {
    registry: Arc<Registry>,
    slot: u32,
    id: SocketId,
    /// Says what is in the mailbox, so that nobody locks it in vain.
    flags: AtomicU8,
    mailbox: Mutex<Mailbox>,
    high_water_mark: usize,
    outbox_bytes: usize,
    outbox_messages: u32,
    /// Most sockets never have a sender that waits.
    waiting: OnceLock<Box<Waiting>>,
    /// In microseconds; 0 before it is known.
    round_trip: AtomicU32,
    pub(crate) counters: Counters,
}

/// Tasks that wait in senders.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// For room in the outbox.
    pub(crate) room: Notify,
    /// Until nothing can be sent any more.
    pub(crate) closed: Notify,
}

/// Written by the session alone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) messages_received: Counter,
    pub(crate) messages_sent: Counter,
    pub(crate) bytes_received: Counter,
    pub(crate) bytes_sent: Counter,
}

/// Why a message was not taken into the outbox.
pub(crate) enum Refused {
    Full,
    Unsendable(Unsendable),
}

impl Link {
    pub(crate) fn new(config: &Config, registry: Arc<Registry>, slot: u32) -> Self {
        Self {
            registry,
            slot,
            id: SocketId::next(),
            flags: AtomicU8::new(0),
            mailbox: Mutex::default(),
            high_water_mark: config.high_water_mark,
            outbox_bytes: config.outbox_bytes,
            outbox_messages: u32::try_from(config.outbox_messages).unwrap_or(u32::MAX),
            waiting: OnceLock::new(),
            round_trip: AtomicU32::new(0),
            counters: Counters::default(),
        }
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    #[inline]
    pub(crate) fn high_water_mark(&self) -> usize {
        self.high_water_mark
    }

    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    pub(crate) fn id(&self) -> SocketId {
        self.id
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let Counters {
            messages_received,
            messages_sent,
            bytes_received,
            bytes_sent,
        } = &self.counters;
        Traffic {
            messages_received: messages_received.get(),
            messages_sent: messages_sent.get(),
            bytes_received: bytes_received.get(),
            bytes_sent: bytes_sent.get(),
        }
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        match self.round_trip.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros.into())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        // No code of a user runs under this lock, so what a panic left is consistent.
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }

    fn has_all(&self, flags: u8) -> bool {
        self.flags.load(Ordering::Acquire) & flags == flags
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

    /// Takes a message to be sent.
    fn accept(&self, mut mailbox: MutexGuard<'_, Mailbox>, message: Message) {
        let close = message.is_close();
        mailbox.closed |= close;
        mailbox.outbox.push(message);
        let news = if close { OUTBOX | CLOSING } else { OUTBOX };
        if self.has_all(news) {
            drop(mailbox);
        } else {
            self.set(news);
            // A session that polls its closure looks here next.
            if lending::is_lent(self) {
                drop(mailbox);
            } else {
                Self::wake_session(mailbox);
            }
        }
        if close {
            self.tell_closed();
        }
    }

    fn tell_closed(&self) {
        if let Some(waiting) = self.waiting.get() {
            waiting.closed.notify_waiters();
            waiting.room.notify_waiters();
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
        let ahead = if mailbox.outbox.is_turn() {
            0
        } else {
            mailbox.outbox.bytes()
        };
        if ahead + mailbox.unsent < self.high_water_mark {
            mailbox.outbox.leave_line();
            return Poll::Ready(Ok(()));
        }
        mailbox.outbox.line_up();
        mailbox.writer = Some(cx.waker().clone());
        self.set(WRITER);
        Poll::Pending
    }

    pub(crate) fn send(&self, message: Message) -> Result<(), Unsendable> {
        Protocol::check(&message)?;
        let mailbox = self.lock();
        if mailbox.closed {
            return Err(Unsendable::Closed);
        }
        self.accept(mailbox, message);
        Ok(())
    }

    /// Ready when all that was sent is written.
    pub(crate) fn poll_written(&self, cx: &Context<'_>) -> Poll<()> {
        let mut mailbox = self.lock();
        if mailbox.outbox.is_empty() && mailbox.unsent == 0 {
            return Poll::Ready(());
        }
        mailbox.writer = Some(cx.waker().clone());
        self.set(WRITER);
        Poll::Pending
    }

    /// The socket's handle is dropped.
    pub(crate) fn drop_handle(&self) {
        self.set(DROPPED);
        let mut mailbox = self.lock();
        // Nobody will take it, and a sender may be kept for long.
        let unread = std::mem::take(&mut mailbox.inbox);
        self.clear(INBOX);
        Self::wake_session(mailbox);
        drop(unread);
    }

    fn pop(&self, mailbox: &mut Mailbox) -> Option<Item> {
        let item = mailbox.inbox.pop()?;
        if mailbox.inbox.is_empty() {
            self.clear(INBOX);
        }
        Some(item)
    }
}

/// The senders' side, and the registry's.
impl Link {
    /// Takes a message to be sent, if there is room in the outbox; in an empty one there always is.
    pub(crate) fn offer(&self, message: Message) -> Result<(), (Refused, Message)> {
        if let Err(why) = Protocol::check(&message) {
            return Err((Refused::Unsendable(why), message));
        }
        let mailbox = self.lock();
        if mailbox.closed {
            return Err((Refused::Unsendable(Unsendable::Closed), message));
        }
        let full = mailbox.outbox.len() >= self.outbox_messages as usize
            || mailbox.outbox.bytes().saturating_add(message.len()) > self.outbox_bytes;
        if full && !mailbox.outbox.is_empty() {
            return Err((Refused::Full, message));
        }
        self.accept(mailbox, message);
        Ok(())
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

    /// The handle in the closure waits for room.
    pub(crate) fn line_up(&self) {
        self.lock().outbox.line_up();
    }

    pub(crate) fn is_turn(&self) -> bool {
        self.lock().outbox.is_turn()
    }

    pub(crate) fn leave_line(&self) {
        self.lock().outbox.leave_line();
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.has(ABORTED)
    }

    pub(crate) fn take_rung(&self) -> bool {
        let rung = self.has(RUNG);
        if rung {
            self.clear(RUNG);
        }
        rung
    }

    pub(crate) fn set_session(&self, waker: &Waker) {
        self.lock().session = Some(waker.clone());
    }

    pub(crate) fn set_round_trip(&self, time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX).max(1);
        self.round_trip.store(micros, Ordering::Relaxed);
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
        mailbox.full = mailbox.inbox.is_full();
        !mailbox.full
    }

    pub(crate) fn deliver(&self, item: Item) {
        let mut mailbox = self.lock();
        if self.is_dropped() {
            return;
        }
        mailbox.inbox.push(item);
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
        // It would keep the task's memory for as long as a handle lives.
        let session = mailbox.session.take();
        drop(mailbox);
        drop(session);
        self.written(0, true);
        self.end();
    }

    /// Moves what is to be sent into `protocol`: as far as there is room, or all if a Close frame is the last of it.
    pub(crate) fn collect(&self, protocol: &mut Protocol) {
        let mut mailbox = self.lock();
        while protocol.unsent() < self.high_water_mark || self.has(CLOSING) {
            let Some(message) = mailbox.outbox.pop() else {
                self.clear(OUTBOX);
                break;
            };
            self.hand_over(message, protocol);
        }
        mailbox.unsent = protocol.unsent();
        let half_empty = mailbox.outbox.bytes() <= self.outbox_bytes / 2
            && mailbox.outbox.len() <= self.outbox_messages as usize / 2;
        drop(mailbox);
        if let (true, Some(waiting)) = (half_empty, self.waiting.get()) {
            waiting.room.notify_waiters();
        }
    }

    /// Moves all that was accepted into `protocol`, and accepts no more: a Close frame is next.
    pub(crate) fn seal(&self, protocol: &mut Protocol) {
        let mut mailbox = self.lock();
        while let Some(message) = mailbox.outbox.pop() {
            self.hand_over(message, protocol);
        }
        self.clear(OUTBOX);
        mailbox.closed = true;
        mailbox.unsent = protocol.unsent();
        drop(mailbox);
        self.tell_closed();
    }

    fn hand_over(&self, message: Message, protocol: &mut Protocol) {
        self.count_sent(&message);
        // Checked when it was accepted.
        let _ = protocol.send(message);
    }

    #[inline]
    pub(crate) fn count_sent(&self, message: &Message) {
        self.counters.messages_sent.add(is_data(message).into());
    }

    #[inline]
    pub(crate) fn count_received(&self, message: &Message) {
        self.counters.messages_received.add(is_data(message).into());
    }

    /// Tells waiting writers how much is unsent now, and whether more can be.
    pub(crate) fn written(&self, unsent: usize, closed: bool) {
        let mut mailbox = self.lock();
        mailbox.unsent = unsent;
        let news = closed && !mailbox.closed;
        mailbox.closed |= closed;
        if closed {
            // It cannot be sent any more.
            mailbox.outbox = Outbox::default();
            self.clear(OUTBOX);
        }
        let writer = mailbox.writer.take();
        self.clear(WRITER);
        drop(mailbox);
        wake(writer);
        if news {
            self.tell_closed();
        }
    }
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
