use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use tungstenite::Message;

use crate::websocket::link::rooms::Overflow;

/// What becomes of a member that reads more slowly than its rooms send: when a message finds its
/// [outbox](crate::websocket::Config::outbox) full.
///
/// Set for a whole hub, by [`HubBuilder::lag`](super::HubBuilder::lag). It is about what rooms send: what a
/// [`Sender`](crate::websocket::Sender) has put into the outbox is never dropped, and a room drops only its own messages.
/// Whatever it is, a slow member changes nothing for the others.
///
/// A member that stays is told what it has lost by [`Membership::lost`](super::Membership::lost) and
/// [`Membership::lagged`](super::Membership::lagged).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Lag {
    /// It is disconnected, with Close 1013: its client connects anew and [catches up](super::Hub::join_since).
    ///
    /// What rooms had for it is dropped. It is the default, because then nobody misses a message unknowingly.
    #[default]
    Disconnect,
    /// The oldest messages that wait are dropped: for what is of no use later, as positions in a game.
    DropOldest,
    /// The new message is dropped: it gets the beginning of a burst rather than the end.
    DropNewest,
    /// Only the newest message of each key waits; without any lag, all are sent. For tickers: [`Lag::conflate`].
    Conflate(Conflate),
}

/// How [`Lag::Conflate`] tells what a message is about.
#[derive(Clone)]
pub struct Conflate(Arc<Key>);

type Key = dyn Fn(&Message) -> Option<u64> + Send + Sync;

impl Lag {
    /// [`Lag::Conflate`], with a function that says what a message is about: a newer message of the same room and key
    /// replaces one that still waits.
    ///
    /// What is replaced counts as lost. Messages without a key are all sent; if the outbox is full nevertheless, the
    /// oldest are dropped. The function is called once for each message, while the room is locked: it must not use the
    /// hub.
    ///
    /// ```
    /// use upsock::ws::{Lag, Message};
    ///
    /// // "AAPL 226.51"
    /// let lag = Lag::conflate(|message: &Message| {
    ///     let (symbol, _price) = message.to_text().ok()?.split_once(' ')?;
    ///     Some(symbol.to_owned())
    /// });
    /// ```
    pub fn conflate<K: Hash>(key: impl Fn(&Message) -> Option<K> + Send + Sync + 'static) -> Self {
        // Not to be guessed, so that no client finds two keys that look the same.
        let hasher = RandomState::new();
        Self::Conflate(Conflate(Arc::new(move |message| {
            key(message).map(|key| hasher.hash_one(key).max(1))
        })))
    }

    pub(super) fn overflow(&self) -> Overflow {
        match self {
            Self::Disconnect => Overflow::Disconnect,
            Self::DropNewest => Overflow::DropNewest,
            Self::DropOldest | Self::Conflate(_) => Overflow::DropOldest,
        }
    }

    /// What a message is about; 0 if that does not matter.
    pub(super) fn key(&self, message: &Message) -> u64 {
        match self {
            Self::Conflate(Conflate(key)) => key(message).unwrap_or(0),
            _ => 0,
        }
    }
}

impl fmt::Debug for Conflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conflate").finish_non_exhaustive()
    }
}
