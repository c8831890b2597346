//! One room: its members, and the one order in which they get what is sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};

use tokio::sync::oneshot;
use tokio::time::Instant;
use tungstenite::Message;

use super::history::{Log, News};
use super::member::{NOWHERE, Seat};
use super::relay::Envelope;
use super::shared::Shared;
use super::{Event, Member, Position};
use crate::websocket::SocketId;
use crate::websocket::link::Link;
use crate::websocket::link::rooms::{Leave, Share, Shared as Shares};
use crate::websocket::protocol::SharedFrame;
use crate::websocket::sync::{Mutex, MutexGuard, Notify};

pub(super) struct Room<T: Send + Sync + 'static> {
    key: Arc<str>,
    /// Tells its frames apart from others in an outbox.
    id: u64,
    hub: Weak<Shared<T>>,
    state: Mutex<State<T>>,
    /// What came before it is known, as far as it ever will be.
    pub(super) ready: Notify,
}

pub(super) struct State<T: Send + Sync + 'static> {
    members: Vec<Place<T>>,
    log: Log,
    /// It has ended: the hub has another one of this key, or none.
    pub(super) gone: bool,
    /// It is among those that may end.
    pub(super) fading: bool,
    /// When something last happened in it.
    pub(super) active: Instant,
    /// The relay has told what came before, or there is nothing to tell.
    pub(super) ready: bool,
}

struct Place<T: Send + Sync + 'static> {
    link: Arc<Link>,
    seat: Arc<Seat<T>>,
}

/// How a message is to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) except: Option<SocketId>,
    pub(super) compressible: bool,
}

/// What has become of a message.
#[derive(Default)]
pub(super) struct Sent {
    /// In how many outboxes it is.
    pub(super) reached: usize,
    /// Whether the relay will get it, if there is one.
    pub(super) relayed: Option<bool>,
}

/// A member that comes back.
pub(super) struct Since<'a> {
    pub(super) positions: &'a [Position],
    pub(super) replayed: usize,
    pub(super) complete: bool,
    pub(super) now: Vec<Position>,
}

