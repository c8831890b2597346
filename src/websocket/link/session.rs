//! The session.

use std::task::Waker;
use std::time::Duration;

use tungstenite::Message;

use super::mailbox::{Item, Mail, Mailbox, Outbox};
use super::{ABORTED, CLOSING, DROPPED, INBOX, Link, OUTBOX, RUNG, WRITER};
use crate::websocket::protocol::Protocol;
use crate::websocket::sync::MutexGuard;
use crate::websocket::sync::atomic::Ordering;

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
        while !mailbox.outbox.is_empty() {
            let room = if self.has(CLOSING) {
                usize::MAX
            } else {
                self.high_water_mark().saturating_sub(protocol.unsent())
            };
            if room == 0 {
                break;
            }
            mailbox = self.hand_over(mailbox, room, protocol);
        }
        let half_empty = mailbox.outbox.bytes() <= self.outbox_bytes as usize / 2
            && mailbox.outbox.counted() <= self.outbox_messages as usize / 2;
        drop(mailbox);
        if let (true, Some(waiting)) = (half_empty, self.waiting.get()) {
            waiting.room.notify_waiters();
        }
    }

    /// Moves all that was accepted into `protocol`, and accepts no more: a Close frame is next.
    pub(crate) fn seal(&self, protocol: &mut Protocol) {
        let mut mailbox = self.lock();
        mailbox.closed = true;
        drop(self.hand_over(mailbox, usize::MAX, protocol));
        self.tell_closed();
    }

    /// Moves mail of this length into `protocol`; not under the lock, since compressing takes its time.
    fn hand_over<'a>(
        &'a self,
        mut mailbox: MutexGuard<'a, Mailbox>,
        length: usize,
        protocol: &mut Protocol,
    ) -> MutexGuard<'a, Mailbox> {
        let before = mailbox.outbox.bytes();
        let taken = mailbox.outbox.take(length);
        if mailbox.outbox.is_empty() {
            self.clear(OUTBOX);
        }
        mailbox.unsent = protocol.unsent() + (before - mailbox.outbox.bytes()) + taken.len();
        drop(mailbox);
        for mail in taken {
            match mail {
                Mail::Message { message, compressible } => {
                    self.count_sent(&message);
                    // Checked when it was accepted.
                    let _ = protocol.send(*message, compressible);
                }
                #[cfg(feature = "hub")]
                Mail::Shared(share) | Mail::Replayed(share) => {
                    self.counters.messages_sent.add(1);
                    protocol.send_shared(&share.frame);
                }
            }
        }
        let mut mailbox = self.lock();
        mailbox.unsent = protocol.unsent();
        mailbox
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
