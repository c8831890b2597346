//! The two hubs: what people say, and who is here.

use std::sync::Arc;
use std::time::Duration;

use upsock::ws::hub::{History, Hub, HubBuilder, Lag};

use crate::people::{People, Place};
use crate::wire::{Event, Node, Post, Words};

const MAX_CHARS: usize = 2000;

/// A hundred messages of two thousand characters of four bytes each fit.
const HISTORY_BYTES: usize = 1 << 20;
const HISTORY_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What has become of a message.
pub(crate) enum Said {
    /// All who are here have it, or will: it does not need this process any more, unless there is no other.
    Safely,
    /// It may not be said, and why.
    Wrongly(String),
    /// The relay has not taken it: only people on this node have it.
    InVain,
}

pub(crate) struct Chat {
    /// What people say. Whoever is too slow for it is disconnected, comes back by itself, and gets what it has missed.
    pub(crate) talk: Hub,
    pub(crate) people: Arc<People>,
}

impl Chat {
    /// Two builders, since presence has no history, and is of no use when it is late. With a relay each has its own.
    pub(crate) fn new(node: String, talk: HubBuilder, people: HubBuilder) -> Arc<Self> {
        let history = History::new()
            .messages(100)
            .bytes(HISTORY_BYTES)
            .age(HISTORY_AGE)
            .rooms(100);
        let newest_list = Lag::conflate(|message| Event::list_of(message.to_text().ok()?).map(str::to_owned));
        Arc::new(Self {
            talk: talk.lag(Lag::Disconnect).history(history).build(),
            people: People::new(Node::new(node), people.lag(newest_list).build()),
        })
    }

    /// Says something to everybody in the room, and waits until it is safe.
    pub(crate) async fn say(&self, place: &Place, words: &Words) -> Said {
        let message: String = words
            .message
            .chars()
            .filter(|c| matches!(c, '\n' | '\t') || !c.is_control())
            .collect();
        let message = message.trim();
        let length = message.chars().count();
        if length == 0 {
            return Said::Wrongly("There is nothing in this message.".to_owned());
        }
        if length > MAX_CHARS {
            return Said::Wrongly(format!(
                "A message has at most {MAX_CHARS} characters, this one has {length}."
            ));
        }
        let name = place.person.name();
        let mut post = Post {
            username: name.as_str(),
            from: Some(&place.person.id),
            reference: words.reference.as_deref(),
            ..Post::new(message)
        };
        if let Some(id) = words.id {
            post.id = id.to_string();
        }
        let published = self.talk.publish_at(place.room.as_str(), |position| {
            post.position = Some(position.to_string());
            Event::Message(post).encode()
        });
        match published.await {
            Ok(_reached) => Said::Safely,
            Err(_) => Said::InVain,
        }
    }
}
