//! What all clones of a hub share: its rooms by their keys.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;

use super::relay::Side;
use super::room::{Room, State};
use super::{Event, Events, History, Lag, events};
use crate::websocket::sync::{Mutex, MutexGuard, RwLock};

/// How long a room is kept for nothing but the relay: its messages are counted, so that others notice losses.
const FADE: Duration = Duration::from_secs(600);
const FADING: usize = 1024;

pub(super) struct Shared<T: Send + Sync + 'static> {
    rooms: RwLock<HashMap<Arc<str>, Arc<Room<T>>>>,
    /// Those that are kept without members.
    fading: Mutex<VecDeque<Arc<Room<T>>>>,
    events: OnceLock<broadcast::Sender<Event<T>>>,
    lag: Lag,
    history: Option<History>,
    relay: Option<Side>,
    epochs: RandomState,
}

impl<T: Send + Sync + 'static> Shared<T> {
    pub(super) fn new(lag: Lag, history: Option<History>, relay: Option<Side>) -> Self {
        Self {
            rooms: RwLock::default(),
            fading: Mutex::default(),
            events: OnceLock::new(),
            lag,
            history,
            relay,
            epochs: RandomState::new(),
        }
    }

    pub(super) fn lag(&self) -> &Lag {
        &self.lag
    }

    pub(super) fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    pub(super) fn relay(&self) -> Option<&Side> {
        self.relay.as_ref()
    }

    pub(super) fn has_relay(&self) -> bool {
        self.relay.is_some()
    }

    /// How long a room may be empty after its last message.
    pub(super) fn fade(&self) -> Duration {
        self.history.map_or(FADE, |history| history.age)
    }

    /// Rooms are kept for a while without members.
    fn keeps_empty(&self) -> bool {
        self.history.is_some() || self.relay.is_some()
    }

    /// Whether messages of other processes are wanted.
    pub(super) fn interest(&self, key: &Arc<str>, wanted: bool) {
        if let Some(relay) = &self.relay {
            relay.interest(key, wanted);
        }
    }

    pub(super) fn subscribe(&self) -> Events<T> {
        let sender = self.events.get_or_init(|| broadcast::Sender::new(events::WAITING));
        Events::new(sender.subscribe())
    }

    pub(super) fn tell(&self, event: impl FnOnce() -> Event<T>) {
        if let Some(sender) = self.events.get().filter(|sender| sender.receiver_count() > 0) {
            let _ = sender.send(event());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn find(&self, key: &str) -> Option<Arc<Room<T>>> {
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        rooms.get(key).cloned()
    }

    /// Works in the room of this key, which comes into being if there is none.
    pub(super) fn enter<R>(
        self: &Arc<Self>,
        key: &str,
        work: impl FnOnce(&Arc<Room<T>>, MutexGuard<'_, State<T>>) -> R,
    ) -> R {
        loop {
            let room = self.find(key).unwrap_or_else(|| self.create(key));
            let state = room.lock();
            if !state.gone {
                return work(&room, state);
            }
            drop(state);
            self.remove(&room);
        }
    }

    /// Works in the room of this key to send to it: if there is none, and nobody would ever know, not at all.
    pub(super) fn visit<R: Default>(
        self: &Arc<Self>,
        key: &str,
        work: impl FnOnce(&Arc<Room<T>>, MutexGuard<'_, State<T>>) -> R,
    ) -> R {
        if self.keeps_empty() {
            return self.enter(key, |room, mut state| {
                let fade = state.is_empty() && !state.fading;
                state.fading |= fade;
                let result = work(room, state);
                if fade {
                    self.fade_away(room.clone());
                }
                result
            });
        }
        while let Some(room) = self.find(key) {
            let state = room.lock();
            if !state.gone {
                return work(&room, state);
            }
            drop(state);
            self.remove(&room);
        }
        R::default()
    }

    fn create(self: &Arc<Self>, key: &str) -> Arc<Room<T>> {
        let mut rooms = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
        match rooms.entry(key.into()) {
            Entry::Occupied(there) => there.get().clone(),
            Entry::Vacant(vacant) => {
                let key = vacant.key().clone();
                // An own history is whole only if all is heard.
                if self.history.is_some() {
                    self.interest(&key, true);
                }
                let ready = self.history.is_none() || !self.relay.as_ref().is_some_and(Side::keeps_history);
                let epoch = self.epochs.hash_one((&key, RandomState::new().hash_one(0)));
                let room = Arc::new(Room::new(key, Arc::downgrade(self), epoch, ready));
                vacant.insert(room).clone()
            }
        }
    }

    /// A room has no members.
    pub(super) fn emptied(&self, room: &Arc<Room<T>>, mut state: MutexGuard<'_, State<T>>) {
        if self.history.is_none() {
            self.interest(room.key(), false);
        }
        if !self.keeps_empty() {
            state.gone = true;
            drop(state);
            self.remove(room);
        } else if !std::mem::replace(&mut state.fading, true) {
            drop(state);
            self.fade_away(room.clone());
        }
    }

    fn remove(&self, room: &Arc<Room<T>>) {
        let mut rooms = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
        if rooms.get(room.key()).is_some_and(|there| Arc::ptr_eq(there, room)) {
            rooms.remove(room.key());
            if rooms.capacity() > 4 * rooms.len().max(16) {
                let length = 2 * rooms.len();
                rooms.shrink_to(length);
            }
        }
    }

    /// A room is kept without members; others may be too old for that by now.
    fn fade_away(&self, room: Arc<Room<T>>) {
        let mut fading = self.fading.lock().unwrap_or_else(PoisonError::into_inner);
        fading.push_back(room);
        drop(fading);
        // Two for each that comes, so that the old ones become fewer.
        for _ in 0..2 {
            self.fade_oldest();
        }
    }

    fn fade_oldest(&self) {
        let max = self.history.map_or(FADING, |history| history.rooms);
        let mut fading = self.fading.lock().unwrap_or_else(PoisonError::into_inner);
        let too_many = fading.len() > max;
        let Some(room) = fading.pop_front() else {
            return;
        };
        drop(fading);
        let mut state = room.lock();
        if !state.is_empty() {
            state.fading = false;
        } else if too_many || state.is_forgotten(self) {
            state.gone = true;
            self.interest(room.key(), false);
            drop(state);
            self.remove(&room);
            // Who waits for its past is to wait in the next one of its key.
            room.ready.notify_waiters();
        } else {
            drop(state);
            let mut fading = self.fading.lock().unwrap_or_else(PoisonError::into_inner);
            fading.push_back(room);
        }
    }
}

impl<T: Send + Sync + 'static> Drop for Shared<T> {
    fn drop(&mut self) {
        if let Some(relay) = &self.relay {
            relay.close();
        }
    }
}
