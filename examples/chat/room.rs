//! The room: who is here, what was said, and how everybody hears of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use upsock::ws::Utf8Bytes;

use crate::name::Name;
use crate::wire::{Event, Person, Post, new_id};

const HISTORY: usize = 100;

/// Each arrival sends the list of people to all of them, so the list stays short.
const MAX_PEOPLE: usize = 256;

/// What one person may fall behind the others. The channel never waits: it overwrites, and the slow one is told so.
const BACKLOG: usize = 256;

const MAX_CHARS: usize = 2000;

pub(crate) struct Room {
    state: Mutex<State>,
    /// Sent to with `state` locked only, so that everybody sees the same order, and a newcomer neither misses a
    /// message nor gets one twice.
    live: broadcast::Sender<Utf8Bytes>,
}

struct State {
    people: Vec<(String, Name)>,
    /// What people said. Notices are not kept: who came and went yesterday helps nobody today.
    history: VecDeque<Utf8Bytes>,
}

/// One person's place in the room. Dropping it is leaving, whatever the reason.
pub(crate) struct Member {
    room: Arc<Room>,
    id: String,
    live: broadcast::Receiver<Utf8Bytes>,
}

impl Room {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                people: Vec::new(),
                history: VecDeque::new(),
            }),
            live: broadcast::Sender::new(BACKLOG),
        })
    }

    /// Takes a place under the wanted name, or one like it, and returns it with all that a newcomer must be told;
    /// `None` if the room is full.
    pub(crate) fn join(self: &Arc<Self>, wanted: &str) -> Option<(Member, Vec<Utf8Bytes>)> {
        let mut state = self.lock();
        if state.people.len() >= MAX_PEOPLE {
            return None;
        }
        let (name, notice) = match Name::parse(wanted) {
            Ok(wanted) => state.free_name(wanted),
            Err(why) => {
                let (name, _) = state.free_name(Name::guest());
                let message = format!("{why} You are “{name}” until you choose another.");
                let refused = Post {
                    action: Some("setUsername"),
                    ..Post::new(&message)
                };
                (name, Some(Event::Error(refused).encode()))
            }
        };
        let id = new_id();
        let mut greeting = vec![
            Event::Welcome {
                id: &id,
                username: name.as_str(),
            }
            .encode(),
        ];
        greeting.extend(state.history.iter().cloned());
        greeting.extend(notice);

        let member = Member {
            room: self.clone(),
            id: id.clone(),
            live: self.live.subscribe(),
        };
        let notice = format!("{name} joined");
        state.people.push((id, name));
        self.announce(&state, &notice);
        Some((member, greeting))
    }

    /// Tells everybody what happened and who is here now.
    fn announce(&self, state: &State, notice: &str) {
        let people = state
            .people
            .iter()
            .map(|(id, name)| Person {
                id,
                username: name.as_str(),
            })
            .collect();
        self.tell(Event::System(Post::new(notice)).encode());
        self.tell(Event::People { people }.encode());
    }

    fn tell(&self, text: Utf8Bytes) {
        // Fails only if nobody is here to hear it.
        let _ = self.live.send(text);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in one visit must not end the chat for all: the state is consistent between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_free(&self, name: &Name) -> bool {
        !self.people.iter().any(|(_, taken)| taken.looks_like(name))
    }

    /// Two people of one name are told apart by a number, and the second one is told why.
    fn free_name(&self, wanted: Name) -> (Name, Option<Utf8Bytes>) {
        if self.is_free(&wanted) {
            return (wanted, None);
        }
        let name = (2..=MAX_PEOPLE + 1)
            .map(|number| wanted.numbered(number))
            .find(|name| self.is_free(name))
            .expect("there are more numbers than people");
        let notice = format!("“{wanted}” is taken, so you are “{name}”");
        (name, Some(Event::System(Post::new(&notice)).encode()))
    }
}

impl Member {
    /// The next event for everybody; `None` if this member fell too far behind.
    pub(crate) async fn next(&mut self) -> Option<Utf8Bytes> {
        self.live.recv().await.ok()
    }

    pub(crate) fn say(&self, message: &str, reference: Option<&str>) -> Result<(), String> {
        let message: String = message
            .chars()
            .filter(|c| matches!(c, '\n' | '\t') || !c.is_control())
            .collect();
        let message = message.trim();
        let length = message.chars().count();
        if length == 0 {
            return Err("There is nothing in this message.".to_owned());
        }
        if length > MAX_CHARS {
            return Err(format!(
                "A message has at most {MAX_CHARS} characters, this one has {length}."
            ));
        }
        let mut state = self.room.lock();
        let username = state
            .people
            .iter()
            .find(|(id, _)| *id == self.id)
            .map_or("", |(_, name)| name.as_str());
        let post = Post {
            username,
            from: Some(&self.id),
            reference,
            ..Post::new(message)
        };
        let text = Event::Message(post).encode();
        if state.history.len() == HISTORY {
            state.history.pop_front();
        }
        state.history.push_back(text.clone());
        self.room.tell(text);
        Ok(())
    }

    pub(crate) fn rename(&self, wanted: &str) -> Result<(), String> {
        let wanted = Name::parse(wanted)?;
        let mut state = self.room.lock();
        if state
            .people
            .iter()
            .any(|(id, name)| *id != self.id && name.looks_like(&wanted))
        {
            return Err(format!("“{wanted}” is taken."));
        }
        let Some((_, name)) = state.people.iter_mut().find(|(id, _)| *id == self.id) else {
            return Ok(());
        };
        if name.as_str() != wanted.as_str() {
            let notice = format!("{name} is now {wanted}");
            *name = wanted;
            self.room.announce(&state, &notice);
        }
        Ok(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        if let Some(at) = state.people.iter().position(|(id, _)| *id == self.id) {
            let (_, name) = state.people.remove(at);
            self.room.announce(&state, &format!("{name} left"));
        }
    }
}
