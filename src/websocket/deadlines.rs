//! What a peer may take its time for, and for how long.
//!
//! All times are ticks of the [registry](super::registry)'s clock. Nothing is done for a message but to note when bytes
//! came: the session looks at the rest when the sweep wakes it.

use std::num::NonZeroU32;

use super::Config;
use super::registry::{NEVER, ticks};

#[derive(Debug)]
pub(crate) struct Deadlines {
    ping_after: u32,
    gone_after: u32,
    write: u32,
    message: u32,
    born: u32,
    /// The end of the socket's life.
    last_day: u32,
    /// When the last bytes came.
    heard: u32,
    /// When the last ping went, if nothing was heard since.
    pinged: Option<NonZeroU32>,
    /// Since when the transport has taken nothing of what is to be written.
    stalled: Option<NonZeroU32>,
    /// Since when a message, or a frame, is incomplete.
    partial: Option<NonZeroU32>,
    /// When the session will be woken.
    due: u32,
}

/// What has become of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// It has been silent for long.
    Ping,
    /// It has been silent, and does not answer.
    Gone,
    /// It does not read.
    Stalled,
    /// It does not finish its message.
    Slow,
    /// The socket has lived as long as it may.
    Old,
}

impl Deadlines {
    pub(crate) fn new(config: &Config, now: u32) -> Self {
        Self {
            ping_after: config.keep_alive.interval.map_or(NEVER, ticks),
            gone_after: ticks(config.keep_alive.timeout),
            write: ticks(config.write_deadline),
            message: ticks(config.message_deadline),
            born: now,
            last_day: config.max_lifetime.map_or(NEVER, |time| after(now, ticks(time))),
            heard: now,
            pinged: None,
            stalled: None,
            partial: None,
            due: NEVER,
        }
    }

    pub(crate) fn born(&self) -> u32 {
        self.born
    }

    /// Bytes have come; returns whether they are the first in this tick.
    #[inline]
    pub(crate) fn heard(&mut self, now: u32) -> bool {
        self.pinged = None;
        std::mem::replace(&mut self.heard, now) != now
    }

    /// The transport takes no more; returns whether the session must be woken earlier for that.
    #[inline]
    pub(crate) fn stalled(&mut self, now: u32) -> bool {
        if self.stalled.is_none() {
            self.stalled = NonZeroU32::new(now);
        }
        self.is_earlier(after(now, self.write))
    }

    #[inline]
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// The transport takes bytes again. So the peer reads, and a ping that lay behind them is under way only now.
    pub(crate) fn unstalled(&mut self, now: u32) {
        self.stalled = None;
        if self.pinged.is_some() {
            self.pinged = NonZeroU32::new(now);
        }
    }

    /// A message is incomplete; returns whether the session must be woken earlier for that.
    #[inline]
    pub(crate) fn partial(&mut self, now: u32) -> bool {
        if self.partial.is_none() {
            self.partial = NonZeroU32::new(now);
        }
        self.is_earlier(after(now, self.message))
    }

    /// A message is complete, or its rest is not read.
    #[inline]
    pub(crate) fn complete(&mut self) {
        self.partial = None;
    }

    fn is_earlier(&self, due: u32) -> bool {
        due < self.due
    }

    /// What is due now. A peer is not judged by its silence while its bytes are not read (`listening` is false), nor
    /// while our ping may still be among the `unsent`. But it hears from us, for the proxies between us.
    pub(crate) fn check(&mut self, now: u32, listening: bool, unsent: bool) -> Due {
        if !listening && self.partial.is_some() {
            self.partial = NonZeroU32::new(now);
        }
        if has_passed(self.stalled, self.write, now) {
            return Due::Stalled;
        }
        if listening && !unsent {
            if has_passed(self.pinged, self.gone_after, now) {
                return Due::Gone;
            }
        } else if has_passed(self.pinged, self.gone_after.min(self.ping_after), now) {
            self.pinged = NonZeroU32::new(now);
            if !unsent {
                return Due::Ping;
            }
        }
        if has_passed(self.partial, self.message, now) {
            return Due::Slow;
        }
        if self.last_day <= now {
            return Due::Old;
        }
        if self.pinged.is_none() && has_passed(NonZeroU32::new(self.heard), self.ping_after, now) {
            self.pinged = NonZeroU32::new(now);
            return Due::Ping;
        }
        Due::Nothing
    }

    /// When the session must be woken for the next of them.
    pub(crate) fn next(&mut self, now: u32) -> u32 {
        let keep_alive = match self.pinged {
            // After the interval too: the peer may have spoken since, and be silent again.
            Some(pinged) => match after(pinged.get(), self.gone_after.min(self.ping_after)) {
                early if early > now => early,
                _ => after(pinged.get(), self.gone_after),
            },
            None => after(self.heard, self.ping_after),
        };
        let write = self.stalled.map_or(NEVER, |since| after(since.get(), self.write));
        let message = self.partial.map_or(NEVER, |since| after(since.get(), self.message));
        let next = keep_alive.min(write).min(message).min(self.last_day);
        self.due = next.max(now.saturating_add(1));
        self.due
    }
}

/// The first tick at which this many have passed, whole: the first may have been a piece of one.
fn after(since: u32, ticks: u32) -> u32 {
    since.saturating_add(ticks).saturating_add(1)
}

fn has_passed(since: Option<NonZeroU32>, ticks: u32, now: u32) -> bool {
    since.is_some_and(|since| ticks != NEVER && after(since.get(), ticks) <= now)
}
