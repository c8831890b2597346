//! Deadlines kept.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tungstenite::Message;

use super::Connection;
use crate::trace;
use crate::websocket::deadlines::Due;
use crate::websocket::protocol::Violation;
use crate::websocket::registry::TICKS_PER_SECOND;
use crate::websocket::sockets::going_away;

/// What the pings of the keep-alive begin with; the time follows. An answer is known by it, however late it comes.
const OURS: [u8; 8] = *b"\0upsock\0";

impl Connection {
    /// The tick in which we are.
    #[inline]
    fn now(&self) -> u32 {
        self.link.registry().now()
    }

    /// Bytes have come.
    #[inline]
    pub(super) fn heard(&mut self, length: usize) {
        self.link.counters.bytes_received.add(length as u64);
        if self.deadlines.heard(self.now()) {
            self.protocol.new_period();
        }
    }

    /// The transport has taken bytes.
    #[inline]
    pub(super) fn taken(&mut self, length: usize) {
        self.link.counters.bytes_sent.add(length as u64);
        if self.deadlines.is_stalled() {
            self.deadlines.unstalled(self.now());
        }
        self.progress = true;
    }

    /// The transport takes no more.
    pub(super) fn stalled(&mut self) {
        self.write_blocked = true;
        if self.protocol.unsent() > 0 && self.deadlines.stalled(self.now()) {
            self.set_alarm();
        }
    }

    /// Whether the transport has taken bytes since the last call.
    pub(crate) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.progress)
    }

    /// The session waits: has it left a message, or a frame, incomplete?
    pub(super) fn note_partial(&mut self) {
        if !self.is_listening() {
            // It has as much time again when we do.
            self.deadlines.complete();
        } else if self.is_partial() && self.deadlines.partial(self.now()) {
            self.set_alarm();
        }
    }

    /// A frame is complete: is its message?
    #[inline]
    pub(super) fn note_complete(&mut self) {
        if !self.protocol.is_partial() {
            self.deadlines.complete();
        }
    }

    /// All that has come is read, and more would be.
    fn is_listening(&self) -> bool {
        self.starved && !self.ended && self.read_blocked
    }

    fn is_partial(&self) -> bool {
        self.protocol.is_partial() || !self.stash.is_empty()
    }

    pub(super) fn set_alarm(&mut self) {
        let due = self.deadlines.next(self.now());
        self.link.registry().wake_at(self.link.slot(), due);
    }

    /// The sweep has woken the session: does what is due. Returns whether that was anything.
    pub(crate) fn keep_deadlines(&mut self) -> bool {
        self.link.registry().keep_sweeping();
        if self.is_over() {
            return false;
        }
        let listening = self.is_listening();
        let due = self.deadlines.check(self.now(), listening, self.protocol.unsent() > 0);
        let closing = self.close_sent();
        match due {
            Due::Nothing => {}
            Due::Stalled => self.fail(timed_out("the peer did not read in time")),
            // The rest is over with the Close frame, whose answer has a time of its own.
            _ if closing => {}
            Due::Gone => self.fail(timed_out("the peer did not answer a ping in time")),
            Due::Ping => self.ping(listening),
            Due::Slow => {
                self.ended = true;
                let slow = Err(Violation::SlowMessage);
                self.answer(&slow);
                self.next = Some(Box::new(slow.map_err(Into::into)));
            }
            Due::Old => self.close(&going_away("the socket has reached its maximum lifetime")),
        }
        self.set_alarm();
        due != Due::Nothing
    }

    /// The answer is timed only if it is read as it comes.
    fn ping(&mut self, timed: bool) {
        let now = u64::try_from(self.link.registry().elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.ping = if timed { now } else { 0 };
        let payload = Bytes::from([OURS, now.to_be_bytes()].concat());
        // Refused only for its length or after a Close frame.
        let _ = self.protocol.send(Message::Ping(payload), false);
    }

    /// The socket has ended.
    pub(super) fn report(&self) {
        let (code, reason, by) = self.protocol.first_close();
        let ticks = self.now() - self.deadlines.born();
        let closed = trace::Closed {
            code,
            reason,
            by,
            seconds: f64::from(ticks) / TICKS_PER_SECOND,
            traffic: self.link.traffic(),
        };
        trace::closed(&self.link.id(), &closed);
    }

    /// Whether a pong answers a ping of the keep-alive, whose round-trip time is known then if it was the last.
    pub(super) fn is_pong_of_ours(&mut self, payload: &[u8]) -> bool {
        let Some(sent) = payload.strip_prefix(&OURS) else {
            return false;
        };
        if self.ping != 0 && sent == self.ping.to_be_bytes() {
            let sent = Duration::from_nanos(std::mem::take(&mut self.ping));
            self.link
                .set_round_trip(self.link.registry().elapsed().saturating_sub(sent));
        }
        true
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}
