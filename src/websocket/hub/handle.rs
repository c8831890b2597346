use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tungstenite::Message;

use super::relay::{RelayState, Side, Unrelayed};
use super::room::{Sent, Since, Terms};
use super::shared::Shared;
use super::{Events, HubBuilder, Member, Membership, Position};
use crate::websocket::{Sender, SocketId};

/// Rooms: named groups of sockets, to send to all of them at once.
///
/// See the [module](super) for an example and what is promised. Cloning it is cheap, and a clone is the same hub. A room
/// comes into being when somebody joins it, and ends when the last one has left. `T` is what each member says of itself:
/// a name, say.
pub struct Hub<T: Send + Sync + 'static = ()> {
    shared: Arc<Shared<T>>,
    catch_up: Duration,
}

/// A hub that sends otherwise than to all alike: [`Hub::except`], [`Hub::uncompressed`].
#[derive(Debug)]
#[must_use = "it sends nothing by itself"]
pub struct Broadcast<'a, T: Send + Sync + 'static = ()> {
    hub: &'a Hub<T>,
    terms: Terms,
}

/// A member that has come back: [`Hub::join_since`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Rejoined<T: Send + Sync + 'static = ()> {
    /// Its place in the room.
    pub membership: Membership<T>,
    /// Where it is when it has received what was replayed: what comes then, comes after these.
    pub positions: Vec<Position>,
    /// How many messages are replayed to it, before all that is sent to the room from now on.
    pub replayed: usize,
    /// Whether that is all that it has missed. If not, the rest is not left: the client had better begin anew.
    pub complete: bool,
}

impl Hub {
    /// A hub of this process alone, with [`Lag::Disconnect`](super::Lag::Disconnect) and without a history.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A hub that is to be otherwise, or whose members say something of themselves.
    pub fn builder() -> HubBuilder {
        HubBuilder::new()
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

/// Joining.
impl<T: Send + Sync + 'static> Hub<T> {
    pub(super) fn with(shared: Arc<Shared<T>>, catch_up: Duration) -> Self {
        Self { shared, catch_up }
    }

    /// Joins a room: from now on the socket gets what is sent to it, until the membership is dropped or the socket ends.
    ///
    /// A socket may be in any number of rooms, and in one room several times, with one copy of each message for each. A
    /// socket that has ended already does not become a member.
    pub fn join_with(&self, room: &str, sender: &Sender, data: T) -> Membership<T> {
        let seat = self.shared.enter(room, |room, state| {
            room.join(state, &self.shared, sender.link(), data, None)
        });
        Membership::new(seat)
    }

    /// The same, for members with nothing to say, or always the same.
    pub fn join(&self, room: &str, sender: &Sender) -> Membership<T>
    where
        T: Default,
    {
        self.join_with(room, sender, T::default())
    }

    /// Joins a room after an absence: the socket gets what came after `positions`, as far as the hub's
    /// [history](HubBuilder::history) goes, and then what is sent from now on: no gap, none twice.
    ///
    /// `positions` are the last that the client has seen, one for each epoch; none for a client that is new, which gets
    /// all that is kept. What is replayed does not count for the [outbox](crate::websocket::Config::outbox); at most
    /// 16,384 messages and 16 MiB of it wait for a socket.
    ///
    /// It waits only if a relay keeps the history and has not told it yet, at most [so long](HubBuilder::catch_up).
    ///
    /// # Cancel safety
    /// If the future is dropped, the room is not joined.
    pub async fn join_since_with(&self, room: &str, sender: &Sender, positions: &[Position], data: T) -> Rejoined<T> {
        // If the time is over, it makes do with what is there.
        let _ = timeout(self.catch_up, self.ready(room)).await;
        let mut since = Since {
            positions,
            replayed: 0,
            complete: false,
            now: Vec::new(),
        };
        let seat = self.shared.enter(room, |room, state| {
            room.join(state, &self.shared, sender.link(), data, Some(&mut since))
        });
        Rejoined {
            membership: Membership::new(seat),
            positions: since.now,
            replayed: since.replayed,
            complete: since.complete,
        }
    }

    /// The same, for members with nothing to say, or always the same.
    ///
    /// # Cancel safety
    /// If the future is dropped, the room is not joined.
    pub async fn join_since(&self, room: &str, sender: &Sender, positions: &[Position]) -> Rejoined<T>
    where
        T: Default,
    {
        self.join_since_with(room, sender, positions, T::default()).await
    }

    /// Waits until the room knows its past.
    async fn ready(&self, key: &str) {
        let waits = self.shared.relay().is_some_and(Side::keeps_history);
        while waits && self.shared.history().is_some() {
            let room = self.shared.visit(key, |room, _| Some(room.clone()));
            let Some(room) = room else { return };
            let ready = room.ready.notified();
            if room.knows_its_past() {
                return;
            }
            ready.await;
        }
    }
}

/// Sending.
impl<T: Send + Sync + 'static> Hub<T> {
    /// Sends a message to all members of a room; returns how many of this process it has reached: in whose outbox it is.
    ///
    /// It waits for nobody. All members get the messages of a room in the same order. Only texts and binary messages are
    /// for rooms; others reach nobody.
    pub fn broadcast(&self, room: &str, message: impl Into<Message>) -> usize {
        self.all().broadcast(room, message)
    }

    /// The same, of a message that says where it is: what a client must know to [come back](Self::join_since).
    ///
    /// The function is called once, while the room is locked: it must not use the hub, nor close a socket.
    pub fn broadcast_at(&self, room: &str, message: impl FnOnce(Position) -> Message) -> usize {
        self.all().broadcast_at(room, message)
    }

