//! Locks, atomics and `Notify`: in tests, those by which shuttle tries the orders of events (`hub/interleavings`).

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::*;
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::*;
#[cfg(not(all(test, shuttle)))]
pub(crate) use tokio::sync::Notify;

/// tokio's, with a change of turn before each use.
#[cfg(all(test, shuttle))]
#[derive(Debug, Default)]
pub(crate) struct Notify {
    inner: tokio::sync::Notify,
    turn: atomic::AtomicBool,
}

#[cfg(all(test, shuttle))]
impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn take_turn(&self) -> &tokio::sync::Notify {
        self.turn.load(atomic::Ordering::SeqCst);
        &self.inner
    }

    pub(crate) fn notified(&self) -> tokio::sync::futures::Notified<'_> {
        self.take_turn().notified()
    }

    pub(crate) fn notify_one(&self) {
        self.take_turn().notify_one();
    }

    pub(crate) fn notify_waiters(&self) {
        self.take_turn().notify_waiters();
    }
}
