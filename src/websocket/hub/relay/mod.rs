//! Joins the hubs of several processes through an existing message system.

mod backlog;
mod envelope;
mod side;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::oneshot;

use self::backlog::Backlog;
pub(super) use self::envelope::Envelope;
pub(super) use self::side::Side;
use super::History;

/// Joins hubs through a message system: what one process sends to a room, the members in all processes get.
///
/// Without one a hub is by itself. Implement it for another message system; it is one loop that [runs](Self::run) for
/// as long as the hub lives, and works with a [`Port`]. What the hub does itself, and a relay need not care for:
///
/// - Members in the same process get a message at once, whether the relay is there or not.
/// - What is sent while the relay is away waits, within bounds ([`HubBuilder::backlog`](super::HubBuilder::backlog)).
/// - A message carries its [`Position`](super::Position), by which the hub knows its own echo, a message that comes
///   twice, and a gap.
///
/// What a relay has to keep: the messages of one process in one topic come in their order. A message that comes after a
/// later one is dropped, and was told as a [gap](super::Event::Gap).
///
/// ```
/// use tokio::sync::broadcast;
/// use upsock::ws::hub::{Command, Port, Relay};
///
/// /// Hubs in one process; a real one connects, and does so again when it has to.
/// struct Local(broadcast::Sender<(String, bytes::Bytes)>);
///
/// impl Relay for Local {
///     async fn run(self, port: Port) {
///         let mut heard = self.0.subscribe();
///         port.topics(); // To subscribe to all of them, if there were something to do for that.
///         port.up();
///         loop {
///             tokio::select! {
///                 command = port.next() => match command {
///                     None => return,
///                     Some(Command::Publish(publication)) => {
///                         let _ = self.0.send((publication.topic().to_owned(), publication.payload().clone()));
///                         publication.acknowledge();
///                     }
///                     Some(_) => {} // It hears everything.
///                 },
///                 message = heard.recv() => match message {
///                     // Something else may use the same message system.
///                     Ok((topic, payload)) => drop(port.deliver(&topic, &payload)),
///                     Err(_) => port.gap(None),
///                 },
///             }
///         }
///     }
/// }
/// ```
pub trait Relay: Send + 'static {
    /// Connects the port with the message system, until [`Port::next`] is `None`.
    ///
    /// It is spawned as a task when the hub is built. If it returns earlier, the hub goes on by itself.
    fn run(self, port: Port) -> impl Future<Output = ()> + Send;

    /// Whether the message system keeps messages for those who come later. Default: no.
    ///
    /// If so, and the hub has a [history](super::HubBuilder::history), the relay answers each [`Command::Subscribe`],
    /// and each of the [topics](Port::topics) of a first connection, with what is kept, through [`Port::replay`], and
    /// then [`Port::caught_up`].
    fn keeps_history(&self) -> bool {
        false
    }
}

/// A relay's end of a hub.
#[derive(Debug)]
pub struct Port {
    backlog: Arc<Backlog>,
    rooms: Weak<dyn Rooms>,
    node: u64,
    history: Option<History>,
}

/// What a hub wants of its relay.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Messages of this topic are wanted from now on.
    Subscribe(Arc<str>),
    /// They are not wanted any more; what comes nevertheless does no harm.
    Unsubscribe(Arc<str>),
    /// A message is to be published.
    Publish(Publication),
}

/// A message that is to be published.
#[derive(Debug)]
pub struct Publication {
    topic: Arc<str>,
    payload: Bytes,
    receipt: Option<oneshot::Sender<()>>,
}

/// How a relay is doing: [`Hub::relay_state`](super::Hub::relay_state).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayState {
    /// It has reached its message system.
    pub up: bool,
    /// Messages that wait for it.
    pub waiting: usize,
    /// Messages that other processes will not get, because too many waited already; from the beginning.
    pub refused: u64,
}

/// A message has reached the members in this process, but may not have reached others:
/// [`Hub::publish`](super::Hub::publish).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unrelayed {
    /// Too many messages wait for the relay: it will not get this one.
    Refused,
    /// The relay has given it up: other processes may have got it, or not.
    Unacknowledged,
}

/// What was delivered is not a message of a hub, or of another version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(());

