//! All open sessions of a layer: counted, swept for what is due, and shut down together.
//!
//! A sweep four times a second looks at one number for each session, and wakes the few whose time has come. A timer in
//! each session would cost 118 bytes, and 60 ns or more for each message that resets it; a session reads the sweep's
//! clock instead, which costs a load.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::Config;
use super::link::Link;
use super::stats::Stats;
use crate::Rejection;

/// The unit in which sessions measure time: a quarter of a second.
const TICK: Duration = Duration::from_millis(250);
pub(crate) const TICKS_PER_SECOND: f64 = 4.0;

/// Nothing is due.
pub(crate) const NEVER: u32 = u32::MAX;

/// How many ticks cover this time; at least one.
pub(crate) fn ticks(time: Duration) -> u32 {
    let quarters = time.subsec_nanos().div_ceil(TICK.subsec_nanos());
    let ticks = time.as_secs().saturating_mul(4).saturating_add(quarters.into());
    u32::try_from(ticks).unwrap_or(NEVER).max(1)
}

#[derive(Debug)]
pub(crate) struct Registry {
    state: Mutex<State>,
    /// The sweep's clock, in ticks.
    now: AtomicU32,
    epoch: Instant,
    sweeping: AtomicBool,
    max_sockets: AtomicUsize,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct State {
    sessions: Slab<Entry>,
    closed_to_new: bool,
    /// Of the sessions that have ended, and the refused.
    past: Stats,
}

#[derive(Debug)]
struct Entry {
    link: Arc<Link>,
    /// The tick at which the session wants to be woken: here, in one piece with the others', for the sweep.
    due: u32,
}

/// Of the sockets that no layer has opened.
static OUTSIDE: LazyLock<Arc<Registry>> = LazyLock::new(Arc::default);

impl Default for Registry {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            // Never 0, which a session takes for "not yet".
            now: AtomicU32::new(1),
            epoch: Instant::now(),
            sweeping: AtomicBool::new(false),
            max_sockets: AtomicUsize::new(usize::MAX),
            emptied: Notify::new(),
        }
    }
}

impl Registry {
    /// Of the sockets that no layer has opened.
    pub(crate) fn outside() -> &'static Arc<Self> {
        &OUTSIDE
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of a user runs under this lock, so what a panic left is consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a socket from now on, until the [`Member`] is dropped.
    pub(crate) fn admit(self: &Arc<Self>, config: &Config) -> Result<Member, Rejection> {
        let mut state = self.lock();
        let refusal = if state.closed_to_new {
            Some(Rejection::ShuttingDown)
        } else if state.sessions.len() >= self.max_sockets.load(Ordering::Relaxed) {
            Some(Rejection::TooManySockets)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            state.past.refused += 1;
            return Err(refusal);
        }
        Ok(self.insert(state, config))
    }

    /// The same, of the sockets that no layer has opened: of those there may be any number.
    pub(crate) fn admit_outside(config: &Config) -> Member {
        OUTSIDE.insert(OUTSIDE.lock(), config)
    }

    fn insert(self: &Arc<Self>, mut state: MutexGuard<'_, State>, config: &Config) -> Member {
        state.past.opened += 1;
        let slot = state.sessions.vacant_entry();
        let link = Arc::new(Link::new(config, self.clone(), slot.key() as u32));
        slot.insert(Entry {
            link: link.clone(),
            due: NEVER,
        });
        drop(state);
        let member = Member(link);
        self.keep_sweeping();
        member
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().sessions.len()
    }

    pub(crate) fn set_max_sockets(&self, max: usize) {
        self.max_sockets.store(max, Ordering::Relaxed);
    }

    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.lock()
            .sessions
            .iter()
            .map(|(_, entry)| entry.link.clone())
            .collect()
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.lock();
        let mut stats = state.past;
        stats.open = state.sessions.len();
        for (_, entry) in &state.sessions {
            stats.traffic += entry.link.traffic();
        }
        stats
    }

    /// No socket is admitted any more.
    pub(crate) fn close_to_new(&self) {
        self.lock().closed_to_new = true;
    }

    pub(crate) fn is_closed_to_new(&self) -> bool {
        self.lock().closed_to_new
    }

    /// Waits until no session is left.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// Time.
impl Registry {
    /// The tick of the last sweep.
    #[inline]
    pub(crate) fn now(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }

    /// The time that has passed since some moment, exactly.
    pub(crate) fn elapsed(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// The session will be woken at this tick, and only at this.
    pub(crate) fn wake_at(&self, slot: u32, due: u32) {
        if let Some(entry) = self.lock().sessions.get_mut(slot as usize) {
            entry.due = due;
        }
    }

    fn set_now(&self) {
        let ticks = self.elapsed().as_nanos() / TICK.as_nanos();
        let now = u32::try_from(ticks).unwrap_or(NEVER - 1);
        self.now.fetch_max(now.saturating_add(1), Ordering::Relaxed);
    }

    /// Starts the sweep in this runtime, unless it runs in some.
    pub(crate) fn keep_sweeping(self: &Arc<Self>) {
        if self.sweeping.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        // It panics in a runtime without time: here, where it is seen, and not in a task that would be started again.
        let tick = interval(TICK);
        if !self.sweeping.swap(true, Ordering::AcqRel) {
            self.set_now();
            runtime.spawn(Sweep(self.clone()).run(tick));
        }
    }

    /// Wakes the sessions that are due; false if there are none at all.
    fn sweep(&self, due: &mut Vec<Arc<Link>>) -> bool {
        self.set_now();
        let now = self.now();
        let mut state = self.lock();
        if state.sessions.is_empty() {
            return false;
        }
        for (_, entry) in &mut state.sessions {
            if entry.due <= now {
                entry.due = NEVER;
                due.push(entry.link.clone());
            }
        }
        drop(state);
        for link in due.drain(..) {
            link.ring();
        }
        true
    }
}

struct Sweep(Arc<Registry>);

impl Sweep {
    async fn run(self, mut tick: Interval) {
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = Vec::new();
        loop {
            tick.tick().await;
            if !self.0.sweep(&mut due) {
                return;
            }
        }
    }
}

impl Drop for Sweep {
    /// There was no session, or its runtime has ended: a session that has come since, or lives in another, will start it
    /// again.
    fn drop(&mut self) {
        self.0.sweeping.store(false, Ordering::Release);
        for link in self.0.links() {
            link.ring();
        }
    }
}

/// A socket that is counted. When it is dropped the session is gone.
#[derive(Debug)]
pub(crate) struct Member(Arc<Link>);

impl Member {
    /// Has the session woken after this time; returns the tick.
    pub(crate) fn expires_after(&self, time: Duration) -> u32 {
        let registry = self.registry();
        let due = registry.now().saturating_add(ticks(time)).saturating_add(1);
        registry.wake_at(self.slot(), due);
        due
    }
}

impl std::ops::Deref for Member {
    type Target = Arc<Link>;

    #[inline]
    fn deref(&self) -> &Arc<Link> {
        &self.0
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Handles elsewhere hear of the end, also when the session is dropped with its runtime.
        self.over();
        let registry = self.registry();
        let mut state = registry.lock();
        let entry = state.sessions.try_remove(self.slot() as usize);
        state.past.traffic += self.traffic();
        let emptied = state.sessions.is_empty();
        drop(state);
        drop(entry);
        if emptied {
            registry.emptied.notify_waiters();
        }
    }
}
