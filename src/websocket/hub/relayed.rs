//! What comes from other processes.

use super::Event;
use super::relay::{Envelope, Rooms};
use super::shared::Shared;

impl<T: Send + Sync + 'static> Rooms for Shared<T> {
    fn relayed(&self, topic: &str, envelope: &Envelope, replayed: bool) {
        // A room that is not here has nobody to hear it.
        if let Some(room) = self.find(topic) {
            room.relayed(self, envelope, replayed);
        }
    }

    fn caught_up(&self, topic: &str) {
        if let Some(room) = self.find(topic) {
            room.lock().ready = true;
            room.ready.notify_waiters();
        }
    }

    fn set_up(&self, up: bool) {
        self.tell(|| if up { Event::RelayUp } else { Event::RelayDown });
    }

    fn gap(&self, topic: Option<&str>) {
        self.tell(|| Event::Gap {
            room: topic.map(Into::into),
            missed: None,
        });
    }
}