impl<T: Send + Sync + 'static> Room<T> {
    pub(super) fn new(key: Arc<str>, hub: Weak<Shared<T>>, epoch: u64, ready: bool) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            key,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            hub,
            state: Mutex::new(State {
                members: Vec::new(),
                log: Log::new(epoch),
                gone: false,
                fading: false,
                active: Instant::now(),
                ready,
            }),
            ready: Notify::new(),
        }
    }

    pub(super) fn key(&self) -> &Arc<str> {
        &self.key
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A user's code runs under this lock only before anything is changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a member, after what it has missed.
    pub(super) fn join(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State<T>>,
        hub: &Shared<T>,
        link: &Arc<Link>,
        data: T,
        since: Option<&mut Since<'_>>,
    ) -> Arc<Seat<T>> {
        let seat = Seat::new(self.clone(), link.id(), data);
        if let Some(since) = since {
            state.replay(hub, link, since);
        }
        if link.is_closed() {
            if state.members.is_empty() {
                hub.emptied(self, state);
            }
            return seat;
        }
        if state.members.is_empty() && hub.history().is_none() {
            hub.interest(&self.key, true);
        }
        seat.at.store(state.members.len(), Ordering::Release);
        state.members.push(Place {
            link: link.clone(),
            seat: seat.clone(),
        });
        hub.tell(|| Event::Joined(Member::new(seat.clone())));
        drop(state);
        link.attach(seat.clone());
        // It may have ended before it could have told us.
        if link.is_closed() {
            seat.leave();
        }
        seat
    }

    pub(super) fn leave(self: &Arc<Self>, seat: &Seat<T>) {
        let mut state = self.lock();
        let at = seat.at.swap(NOWHERE, Ordering::AcqRel);
        if at == NOWHERE {
            return;
        }
        let Place { link, seat } = state.members.swap_remove(at);
        if let Some(moved) = state.members.get(at) {
            moved.seat.at.store(at, Ordering::Release);
        }
        if state.members.capacity() > 4 * state.members.len() {
            let length = 2 * state.members.len();
            state.members.shrink_to(length);
        }
        let hub = self.hub.upgrade();
        if let Some(hub) = &hub {
            hub.tell(|| Event::Left(Member::new(seat.clone())));
            if state.members.is_empty() {
                hub.emptied(self, state);
            } else {
                drop(state);
            }
        } else {
            drop(state);
        }
        link.detach(Arc::as_ptr(&seat).cast());
    }

    /// Sends a message that arises here.
    pub(super) fn send(
        &self,
        mut state: MutexGuard<'_, State<T>>,
        hub: &Shared<T>,
        message: impl FnOnce(Position) -> Message,
        Terms { except, compressible }: Terms,
        receipt: Option<oneshot::Sender<()>>,
    ) -> Sent {
        let position = state.log.next();
        let message = message(position);
        let Some(share) = self.share(hub, &message, compressible) else {
            return Sent::default();
        };
        state.log.hear(position);
        state.keep(hub, position, &share, false);
        // Under the lock, so that it has the order of the room.
        let relayed = hub
            .relay()
            .map(|relay| relay.publish(&self.key, position, &share.frame, receipt));
        let reached = deliver(state, hub, &share, except);
        Sent { reached, relayed }
    }

    /// Sends a message that has arisen in another process.
    pub(super) fn relayed(&self, hub: &Shared<T>, envelope: &Envelope, replayed: bool) {
        let position = envelope.position;
        let mut state = self.lock();
        if state.gone || (replayed && state.ready) {
            return;
        }
        let news = state.log.hear(position);
        if news == News::Old {
            return;
        }
        let Some(share) = self.share(hub, &envelope.message, envelope.compressible) else {
            return;
        };
        state.keep(hub, position, &share, replayed);
        if let News::Gap(missed) = news {
            hub.tell(|| Event::Gap {
                room: Some(self.key.clone()),
                missed: Some(missed),
            });
        }
        if !replayed {
            deliver(state, hub, &share, None);
        }
    }

    fn share(&self, hub: &Shared<T>, message: &Message, compressible: bool) -> Option<Arc<Share>> {
        let share = Share {
            frame: SharedFrame::new(message, compressible)?,
            room: self.id,
            key: hub.lag().key(message),
        };
        Some(Arc::new(share))
    }

    pub(super) fn members(&self) -> Vec<Member<T>> {
        let state = self.lock();
        state
            .members
            .iter()
            .map(|place| Member::new(place.seat.clone()))
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().members.len()
    }
}

fn deliver<T: Send + Sync>(
    mut state: MutexGuard<'_, State<T>>,
    hub: &Shared<T>,
    share: &Arc<Share>,
    except: Option<SocketId>,
) -> usize {
    let overflow = hub.lag().overflow();
    let mut reached = 0;
    let mut laggards = Vec::new();
    for Place { link, seat } in &state.members {
        if except.is_some_and(|id| id == link.id()) {
            continue;
        }
        match link.share(share, overflow) {
            Shares::Taken { lost } => {
                reached += 1;
                seat.lose(lost);
            }
            Shares::Refused { lost } => seat.lose(lost),
            Shares::Full => laggards.push(link.clone()),
            Shares::Closed => {}
        }
    }
    state.active = Instant::now();
    drop(state);
    // Not under the lock: they leave the room at once.
    for laggard in laggards {
        laggard.disconnect("too slow");
    }
    reached
}

impl<T: Send + Sync + 'static> State<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn keep(&mut self, hub: &Shared<T>, position: Position, share: &Arc<Share>, replayed: bool) {
        match hub.history() {
            Some(history) => self.log.keep(position, share, replayed, history),
            None => self.log.skip(position),
        }
    }

    /// Whether there is nothing to keep it for, without members.
    pub(super) fn is_forgotten(&mut self, hub: &Shared<T>) -> bool {
        if let Some(history) = hub.history() {
            self.log.forget(history);
        }
        self.log.is_empty() && self.active.elapsed() >= hub.fade()
    }

    fn replay(&mut self, hub: &Shared<T>, link: &Link, since: &mut Since<'_>) {
        if let Some(history) = hub.history() {
            self.log.forget(history);
        }
        let (missed, complete) = self.log.since(since.positions, hub.has_relay());
        let mut offered = 0;
        let shares = missed.map(|kept| {
            offered += 1;
            &kept.share
        });
        since.replayed = link.replay(shares);
        since.complete = complete && self.ready && since.replayed == offered;
        since.now = self.log.positions();
    }
}
