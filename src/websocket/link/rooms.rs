//! Rooms: what they leave in the outbox, and how they hear of a socket's end.

use std::fmt;
use std::sync::{Arc, PoisonError};

use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, Utf8Bytes};

use super::mailbox::{Mail, Outbox};
use super::{Link, OUTBOX};
use crate::websocket::CloseCode;
use crate::websocket::protocol::SharedFrame;
use crate::websocket::sync::{Mutex, MutexGuard};

/// What was replayed to a member comes beside the outbox's bounds, which are for those who lag: a member that has just
/// arrived with much to catch up on does not. These bound it.
const REPLAYED_MESSAGES: usize = 16 * 1024;
const REPLAYED_BYTES: usize = 16 << 20;

/// A frame of a room, for all of its members.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) frame: SharedFrame,
    /// Tells rooms apart.
    pub(crate) room: u64,
    /// A newer frame of the same key replaces it; 0 for none.
    pub(crate) key: u64,
}

/// What a frame that finds the outbox full does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// It is not taken, and the caller will disconnect the socket.
    Disconnect,
    /// The oldest ones of its room make room for it.
    DropOldest,
    /// It is not taken.
    DropNewest,
}

/// What has become of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shared {
    /// It waits; so many of its room do not any more.
    Taken { lost: usize },
    /// It is not taken; so many of its room are lost, itself included.
    Refused { lost: usize },
    /// There is no room for it.
    Full,
    /// The socket is closed.
    Closed,
}

impl Link {
    /// Takes a frame to be sent.
    #[inline]
    pub(crate) fn share(&self, share: &Arc<Share>, overflow: Overflow) -> Shared {
        let mut mailbox = self.lock();
        if mailbox.closed {
            return Shared::Closed;
        }
        let mut lost = 0;
        let outbox = &mut mailbox.outbox;
        let is_older = |there: &Share| there.room == share.room;
        if share.key != 0 && outbox.remove(|there| is_older(there) && there.key == share.key) {
            lost += 1;
        }
        while self.is_full(outbox, share.frame.encoded().len()) {
            match overflow {
                Overflow::Disconnect => return Shared::Full,
                Overflow::DropNewest => return Shared::Refused { lost: lost + 1 },
                Overflow::DropOldest if outbox.remove(is_older) => lost += 1,
                Overflow::DropOldest => return Shared::Refused { lost: lost + 1 },
            }
        }
        outbox.queue.push_back(Mail::Shared(share.clone()));
        outbox.bytes += share.cost();
        self.announce(mailbox, OUTBOX);
        Shared::Taken { lost }
    }

    /// Takes frames of the past to be sent; returns how many.
    pub(crate) fn replay<'a>(&self, shares: impl Iterator<Item = &'a Arc<Share>>) -> usize {
        let mut mailbox = self.lock();
        if mailbox.closed {
            return 0;
        }
        let (mut messages, mut bytes) = mailbox.outbox.replayed();
        let mut taken = 0;
        for share in shares {
            messages += 1;
            bytes += share.frame.encoded().len();
            if messages > REPLAYED_MESSAGES || bytes > REPLAYED_BYTES {
                break;
            }
            mailbox.outbox.queue.push_back(Mail::Replayed(share.clone()));
            mailbox.outbox.replayed += 1;
            taken += 1;
        }
        if taken > 0 {
            self.announce(mailbox, OUTBOX);
        }
        taken
    }

    /// Closes the socket with 1013 (registered with IANA, beside RFC 6455 §7.4). What rooms had for it is dropped: it
    /// would hold memory for as long as the peer does not read.
    pub(crate) fn disconnect(&self, reason: &'static str) {
        let mut mailbox = self.lock();
        if mailbox.closed {
            return;
        }
        mailbox.outbox.drop_shared();
        let close = Message::Close(Some(CloseFrame {
            code: CloseCode::Again,
            reason: Utf8Bytes::from_static(reason),
        }));
        self.accept(mailbox, close, false);
    }

    /// The membership is to be left when nothing can be sent any more.
    pub(crate) fn attach(&self, membership: Arc<dyn Leave>) {
        self.waiting().memberships.lock().push(membership);
    }

    pub(crate) fn detach(&self, membership: *const ()) {
        let Some(waiting) = self.waiting.get() else {
            return;
        };
        let mut memberships = waiting.memberships.lock();
        let at = memberships
            .iter()
            .position(|there| std::ptr::addr_eq(Arc::as_ptr(there), membership));
        let left = at.map(|at| memberships.swap_remove(at));
        drop(memberships);
        drop(left);
    }
}

impl Outbox {
    /// Removes the first frame that is such a one, and not replayed.
    fn remove(&mut self, is_it: impl Fn(&Share) -> bool) -> bool {
        let at = self
            .queue
            .iter()
            .position(|mail| matches!(mail, Mail::Shared(share) if is_it(share)));
        let removed = at.and_then(|at| Some((at, self.queue.remove(at)?)));
        if let Some((at, mail)) = &removed {
            self.removed(*at, mail);
        }
        removed.is_some()
    }

    /// How much of what waits was replayed, in messages and bytes.
    fn replayed(&self) -> (usize, usize) {
        if self.replayed == 0 {
            return (0, 0);
        }
        let shares = self.queue.iter().filter_map(|mail| match mail {
            Mail::Replayed(share) => Some(share.frame.encoded().len()),
            _ => None,
        });
        shares.fold((0, 0), |(messages, bytes), length| (messages + 1, bytes + length))
    }

    fn drop_shared(&mut self) {
        self.queue.retain(|mail| matches!(mail, Mail::Message { .. }));
        self.bytes = self.queue.iter().map(Mail::cost).sum();
        self.replayed = 0;
    }
}

impl Share {
    /// What it counts while it waits.
    #[inline]
    pub(super) fn cost(&self) -> usize {
        size_of::<Mail>() + self.frame.encoded().len()
    }
}

/// A room that a socket is in.
pub(crate) trait Leave: Send + Sync {
    /// The socket has ended.
    fn leave(&self);
}

/// The rooms that a socket is in.
#[derive(Default)]
pub(super) struct Memberships(Mutex<Vec<Arc<dyn Leave>>>);

impl Memberships {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<dyn Leave>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves all.
    pub(super) fn leave(&self) {
        let all = std::mem::take(&mut *self.lock());
        for membership in all {
            membership.leave();
        }
    }
}

impl fmt::Debug for Memberships {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Memberships").field(&self.lock().len()).finish()
    }
}