    /// Sends a message to all members of a room in this process at once, as [`broadcast`](Self::broadcast) does, and
    /// waits until the relay has acknowledged it. Without a relay there is nothing to wait for.
    ///
    /// # Errors
    /// If the relay has not: the members in this process have got the message nevertheless.
    ///
    /// # Cancel safety
    /// Once polled, the message is sent, also if the future is dropped.
    pub async fn publish(&self, room: &str, message: impl Into<Message>) -> Result<usize, Unrelayed> {
        self.all().publish(room, message).await
    }

    /// The same, of a message that says where it is: see [`broadcast_at`](Self::broadcast_at).
    ///
    /// # Errors
    /// Those of [`publish`](Self::publish).
    ///
    /// # Cancel safety
    /// Once polled, the message is sent, also if the future is dropped.
    pub async fn publish_at(&self, room: &str, message: impl FnOnce(Position) -> Message) -> Result<usize, Unrelayed> {
        self.all().publish_at(room, message).await
    }

    /// Sends to all but one socket: `hub.except(sender.id()).broadcast(..)` is for all others.
    pub fn except(&self, id: SocketId) -> Broadcast<'_, T> {
        self.all().except(id)
    }

    /// Sends without compression, whatever was agreed on with the members (feature `deflate`): for what must stay secret
    /// beside what others can choose (BREACH).
    pub fn uncompressed(&self) -> Broadcast<'_, T> {
        self.all().uncompressed()
    }

    fn all(&self) -> Broadcast<'_, T> {
        let terms = Terms {
            except: None,
            compressible: true,
        };
        Broadcast { hub: self, terms }
    }
}

impl<T: Send + Sync + 'static> Broadcast<'_, T> {
    /// [`Hub::except`].
    pub fn except(mut self, id: SocketId) -> Self {
        self.terms.except = Some(id);
        self
    }

    /// [`Hub::uncompressed`].
    pub fn uncompressed(mut self) -> Self {
        self.terms.compressible = false;
        self
    }

    /// [`Hub::broadcast`].
    pub fn broadcast(&self, room: &str, message: impl Into<Message>) -> usize {
        let message = message.into();
        self.broadcast_at(room, |_| message)
    }

    /// [`Hub::broadcast_at`].
    pub fn broadcast_at(&self, room: &str, message: impl FnOnce(Position) -> Message) -> usize {
        self.send(room, message, None).reached
    }

    /// [`Hub::publish`].
    ///
    /// # Errors
    /// If the relay has not acknowledged it: the members in this process have got the message nevertheless.
    ///
    /// # Cancel safety
    /// Once polled, the message is sent, also if the future is dropped.
    pub async fn publish(&self, room: &str, message: impl Into<Message>) -> Result<usize, Unrelayed> {
        let message = message.into();
        self.publish_at(room, |_| message).await
    }

    /// [`Hub::publish_at`].
    ///
    /// # Errors
    /// Those of [`publish`](Self::publish).
    ///
    /// # Cancel safety
    /// Once polled, the message is sent, also if the future is dropped.
    pub async fn publish_at(&self, room: &str, message: impl FnOnce(Position) -> Message) -> Result<usize, Unrelayed> {
        let (receipt, acknowledged) = oneshot::channel();
        let Sent { reached, relayed } = self.send(room, message, Some(receipt));
        match relayed {
            None => Ok(reached),
            Some(false) => Err(Unrelayed::Refused),
            Some(true) => match acknowledged.await {
                Ok(()) => Ok(reached),
                Err(_) => Err(Unrelayed::Unacknowledged),
            },
        }
    }

    fn send(
        &self,
        room: &str,
        message: impl FnOnce(Position) -> Message,
        receipt: Option<oneshot::Sender<()>>,
    ) -> Sent {
        let hub = &self.hub.shared;
        hub.visit(room, |room, state| room.send(state, hub, message, self.terms, receipt))
    }
}

/// Looking.
impl<T: Send + Sync + 'static> Hub<T> {
    /// The members of a room in this process, in no particular order.
    pub fn members(&self, room: &str) -> Vec<Member<T>> {
        self.shared.find(room).map_or_else(Vec::new, |room| room.members())
    }

    /// How many members a room has in this process.
    pub fn count(&self, room: &str) -> usize {
        self.shared.find(room).map_or(0, |room| room.len())
    }

    /// How many rooms there are: those with members, and those that are kept for their
    /// [history](HubBuilder::history) or, for ten minutes after their last message, for the relay.
    pub fn rooms(&self) -> usize {
        self.shared.len()
    }

    /// Subscribes to what happens from now on: who joins and leaves, and how the relay is doing.
    ///
    /// It is for a task of its own, that may in turn send to rooms:
    ///
    /// ```
    /// use upsock::ws::hub::{Event, Hub};
    ///
    /// async fn announce(hub: Hub<String>) {
    ///     let mut events = hub.events();
    ///     while let Some(event) = events.recv().await {
    ///         match event {
    ///             Event::Joined(member) => {
    ///                 hub.except(member.id()).broadcast(member.room(), format!("{} is here", member.data()));
    ///             }
    ///             Event::Left(member) => {
    ///                 hub.broadcast(member.room(), format!("{} has left", member.data()));
    ///             }
    ///             _ => {}
    ///         }
    ///     }
    /// }
    /// ```
    pub fn events(&self) -> Events<T> {
        self.shared.subscribe()
    }

    /// How the relay is doing; `None` without one.
    pub fn relay_state(&self) -> Option<RelayState> {
        self.shared.relay().map(Side::state)
    }
}

impl<T: Send + Sync + 'static> Clone for Hub<T> {
    fn clone(&self) -> Self {
        Self::with(self.shared.clone(), self.catch_up)
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Hub<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("rooms", &self.rooms())
            .finish_non_exhaustive()
    }
}