/// What a port needs of its hub, whatever the data of its members.
pub(super) trait Rooms: Send + Sync {
    fn relayed(&self, topic: &str, envelope: &Envelope, replayed: bool);
    fn caught_up(&self, topic: &str);
    fn set_up(&self, up: bool);
    fn gap(&self, topic: Option<&str>);
}

impl fmt::Debug for dyn Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rooms")
    }
}

impl Port {
    /// Waits for what is to be done next: `None` when the hub is gone, and all that it has sent was taken.
    ///
    /// A relay that is not connected does not call it: what is sent then waits in the hub. What was taken is the relay's
    /// to keep, until it is published.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn next(&self) -> Option<Command> {
        self.backlog.next().await
    }

    /// All topics of which messages are wanted now: for a new connection. [`next`](Self::next) then tells changes of
    /// this.
    pub fn topics(&self) -> Vec<Arc<str>> {
        self.backlog.topics()
    }

    /// Whether messages of this topic are wanted now: also before [`next`](Self::next) has told so.
    pub fn wants(&self, topic: &str) -> bool {
        self.backlog.wants(topic)
    }

    /// Waits until the hub is gone: for a relay that is trying to connect.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn closed(&self) {
        loop {
            let closed = self.backlog.closed.notified();
            if self.backlog.is_closed() {
                return;
            }
            closed.await;
        }
    }

    /// A number that is the hub's alone, for the message system to tell processes apart.
    pub fn node(&self) -> u64 {
        self.node
    }

    /// What the hub keeps of the past of each room; `None` if it wants to be told nothing of it.
    pub fn history(&self) -> Option<History> {
        self.history
    }

    /// A message has come; one of this hub's own is passed over.
    ///
    /// # Errors
    /// If it is not a [publication's payload](Publication::payload): something else uses the topic.
    pub fn deliver(&self, topic: &str, payload: &[u8]) -> Result<(), Malformed> {
        let envelope = envelope::open(payload)?;
        if envelope.node != self.node {
            self.with(|rooms| rooms.relayed(topic, &envelope, false));
        }
        Ok(())
    }

    /// A message of the past, for the topic's history and not for its members: the oldest first, before any of the
    /// topic is [delivered](Self::deliver), and before [`caught_up`](Self::caught_up).
    ///
    /// # Errors
    /// If it is not a [publication's payload](Publication::payload): something else uses the topic.
    pub fn replay(&self, topic: &str, payload: &[u8]) -> Result<(), Malformed> {
        let envelope = envelope::open(payload)?;
        self.with(|rooms| rooms.relayed(topic, &envelope, true));
        Ok(())
    }

    /// All of the topic's past is replayed: who [comes back](super::Hub::join_since) to it has been waiting for that.
    pub fn caught_up(&self, topic: &str) {
        self.with(|rooms| rooms.caught_up(topic));
    }

    /// The message system is reached.
    pub fn up(&self) {
        self.set_up(true);
    }

    /// The message system is lost.
    pub fn down(&self) {
        self.set_up(false);
    }

    /// Messages of this topic, or of any, may be lost: the message system says so. The hub itself notices a gap by the
    /// next message.
    pub fn gap(&self, topic: Option<&str>) {
        self.with(|rooms| rooms.gap(topic));
    }

    fn set_up(&self, up: bool) {
        if self.backlog.set_up(up) {
            self.with(|rooms| rooms.set_up(up));
        }
    }

    fn with(&self, f: impl FnOnce(&dyn Rooms)) {
        if let Some(rooms) = self.rooms.upgrade() {
            f(&*rooms);
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.down();
    }
}

impl Publication {
    /// The room's key.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// What other processes are to be given: see [`Port::deliver`].
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The message system has it. A publication that is dropped instead is given up.
    pub fn acknowledge(self) {
        if let Some(receipt) = self.receipt {
            let _ = receipt.send(());
        }
    }
}

impl fmt::Display for Unrelayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "too many messages wait for the relay",
            Self::Unacknowledged => "the relay has given the message up",
        })
    }
}

impl std::error::Error for Unrelayed {}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a message of a hub")
    }
}

impl std::error::Error for Malformed {}
