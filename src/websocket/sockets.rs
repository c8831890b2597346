use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::yield_now;
use tokio::time::timeout;
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;

use super::registry::Registry;
use super::{CloseCode, Config, Rejection, Sender, Stats, WebSocket};

/// How many sockets are told to close, or dropped, before other tasks have their turn.
const BATCH: usize = 64;

/// All open sockets of a layer: to count them, to reach them, and to shut them down.
///
/// Made by [`UpgradeLayer::sockets`](crate::UpgradeLayer::sockets); cloning it is cheap. A socket belongs to it from the
/// moment at which its handshake is accepted until its session has ended, with its closure. `examples/shutdown.rs` is a
/// whole server.
#[derive(Clone, Default)]
pub struct Sockets {
    registry: Arc<Registry>,
}

/// How a [shutdown](Sockets::shutdown) went: each socket that was open counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Sockets that ended by themselves in time.
    pub closed: usize,
    /// Sockets that were still open at the deadline, and were dropped.
    pub aborted: usize,
}

impl Sockets {
    /// A set of its own, for sockets that no layer opens: see [`open`](Self::open).
    pub fn new() -> Self {
        Self::default()
    }

    /// Those that no layer has opened.
    pub(crate) fn outside() -> Self {
        Self {
            registry: Registry::outside().clone(),
        }
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// How many sockets are open.
    pub fn len(&self) -> usize {
        self.registry.len()
    }

    /// Whether no socket is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A sender into each socket that is open now, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Sender> + use<> {
        self.registry.links().into_iter().map(Sender::new)
    }

    /// Counters, from the beginning. It looks at each open socket.
    pub fn stats(&self) -> Stats {
        self.registry.stats()
    }

    /// A WebSocket on a byte stream whose handshake is done: [`WebSocket::from_io`], as one of these sockets.
    ///
    /// # Errors
    /// [`Rejection::ShuttingDown`] and [`Rejection::TooManySockets`]. To refuse before the handshake is answered, call
    /// it first, with a stream that waits for the connection.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without time (`enable_time`).
    pub fn open<T>(&self, io: T, config: Config) -> Result<WebSocket, Rejection>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let member = self.registry.admit(&config)?;
        Ok(WebSocket::open(io, config, member))
    }

    /// Whether [`shutdown`](Self::shutdown) has begun.
    pub fn is_shutting_down(&self) -> bool {
        self.registry.is_closed_to_new()
    }

    /// Closes all sockets with 1001 and waits until they have ended, at most until `deadline` has passed; then drops the
    /// rest, with their closures.
    ///
    /// From its first poll on new handshakes are refused with 503. What was sent before, also by [senders](Sender),
    /// still leaves. A closure sees the end of its stream, and may go on until the deadline. 30 s are usual for it.
    ///
    /// It does not stop the server from accepting connections; do that first, or at the same time.
    ///
    /// # Cancel safety
    /// If the future is dropped, the sockets go on closing, handshakes are still refused, and nothing more is aborted.
    pub fn shutdown(&self, deadline: Duration) -> impl Future<Output = Drained> + Send + use<> {
        shutdown(self.registry.clone(), deadline)
    }
}

async fn shutdown(registry: Arc<Registry>, deadline: Duration) -> Drained {
    registry.close_to_new();
    let links = registry.links();
    let all = links.len();
    let close = async {
        for batch in links.chunks(BATCH) {
            for link in batch {
                // Those that are closing already have their own code.
                let _ = link.send(Message::Close(Some(going_away("server is shutting down"))), false);
            }
            yield_now().await;
        }
        registry.emptied().await;
    };
    if timeout(deadline, close).await.is_ok() {
        return Drained {
            closed: all,
            aborted: 0,
        };
    }
    let rest = registry.links();
    for batch in rest.chunks(BATCH) {
        for link in batch {
            link.abort();
        }
        yield_now().await;
    }
    Drained {
        closed: all - rest.len(),
        aborted: rest.len(),
    }
}

/// Close 1001 (RFC 6455 §7.4.1).
pub(crate) fn going_away(reason: &'static str) -> CloseFrame {
    CloseFrame {
        code: CloseCode::Away,
        reason: reason.into(),
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
