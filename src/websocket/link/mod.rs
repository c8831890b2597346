//! What a session shares with the handles of its socket that are used outside of it.
//!
//! Inside the session's own poll a handle works on the connection itself ([`lending`]). From any other task, handles
//! and senders leave their wishes here and are woken when they are met.

mod handle;
pub(super) mod mailbox;
#[cfg(feature = "hub")]
pub(super) mod rooms;
mod senders;
mod session;

use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use tungstenite::Message;

use self::mailbox::Mailbox;
pub(super) use self::senders::Refused;
use super::registry::Registry;
use super::sender::SocketId;
use super::stats::{Counter, Traffic};
use super::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use super::sync::{Mutex, MutexGuard, Notify};
use super::{Config, lending};

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

/// What a room's message needs comes first, in two cache lines: with thousands of members these are what it costs.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Link {
    /// Says what is in the mailbox, so that nobody locks it in vain.
    flags: AtomicU8,
    outbox_bytes: u32,
    outbox_messages: u32,
    mailbox: Mutex<Mailbox>,
    registry: Arc<Registry>,
    slot: u32,
    id: SocketId,
    high_water_mark: u32,
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
    #[cfg(feature = "hub")]
    memberships: rooms::Memberships,
}

/// Written by the session alone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) messages_received: Counter,
    pub(crate) messages_sent: Counter,
    pub(crate) bytes_received: Counter,
    pub(crate) bytes_sent: Counter,
}

impl Link {
    pub(crate) fn new(config: &Config, registry: Arc<Registry>, slot: u32) -> Self {
        Self {
            registry,
            slot,
            id: SocketId::next(),
            flags: AtomicU8::new(0),
            mailbox: Mutex::default(),
            high_water_mark: limit(config.high_water_mark),
            outbox_bytes: limit(config.outbox_bytes),
            outbox_messages: limit(config.outbox_messages),
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
        self.high_water_mark as usize
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

    #[inline]
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
    fn accept(&self, mut mailbox: MutexGuard<'_, Mailbox>, message: Message, compressible: bool) {
        let close = message.is_close();
        mailbox.closed |= close;
        mailbox.outbox.push(message, compressible);
        self.announce(mailbox, if close { OUTBOX | CLOSING } else { OUTBOX });
        if close {
            self.tell_closed();
        }
    }

    /// Lets the session know that there is something to send.
    #[inline]
    fn announce(&self, mailbox: MutexGuard<'_, Mailbox>, news: u8) {
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
    }

    fn tell_closed(&self) {
        if let Some(waiting) = self.waiting.get() {
            waiting.closed.notify_waiters();
            waiting.room.notify_waiters();
            #[cfg(feature = "hub")]
            waiting.memberships.leave();
        }
    }
}

/// There is a link for each socket: nobody needs more.
fn limit(config: usize) -> u32 {
    u32::try_from(config).unwrap_or(u32::MAX)
}
