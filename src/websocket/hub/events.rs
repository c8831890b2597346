use std::sync::Arc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Member;

/// How many events wait for a subscriber that is slow.
pub(super) const WAITING: usize = 1024;

/// What happens in a hub: [`Hub::events`](super::Hub::events).
///
/// It is about this process: members of other processes are known there.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<T: Send + Sync + 'static = ()> {
    /// A socket has joined a room.
    Joined(Member<T>),
    /// A socket has left a room, or has ended.
    Left(Member<T>),
    /// The [relay](super::Relay) has reached its message system.
    RelayUp,
    /// The relay has lost its message system: rooms go on here, and what they send waits, as far as it may.
    RelayDown,
    /// Messages of another process were lost on the way here.
    Gap {
        /// The room's key; `None` if it may be any.
        room: Option<Arc<str>>,
        /// How many, if that is known.
        missed: Option<u64>,
    },
    /// So many events were not taken in time, and are lost.
    Missed(u64),
}

impl<T: Send + Sync + 'static> Clone for Event<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Joined(member) => Self::Joined(member.clone()),
            Self::Left(member) => Self::Left(member.clone()),
            Self::RelayUp => Self::RelayUp,
            Self::RelayDown => Self::RelayDown,
            Self::Gap { room, missed } => Self::Gap {
                room: room.clone(),
                missed: *missed,
            },
            Self::Missed(count) => Self::Missed(*count),
        }
    }
}

/// A subscription to a hub's [events](Event).
///
/// Up to 1,024 of them wait for a subscriber; then the oldest are lost, which it is told.
#[derive(Debug)]
pub struct Events<T: Send + Sync + 'static = ()>(Receiver<Event<T>>);

impl<T: Send + Sync + 'static> Events<T> {
    pub(super) fn new(receiver: Receiver<Event<T>>) -> Self {
        Self(receiver)
    }

    /// Waits for the next event; `None` when the hub is gone. Events of one room come in their order.
    ///
    /// # Cancel safety
    /// No event is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Event<T>> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(count)) => Some(Event::Missed(count)),
            Err(RecvError::Closed) => None,
        }
    }
}
