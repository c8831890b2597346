//! What waits for a relay: bounded, whether the relay is there or not.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Command, Publication, RelayState};
use crate::websocket::sync::{Mutex, MutexGuard, Notify};

#[derive(Debug)]
pub(super) struct Backlog {
    state: Mutex<State>,
    news: Notify,
    pub(super) closed: Notify,
    max_messages: usize,
    max_bytes: usize,
    /// A room that ends and begins again wants its past again.
    replays: bool,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Publication>,
    bytes: usize,
    /// The topics that are wanted, as the relay is to know them, and as it does.
    wanted: HashSet<Arc<str>>,
    told: HashSet<Arc<str>>,
    /// Where the two may differ: this grows with the topics, not with their changes.
    changed: BTreeSet<Arc<str>>,
    up: bool,
    refused: u64,
    closed: bool,
}

impl Backlog {
    pub(super) fn new(max_messages: usize, max_bytes: usize, replays: bool) -> Self {
        Self {
            state: Mutex::default(),
            news: Notify::new(),
            closed: Notify::new(),
            max_messages,
            max_bytes,
            replays,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message, unless too much waits already.
    pub(super) fn push(&self, topic: &Arc<str>, payload: Bytes, receipt: Option<oneshot::Sender<()>>) -> bool {
        let mut state = self.lock();
        let bytes = state.bytes + payload.len();
        if state.queue.len() >= self.max_messages || bytes > self.max_bytes {
            state.refused += 1;
            return false;
        }
        state.bytes = bytes;
        state.queue.push_back(Publication {
            topic: topic.clone(),
            payload,
            receipt,
        });
        drop(state);
        self.news.notify_one();
        true
    }

    pub(super) fn interest(&self, topic: &Arc<str>, wanted: bool) {
        let mut state = self.lock();
        let changed = if wanted {
            state.wanted.insert(topic.clone())
        } else {
            state.wanted.remove(topic)
        };
        let told = state.told.contains(topic);
        if changed && (told != wanted || (told && self.replays)) {
            state.changed.insert(topic.clone());
        } else if changed {
            state.changed.remove(topic);
        }
        drop(state);
        self.news.notify_one();
    }

    /// All that is wanted, which the relay knows then.
    pub(super) fn topics(&self) -> Vec<Arc<str>> {
        let mut state = self.lock();
        state.changed.clear();
        state.told = state.wanted.clone();
        state.told.iter().cloned().collect()
    }

    pub(super) fn wants(&self, topic: &str) -> bool {
        self.lock().wanted.contains(topic)
    }

    pub(super) async fn next(&self) -> Option<Command> {
        loop {
            let news = self.news.notified();
            {
                let mut state = self.lock();
                if let Some(command) = state.take() {
                    return Some(command);
                }
                if state.closed {
                    return None;
                }
            }
            news.await;
        }
    }

    pub(super) fn set_up(&self, up: bool) -> bool {
        std::mem::replace(&mut self.lock().up, up) != up
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_one();
        self.closed.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn state(&self) -> RelayState {
        let state = self.lock();
        RelayState {
            up: state.up,
            waiting: state.queue.len(),
            refused: state.refused,
        }
    }
}

impl State {
    fn take(&mut self) -> Option<Command> {
        while let Some(topic) = self.changed.pop_first() {
            let wanted = self.wanted.contains(&topic);
            if self.told.remove(&topic) {
                if wanted {
                    self.changed.insert(topic.clone());
                }
                return Some(Command::Unsubscribe(topic));
            }
            if wanted {
                self.told.insert(topic.clone());
                return Some(Command::Subscribe(topic));
            }
        }
        let publication = self.queue.pop_front()?;
        self.bytes -= publication.payload.len();
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        Some(Command::Publish(publication))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(commands: &[Command]) -> Vec<String> {
        let name = |command: &Command| match command {
            Command::Subscribe(topic) => format!("+{topic}"),
            Command::Unsubscribe(topic) => format!("-{topic}"),
            Command::Publish(publication) => format!("{} {:?}", publication.topic, publication.payload),
        };
        commands.iter().map(name).collect()
    }

    fn take_all(backlog: &Backlog) -> Vec<String> {
        let mut state = backlog.lock();
        let commands: Vec<Command> = std::iter::from_fn(|| state.take()).collect();
        names(&commands)
    }

    #[test]
    fn both_bounds_hold_and_what_is_refused_is_counted() {
        let backlog = Backlog::new(3, 10, false);
        let topic: Arc<str> = "t".into();
        let push = |payload: &'static str| backlog.push(&topic, payload.into(), None);
        assert!(push("12345") && push("1234"));
        assert!(!push("12") && push("1"));
        assert!(!push(""));
        assert_eq!(backlog.state().refused, 2);
        assert_eq!(backlog.state().waiting, 3);
        assert_eq!(take_all(&backlog), ["t b\"12345\"", "t b\"1234\"", "t b\"1\""]);
        assert!(push("1234567890"));
    }

    #[test]
    fn an_interest_that_comes_and_goes_unheard_is_none() {
        let backlog = Backlog::new(1, 1, false);
        let topics: [Arc<str>; 2] = ["a".into(), "b".into()];
        for _ in 0..1000 {
            backlog.interest(&topics[0], true);
            backlog.interest(&topics[1], true);
            backlog.interest(&topics[0], false);
        }
        assert!(backlog.lock().changed.len() <= 2);
        assert!(backlog.wants("b") && !backlog.wants("a"));
        assert_eq!(take_all(&backlog), ["+b"]);
        backlog.interest(&topics[1], false);
        assert!(!backlog.wants("b"));
        backlog.interest(&topics[0], true);
        assert_eq!(backlog.topics(), [topics[0].clone()]);
        assert_eq!(take_all(&backlog), [""; 0]);
        backlog.interest(&topics[0], false);
        assert_eq!(take_all(&backlog), ["-a"]);
    }

    #[test]
    fn a_room_that_ends_and_begins_again_unheard_wants_its_past_again() {
        for (replays, told) in [(false, [].as_slice()), (true, &["-a", "+a"])] {
            let backlog = Backlog::new(1, 1, replays);
            let topic: Arc<str> = "a".into();
            backlog.interest(&topic, true);
            assert_eq!(take_all(&backlog), ["+a"]);
            for _ in 0..3 {
                backlog.interest(&topic, false);
                backlog.interest(&topic, true);
            }
            assert_eq!(take_all(&backlog), told);
            backlog.interest(&topic, false);
            assert_eq!(take_all(&backlog), ["-a"]);
        }
    }
}
