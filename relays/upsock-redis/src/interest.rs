//! Which rooms the hub wants to hear, and which of these still wait for their past.

use std::collections::HashSet;
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
    heard: HashSet<Arc<str>>,
}

impl Interest {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subscribe(&self, room: Arc<str>) {
        let mut state = self.lock();
        state.heard.remove(&room);
        state.waiting.insert(room);
        drop(state);
        self.news.notify_one();
    }

    pub(crate) fn unsubscribe(&self, room: &str) {
        let mut state = self.lock();
        state.waiting.remove(room);
        state.heard.remove(room);
    }

    /// Waits until rooms wait for their past: at most so many of them, which go on waiting.
    pub(crate) async fn waiting(&self, most: usize) -> Vec<Arc<str>> {
        loop {
            let news = self.news.notified();
            let rooms: Vec<_> = self.lock().waiting.iter().take(most).cloned().collect();
            if !rooms.is_empty() {
                return rooms;
            }
            news.await;
        }
    }

    /// The room's past is told, so it is to hear what comes.
    pub(crate) fn caught_up(&self, room: &str) {
        let mut state = self.lock();
        if let Some(room) = state.waiting.take(room) {
            state.heard.insert(room);
        }
    }

    pub(crate) fn hears(&self, room: &str) -> bool {
        self.lock().heard.contains(room)
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
        assert!(!interest.hears("a"));
        for _ in 0..2 {
            assert_eq!(interest.waiting(9).now_or_never(), Some(vec!["a".into()]));
        }
        interest.caught_up("a");
        interest.caught_up("b");
        assert!(interest.hears("a") && !interest.hears("b"));
        assert!(interest.waiting(9).now_or_never().is_none());
        // It has ended and begun again.
        interest.subscribe("a".into());
        assert!(!interest.hears("a"));
        interest.caught_up("a");
        interest.unsubscribe("a");
        assert!(!interest.hears("a"));
    }
}
