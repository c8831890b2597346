use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tungstenite::Message;
use tungstenite::protocol::CloseFrame;

use super::link::{Link, Refused};
use super::protocol::Unsendable;
use super::{CloseCode, Error};

/// Sends into one socket, from any task or thread; made by [`WebSocket::sender`](super::WebSocket::sender).
///
/// What is sent waits in the socket's outbox, which [`Config::outbox`](super::Config::outbox) bounds, until the session
/// has room for it. Messages of one sender arrive in their order; pings and pongs go ahead of data. The session is woken
/// once for all that has come by then, and writes it at once.
///
/// A sender does not keep the socket open: after the closure has returned and the socket is dropped, it is closed. But
/// what a sender has accepted by then leaves before the Close frame, unless the connection fails.
///
/// `examples/chat` is a whole server.
#[derive(Clone)]
pub struct Sender {
    link: Arc<Link>,
}

/// Tells sockets apart: different for each socket of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(u64);

/// Why a [`Sender`] has not taken a message, which it gives back.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrySendError {
    /// The outbox is full: the peer reads more slowly than others send.
    Full(Message),
    /// The socket is closed, or closing.
    Closed(Message),
    /// The message cannot be sent as it is: see [`Error::is_unsendable`].
    Unsendable(Message),
}

impl Sender {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    #[cfg(feature = "hub")]
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Sends a message: waits for room in the outbox, then leaves it there.
    ///
    /// # Errors
    /// [`Error::is_closed`] if the socket is closed or closing; [`Error::is_unsendable`] if the message cannot be sent.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is not sent.
    pub async fn send(&self, message: Message) -> Result<(), Error> {
        self.send_as(message, true).await
    }

    /// [`send`](Self::send)s a message without compressing it: see
    /// [`WebSocket::send_uncompressed`](super::WebSocket::send_uncompressed). Feature `deflate`.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    ///
    /// # Cancel safety
    /// That of [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub async fn send_uncompressed(&self, message: Message) -> Result<(), Error> {
        self.send_as(message, false).await
    }

    async fn send_as(&self, mut message: Message, compressible: bool) -> Result<(), Error> {
        loop {
            // First, so that no room is made unheard.
            let room = self.link.waiting().room.notified();
            match self.link.offer(message, compressible) {
                Ok(()) => return Ok(()),
                Err((Refused::Unsendable(why), _)) => return Err(why.into()),
                Err((Refused::Full, refused)) => message = refused,
            }
            room.await;
        }
    }

    /// Sends a message if there is room in the outbox now.
    ///
    /// # Errors
    /// They give the message back.
    pub fn try_send(&self, message: Message) -> Result<(), TrySendError> {
        self.link.offer(message, true).map_err(|(why, message)| match why {
            Refused::Full => TrySendError::Full(message),
            Refused::Unsendable(Unsendable::Closed) => TrySendError::Closed(message),
            Refused::Unsendable(_) => TrySendError::Unsendable(message),
        })
    }

    /// Closes the socket with this code and reason, after what was sent before. A reason is cut to 123 bytes.
    ///
    /// It waits for nothing: see [`closed`](Self::closed).
    ///
    /// # Errors
    /// [`Error::is_closed`] if the socket is closed or closing already; [`Error::is_unsendable`] for a code that must
    /// not be sent (RFC 6455 §7.4).
    pub fn close(&self, code: CloseCode, reason: impl Into<String>) -> Result<(), Error> {
        let reason: String = reason.into();
        let reason = reason.into();
        Ok(self
            .link
            .send(Message::Close(Some(CloseFrame { code, reason })), false)?)
    }

    /// Waits until nothing can be sent any more: the socket is closed, or closing.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn closed(&self) {
        loop {
            let closed = self.link.waiting().closed.notified();
            if self.is_closed() {
                return;
            }
            closed.await;
        }
    }

    /// Whether the socket is closed, or closing.
    pub fn is_closed(&self) -> bool {
        self.link.is_closed()
    }

    /// Tells the socket apart from all others.
    pub fn id(&self) -> SocketId {
        self.link.id()
    }

    /// How long the peer took to answer the last ping of the [keep-alive](super::KeepAlive), with what lay unsent before
    /// it; `None` before the first answer.
    pub fn round_trip(&self) -> Option<Duration> {
        self.link.round_trip()
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl SocketId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TrySendError {
    /// The message that was not sent.
    pub fn into_message(self) -> Message {
        match self {
            Self::Full(message) | Self::Closed(message) | Self::Unsendable(message) => message,
        }
    }
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the socket's outbox is full",
            Self::Closed(_) => "the socket is closed",
            Self::Unsendable(_) => "the message cannot be sent as it is",
        })
    }
}

impl std::error::Error for TrySendError {}
