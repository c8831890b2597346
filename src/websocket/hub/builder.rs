use std::collections::hash_map::RandomState;
use std::fmt;
use std::future::Future;
use std::hash::BuildHasher;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::relay::{Port, Relay, Rooms, Side};
use super::shared::Shared;
use super::{History, Hub, Lag};

type Run = Box<dyn FnOnce(Port) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// How a hub is to be: made by [`Hub::builder`].
#[must_use = "a hub comes of `build`"]
pub struct HubBuilder {
    lag: Lag,
    history: Option<History>,
    relay: Option<(Run, bool)>,
    backlog: (usize, usize),
    catch_up: Duration,
}

impl HubBuilder {
    pub(super) fn new() -> Self {
        Self {
            lag: Lag::default(),
            history: None,
            relay: None,
            backlog: (16 * 1024, 16 << 20),
            catch_up: Duration::from_secs(2),
        }
    }

    /// What becomes of a slow member. Default: [`Lag::Disconnect`].
    pub fn lag(mut self, lag: Lag) -> Self {
        self.lag = lag;
        self
    }

    /// How much of what was sent each room keeps for [`Hub::join_since`]. Default: nothing.
    pub fn history(mut self, history: History) -> Self {
        self.history = Some(history);
        self
    }

    /// What joins this hub with those of other processes. Default: nothing does.
    pub fn relay(mut self, relay: impl Relay) -> Self {
        let keeps_history = relay.keeps_history();
        self.relay = Some((Box::new(|port| Box::pin(relay.run(port))), keeps_history));
        self
    }

    /// How much may wait for the relay, in messages and bytes; beyond it messages are refused, which
    /// [`Hub::publish`] says. Default: 16,384 messages and 16 MiB.
    pub fn backlog(mut self, messages: usize, bytes: usize) -> Self {
        self.backlog = (messages, bytes);
        self
    }

    /// How long [`Hub::join_since`] waits for a relay that keeps a history. Default: 2 s.
    pub fn catch_up(mut self, timeout: Duration) -> Self {
        self.catch_up = timeout;
        self
    }

    /// Makes the hub. `T` is what each member says of itself.
    ///
    /// # Panics
    /// With a relay, outside of a tokio runtime: it is spawned as a task.
    pub fn build<T: Send + Sync + 'static>(self) -> Hub<T> {
        let Some((run, keeps_history)) = self.relay else {
            return Hub::with(Shared::new(self.lag, self.history, None).into(), self.catch_up);
        };
        let node = RandomState::new().hash_one("node");
        let side = Side::new(node, keeps_history, self.history, self.backlog);
        let shared = Arc::new(Shared::<T>::new(self.lag, self.history, Some(side)));
        let rooms: Weak<dyn Rooms> = Arc::downgrade(&shared) as _;
        if let Some(side) = shared.relay() {
            tokio::spawn(run(side.port(rooms)));
        }
        Hub::with(shared, self.catch_up)
    }
}

impl fmt::Debug for HubBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubBuilder")
            .field("lag", &self.lag)
            .field("history", &self.history)
            .field("relay", &self.relay.is_some())
            .finish_non_exhaustive()
    }
}
