//! Which rooms the hub wants to hear, and how far they are: a room hears what comes when it has been told its past.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// One side takes the hub's commands, the other reads: both see this. It grows with the rooms, not with their changes.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: HashSet<Arc<str>>,
    /// Their past is being read.
    reading: HashSet<Arc<str>>,
    heard: HashSet<Arc<str>>,
    /// What has come for rooms that have not been told their past.
    held: HashMap<Arc<str>, Vec<Vec<u8>>>,
    count: usize,
}

/// How many messages are held for all rooms.
const MAX_HELD: usize = 16 * 1024;

impl Interest {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subscribe(&self, room: Arc<str>) {
        let mut state = self.lock();
        state.reading.remove(&room);
        state.heard.remove(&room);
        state.waiting.insert(room);
        drop(state);
        self.news.notify_one();
    }

    pub(crate) fn unsubscribe(&self, room: &str) {
        let mut state = self.lock();
        state.waiting.remove(room);
        state.reading.remove(room);
        state.heard.remove(room);
        state.release(room);
    }

    /// Waits until rooms wait for their past: takes at most so many of them.
    pub(crate) async fn waiting(&self, most: usize) -> Vec<Arc<str>> {
        loop {
            let news = self.news.notified();
            {
                let mut state = self.lock();
                let rooms: Vec<_> = state.waiting.iter().take(most).cloned().collect();
                if !rooms.is_empty() {
                    for room in &rooms {
                        state.waiting.remove(room);
                        state.reading.insert(room.clone());
                    }
                    return rooms;
                }
            }
            news.await;
        }
    }

    /// Those whose past was being read wait for it again.
    pub(crate) fn restart(&self) {
        let mut state = self.lock();
        let reading = std::mem::take(&mut state.reading);
        state.waiting.extend(reading);
        drop(state);
        self.news.notify_one();
    }

    pub(crate) fn hears(&self, room: &str) -> bool {
        self.lock().heard.contains(room)
    }

    /// Holds what has come for a room; whether there was room for it.
    pub(crate) fn hold(&self, room: &str, payload: &[u8]) -> bool {
        let mut state = self.lock();
        if state.count == MAX_HELD {
            return false;
        }
        state.count += 1;
        match state.held.get_mut(room) {
            Some(held) => held.push(payload.to_vec()),
            None => drop(state.held.insert(room.into(), vec![payload.to_vec()])),
        }
        true
    }

    /// The room is to be told its past, and then what was held, and then to hear what comes. `None` if it is not the
    /// one any more for which that was read.
    pub(crate) fn caught_up(&self, room: &str) -> Option<Vec<Vec<u8>>> {
        let mut state = self.lock();
        let room = state.reading.take(room)?;
        let held = state.release(&room);
        state.heard.insert(room);
        Some(held)
    }
}

impl State {
    fn release(&mut self, room: &str) -> Vec<Vec<u8>> {
        let held = self.held.remove(room).unwrap_or_default();
        self.count -= held.len();
        held
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_room_hears_when_it_has_caught_up() {
        let interest = Interest::default();
        assert!(interest.waiting(9).now_or_never().is_none());
        interest.subscribe("a".into());
        interest.subscribe("b".into());
        interest.unsubscribe("b");
        assert!(interest.hold("a", b"1") && interest.hold("a", b"2") && interest.hold("b", b"3"));
        assert!(!interest.hears("a"));
        for _ in 0..2 {
            assert_eq!(interest.waiting(9).now_or_never(), Some(vec!["a".into()]));
            assert!(interest.waiting(9).now_or_never().is_none());
            interest.restart();
        }
        // Its past was not read.
        assert_eq!(interest.caught_up("a"), None);
        assert!(interest.waiting(9).now_or_never().is_some());
        assert_eq!(interest.caught_up("a"), Some(vec![b"1".to_vec(), b"2".to_vec()]));
        assert!(interest.hears("a") && !interest.hears("b"));
        // It has ended and begun again, while its past was read.
        interest.subscribe("a".into());
        assert!(!interest.hears("a"));
        assert!(interest.waiting(9).now_or_never().is_some());
        interest.subscribe("a".into());
        assert_eq!(interest.caught_up("a"), None);
        assert!(interest.waiting(9).now_or_never().is_some());
        interest.unsubscribe("a");
        assert_eq!(interest.caught_up("a"), None);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let interest = Interest::default();
        let holds = |room: &str| (0..).take_while(|_| interest.hold(room, b"x")).count();
        assert_eq!(holds("a"), MAX_HELD);
        assert_eq!(holds("b"), 0);
        interest.unsubscribe("a");
        assert_eq!(holds("b"), MAX_HELD);
    }
}
