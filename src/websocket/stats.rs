use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a layer's sockets, for whatever exports metrics: [`Sockets::stats`](super::Sockets::stats).
///
/// All but [`open`](Self::open) only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sockets that are open now.
    pub open: usize,
    /// Sockets that were opened, from the beginning.
    pub opened: u64,
    /// Handshakes that were refused with 503: too many sockets, or shutting down.
    pub refused: u64,
    /// What went over all of them.
    pub traffic: Traffic,
}

/// Messages and bytes, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Texts and binary messages that peers have sent, and that were decoded.
    pub messages_received: u64,
    /// Texts and binary messages that were queued for peers.
    pub messages_sent: u64,
    /// Bytes that were read, after the handshakes.
    pub bytes_received: u64,
    /// Bytes that were written, after the handshakes.
    pub bytes_sent: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.messages_received += other.messages_received;
        self.messages_sent += other.messages_sent;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
    }
}

/// A counter that one task writes, and others may read: a plain addition.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
