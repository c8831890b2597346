use std::fmt;
use std::sync::Arc;

use super::room::Room;
use crate::websocket::SocketId;
use crate::websocket::link::rooms::Leave;
use crate::websocket::sync::Notify;
use crate::websocket::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A socket's place in a room, for as long as it is kept: dropping it leaves the room.
///
/// Made by [`Hub::join`](super::Hub::join). The room is also left when the socket ends, as soon as nothing can be sent
/// any more. What was sent to the room before still goes out. Keep it where the socket is, in the closure.
#[must_use = "a membership that is dropped has left the room"]
pub struct Membership<T: Send + Sync + 'static = ()> {
    seat: Arc<Seat<T>>,
}

/// A member of a room, as others see it: which socket, and its own data.
pub struct Member<T: Send + Sync + 'static = ()> {
    seat: Arc<Seat<T>>,
}

/// One socket in one room.
pub(super) struct Seat<T: Send + Sync + 'static> {
    room: Arc<Room<T>>,
    id: SocketId,
    /// Where the room has it; under the room's lock.
    pub(super) at: AtomicUsize,
    lost: AtomicU64,
    told: AtomicU64,
    lagged: Notify,
    data: T,
}

/// `Seat::at`, before and after.
pub(super) const NOWHERE: usize = usize::MAX;

impl<T: Send + Sync + 'static> Seat<T> {
    pub(super) fn new(room: Arc<Room<T>>, id: SocketId, data: T) -> Arc<Self> {
        Arc::new(Self {
            room,
            id,
            at: AtomicUsize::new(NOWHERE),
            lost: AtomicU64::new(0),
            told: AtomicU64::new(0),
            lagged: Notify::new(),
            data,
        })
    }

    /// Messages of the room will not reach it.
    pub(super) fn lose(&self, lost: usize) {
        if lost > 0 {
            self.lost.fetch_add(lost as u64, Ordering::Relaxed);
            self.lagged.notify_waiters();
        }
    }
}

impl<T: Send + Sync + 'static> Leave for Seat<T> {
    fn leave(&self) {
        self.room.leave(self);
    }
}

impl<T: Send + Sync + 'static> Membership<T> {
    pub(super) fn new(seat: Arc<Seat<T>>) -> Self {
        Self { seat }
    }

    /// The room's key.
    pub fn room(&self) -> &str {
        self.seat.room.key()
    }

    /// The socket.
    pub fn id(&self) -> SocketId {
        self.seat.id
    }

    /// What was given when the room was joined.
    pub fn data(&self) -> &T {
        &self.seat.data
    }

    /// Whether the room still has it: the socket has not ended.
    pub fn is_member(&self) -> bool {
        self.seat.at.load(Ordering::Acquire) != NOWHERE
    }

    /// How many of the room's messages it has lost because it was [too slow](super::Lag), from the beginning.
    pub fn lost(&self) -> u64 {
        self.seat.lost.load(Ordering::Relaxed)
    }

    /// Waits until messages of the room are lost; returns how many since it last did.
    ///
    /// For a closure that tells its peer: `select!` it beside [`recv`](crate::websocket::WebSocket::recv). With
    /// [`Lag::Disconnect`](super::Lag::Disconnect) it is never ready.
    ///
    /// # Cancel safety
    /// None is left out if the future is dropped.
    pub async fn lagged(&self) -> u64 {
        loop {
            let lagged = self.seat.lagged.notified();
            let lost = self.lost();
            let told = self.seat.told.swap(lost, Ordering::Relaxed);
            if lost > told {
                return lost - told;
            }
            lagged.await;
        }
    }
}

impl<T: Send + Sync + 'static> Drop for Membership<T> {
    fn drop(&mut self) {
        self.seat.leave();
    }
}

impl<T: Send + Sync + 'static> Member<T> {
    pub(super) fn new(seat: Arc<Seat<T>>) -> Self {
        Self { seat }
    }

    /// The room's key.
    pub fn room(&self) -> &str {
        self.seat.room.key()
    }

    /// The socket.
    pub fn id(&self) -> SocketId {
        self.seat.id
    }

    /// What was given when the room was joined.
    pub fn data(&self) -> &T {
        &self.seat.data
    }
}

impl<T: Send + Sync + 'static> Clone for Member<T> {
    fn clone(&self) -> Self {
        Self::new(self.seat.clone())
    }
}

impl<T: Send + Sync + fmt::Debug + 'static> fmt::Debug for Membership<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("room", &self.room())
            .field("id", &self.id())
            .field("data", self.data())
            .finish_non_exhaustive()
    }
}

impl<T: Send + Sync + fmt::Debug + 'static> fmt::Debug for Member<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("room", &self.room())
            .field("id", &self.id())
            .field("data", self.data())
            .finish()
    }
}
