//! Who is here, told to everybody.
//!
//! A hub knows the members in its own process. So each node tells a room who is here on it, whenever that changes; the
//! pages put the lists of all nodes together. It also does so every other second, and a page forgets the list of a node
//! that has fallen silent: that is how people vanish whose node was killed.
//!
//! Names are unique on a node, not over all of them: two people of one name are told apart by their nodes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::interval;
use upsock::ws::hub::{Hub, Membership};
use upsock::ws::{Message, Sender};

use crate::name::{Name, RoomName};
use crate::wire::{self, Event, Node, Post, new_id};

/// Each arrival sends the list of people to all of them, so the list stays short.
const MAX_PEOPLE: usize = 256;

/// The page waits for more than three of them before it gives a node up (`page/people.js`).
const HEARTBEAT: Duration = Duration::from_secs(2);

pub(crate) struct People {
    hub: Hub<Arc<Person>>,
    node: Node,
    /// The rooms with people on this node. Locked while anybody comes, goes or changes their name: so that no name is
    /// given twice, and lists are told in the order in which they were true.
    rooms: Mutex<HashSet<RoomName>>,
}

/// What each member says of itself.
pub(crate) struct Person {
    pub(crate) id: String,
    name: Mutex<Name>,
}

/// One person's place in a room. Dropping it is leaving, whatever the reason.
pub(crate) struct Place {
    people: Arc<People>,
    pub(crate) room: RoomName,
    pub(crate) person: Arc<Person>,
    membership: Option<Membership<Arc<Person>>>,
    entered: bool,
}

impl People {
    pub(crate) fn new(node: Node, hub: Hub<Arc<Person>>) -> Arc<Self> {
        let people = Arc::new(Self {
            hub,
            node,
            rooms: Mutex::default(),
        });
        if people.hub.relay_state().is_some() {
            tokio::spawn(keep_telling(Arc::downgrade(&people)));
        }
        people
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Takes a place under the wanted name, or one like it; with the reason if it is another. `None` if the room is full.
    ///
    /// The others hear of it by [`Place::enter`].
    pub(crate) fn join(
        self: &Arc<Self>,
        room: &RoomName,
        sender: &Sender,
        wanted: &str,
    ) -> Option<(Place, Option<Message>)> {
        let mut rooms = self.lock();
        if self.hub.count(room.as_str()) >= MAX_PEOPLE {
            return None;
        }
        let (name, notice) = match Name::parse(wanted) {
            Ok(wanted) => {
                let name = self.free_name(room, &wanted);
                let taken = (!name.looks_like(&wanted)).then(|| format!("“{wanted}” is taken, so you are “{name}”"));
                (name, taken.map(|why| Event::System(Post::new(&why)).encode()))
            }
            Err(why) => {
                let name = self.free_name(room, &Name::guest());
                let why = format!("{why} You are “{name}” until you choose another.");
                let refused = Post {
                    action: Some("setUsername"),
                    ..Post::new(&why)
                };
                (name, Some(Event::Error(refused).encode()))
            }
        };
        let person = Arc::new(Person {
            id: new_id(),
            name: Mutex::new(name),
        });
        let place = Place {
            people: self.clone(),
            room: room.clone(),
            person: person.clone(),
            membership: Some(self.hub.join_with(room.as_str(), sender, person)),
            entered: false,
        };
        rooms.insert(room.clone());
        Some((place, notice))
    }

    /// Two people of one name are told apart by a number.
    fn free_name(&self, room: &RoomName, wanted: &Name) -> Name {
        let here = self.names(room);
        let is_free = |name: &Name| !here.iter().any(|(_, taken)| taken.looks_like(name));
        if is_free(wanted) {
            return wanted.clone();
        }
        (2..=MAX_PEOPLE + 1)
            .map(|number| wanted.numbered(number))
            .find(is_free)
            .expect("there are more numbers than people")
    }

    fn names(&self, room: &RoomName) -> Vec<(String, Name)> {
        let members = self.hub.members(room.as_str());
        members
            .iter()
            .map(|member| (member.data().id.clone(), member.data().name()))
            .collect()
    }

    /// Tells a room what has happened there.
    fn notice(&self, room: &RoomName, what: &str) {
        self.hub
            .broadcast(room.as_str(), Event::System(Post::new(what)).encode());
    }

    /// Tells a room who is here.
    fn tell(&self, room: &RoomName) {
        let names = self.names(room);
        let people = names
            .iter()
            .map(|(id, name)| wire::Person {
                id,
                username: name.as_str(),
            })
            .collect();
        let list = Event::People {
            node: &self.node,
            people,
        };
        self.hub.broadcast(room.as_str(), list.encode());
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<RoomName>> {
        // A panic in one visit must not end the chat for all: the set is consistent between any two statements.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the other nodes that this one is still there, for as long as it is.
async fn keep_telling(people: Weak<People>) {
    let mut heartbeat = interval(HEARTBEAT);
    loop {
        heartbeat.tick().await;
        let Some(people) = people.upgrade() else { return };
        for room in &*people.lock() {
            people.tell(room);
        }
    }
}

impl Person {
    pub(crate) fn name(&self) -> Name {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Place {
    /// Tells everybody that somebody has come.
    pub(crate) fn enter(&mut self) {
        self.entered = true;
        let _rooms = self.people.lock();
        self.people
            .notice(&self.room, &format!("{} joined", self.person.name()));
        self.people.tell(&self.room);
    }

    pub(crate) fn rename(&self, wanted: &str) -> Result<(), String> {
        let wanted = Name::parse(wanted)?;
        let _rooms = self.people.lock();
        let here = self.people.names(&self.room);
        if here
            .iter()
            .any(|(id, name)| *id != self.person.id && name.looks_like(&wanted))
        {
            return Err(format!("“{wanted}” is taken."));
        }
        let name = self.person.name();
        if name.as_str() != wanted.as_str() {
            let notice = format!("{name} is now {wanted}");
            *self.person.name.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
            self.people.notice(&self.room, &notice);
            self.people.tell(&self.room);
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut rooms = self.people.lock();
        drop(self.membership.take());
        if self.entered {
            self.people.notice(&self.room, &format!("{} left", self.person.name()));
            self.people.tell(&self.room);
        }
        if self.people.hub.count(self.room.as_str()) == 0 {
            rooms.remove(&self.room);
        }
    }
}
