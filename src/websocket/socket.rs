use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;

use super::link::Link;
use super::protocol::Extensions;
use super::registry::{Member, Registry};
use super::session::Session;
use super::{CloseCode, Config, Error, Flush, Handshake, Sender, lending};
use crate::Io;

/// An open WebSocket: what the closure given to [`upgrade`](super::upgrade()) gets.
///
/// It is a [`Stream`] of messages and a [`Sink`] for messages, so everything of `futures` works on it, `split` and
/// `forward` included; [`recv`](Self::recv), [`send`](Self::send) and [`close`](Self::close) do the same without an
/// import. It may be moved to other tasks, whole or in halves. `examples/echo.rs` is a whole server.
///
/// # Reading
/// Pings are answered by themselves, and delivered. A Close frame is answered by itself and delivered as
/// [`Message::Close`]; after it comes `None`. If the connection fails, or the peer breaks the protocol, there is one
/// `Err`, then `None`.
///
/// While the closure is busy elsewhere the session reads on, until 16 messages or 16 KiB wait (and up to 128 KiB that it
/// has read with them), and answers pings and Close frames. Then the peer has to wait.
///
/// # Writing
/// A message that is sent is queued. The session writes what is queued as soon as the closure waits, for whatever: a
/// burst costs one system call, and nothing lies unsent. Sending waits while the [high-water
/// mark](Config::high_water_mark) is passed: a peer that does not read slows its handler, not the process.
///
/// # Closing
/// When the closure has returned and the socket, with its halves, is dropped, it is closed with 1000. To close it with
/// another code, use [`close`](Self::close) or return an [`Error::close`].
#[must_use = "a socket that is dropped is closed"]
pub struct WebSocket {
    link: Arc<Link>,
    handshake: Option<Handshake>,
    /// Its place among those that the client offers.
    protocol: Option<u16>,
    close_frame: Option<Box<CloseFrame>>,
    flush: Flush,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The last item has been delivered, and was not `None`.
    Last,
    Ended,
}

impl WebSocket {
    pub(crate) fn new(config: &Config, link: Arc<Link>, handshake: Option<Handshake>, protocol: Option<u16>) -> Self {
        Self {
            link,
            handshake,
            protocol,
            close_frame: None,
            flush: config.flush,
            state: State::Open,
        }
    }

    /// A WebSocket on a byte stream whose handshake is done, as the server.
    ///
    /// Bytes that came with the handshake must be the first that `io` gives. A task is spawned that owns `io`; the
    /// socket closes with 1000 when it is dropped.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without time (`enable_time`).
    pub fn from_io<T>(io: T, config: Config) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let member = Registry::admit_outside(&config);
        Self::open(io, config, member)
    }

    pub(crate) fn open<T>(io: T, config: Config, member: Member) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let link = Arc::clone(&member);
        let session = Session::new(Io::new(io), &config, &Extensions::default(), member, Ok(None));
        tokio::spawn(session);
        Self::new(&config, link, None, None)
    }

    /// Receives the next message: `None` at the end.
    ///
    /// # Errors
    /// If the connection fails or the peer breaks the protocol: the last item.
    ///
    /// # Cancel safety
    /// No message is lost if the future is dropped.
    pub fn recv(&mut self) -> impl Future<Output = Option<Result<Message, Error>>> + Send {
        poll_fn(|cx| self.poll_recv(cx))
    }

    /// Sends a message: waits for room below the [high-water mark](Config::high_water_mark), then queues it.
    ///
    /// What it means that the future is ready is a matter of [`Flush`].
    ///
    /// # Errors
    /// [`Error::is_closed`] if the socket is closed or closing; [`Error::is_unsendable`] if the message cannot be sent.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the message is not sent; with [`Flush::Each`] it may have been.
    // No `async fn`, which would hold the message twice.
    pub fn send(&mut self, message: Message) -> impl Future<Output = Result<(), Error>> + Send {
        self.send_as(message, true)
    }

    /// [`send`](Self::send)s a message without compressing it. Feature `deflate`.
    ///
    /// For messages in which a secret lies beside something that an attacker can choose: the length of a compressed
    /// message tells about what is in it (BREACH). Nor do messages after it refer to it.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    ///
    /// # Cancel safety
    /// That of [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub fn send_uncompressed(&mut self, message: Message) -> impl Future<Output = Result<(), Error>> + Send {
        self.send_as(message, false)
    }

    fn send_as(&mut self, message: Message, compressible: bool) -> impl Future<Output = Result<(), Error>> + Send {
        let mut message = Some(message);
        poll_fn(move |cx| {
            if message.is_some() {
                ready!(self.poll_room(cx))?;
            }
            if let Some(message) = message.take() {
                self.queue(message, compressible)?;
            }
            if self.flush == Flush::Each {
                ready!(self.poll_written(cx));
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Closes the socket with this code and reason, and waits until all that was sent before, and this, is written.
    ///
    /// It does not wait for the peer's answer: the session does, up to [`Config::close_timeout`], also if the socket is
    /// dropped. To wait for it here, [`recv`](Self::recv) until `None`.
    /// A reason is cut to 123 bytes. What the peer sent before its Close frame can still be received.
    ///
    /// # Errors
    /// [`Error::is_closed`] if the socket is closed or closing already; [`Error::is_unsendable`] for a code that must
    /// not be sent (RFC 6455 §7.4).
    ///
    /// # Cancel safety
    /// Once polled, the socket closes, also if the future is dropped.
    pub async fn close(&mut self, code: CloseCode, reason: impl Into<String>) -> Result<(), Error> {
        let reason: String = reason.into();
        self.queue(
            Message::Close(Some(CloseFrame {
                code,
                reason: reason.into(),
            })),
            true,
        )?;
        poll_fn(|cx| self.poll_written(cx)).await;
        Ok(())
    }

    /// A handle that sends into this socket from anywhere.
    pub fn sender(&self) -> Sender {
        Sender::new(self.link.clone())
    }

    /// The handshake that opened the socket; `None` if it was made by [`from_io`](Self::from_io).
    pub fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()
    }

    /// The subprotocol that was agreed on ([`Upgrade::protocols`](super::Upgrade::protocols)).
    pub fn protocol(&self) -> Option<&str> {
        self.handshake.as_ref()?.protocol_at(self.protocol)
    }

    /// The Close frame that was received: after [`Message::Close`] has been delivered, if it carried a code.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.close_frame.as_deref()
    }

    #[cfg(feature = "tokio-tungstenite")]
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    #[inline]
    fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        if self.state != State::Open {
            self.state = State::Ended;
            return Poll::Ready(None);
        }
        let item = match lending::with(&self.link, |connection| connection.poll_next(cx)) {
            Some(item) => ready!(item),
            None => ready!(self.link.poll_next(cx)),
        };
        match &item {
            Some(Ok(Message::Close(frame))) => {
                self.close_frame = frame.clone().map(Box::new);
                self.state = State::Last;
            }
            Some(Ok(_)) => {}
            Some(Err(_)) => self.state = State::Last,
            None => self.state = State::Ended,
        }
        Poll::Ready(item)
    }

    #[inline]
    fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        lending::with(&self.link, |connection| connection.poll_ready(cx)).unwrap_or_else(|| self.link.poll_ready(cx))
    }

    #[inline]
    fn queue(&self, message: Message, compressible: bool) -> Result<(), Error> {
        let mut message = Some(message);
        let lent = lending::with(&self.link, |connection| {
            message
                .take()
                .map_or(Ok(()), |message| connection.send(message, compressible))
        });
        match (lent, message) {
            (Some(result), _) => result?,
            (None, Some(message)) => self.link.send(message, compressible)?,
            (None, None) => {}
        }
        Ok(())
    }

    fn poll_written(&self, cx: &Context<'_>) -> Poll<()> {
        lending::with(&self.link, |connection| connection.poll_written(cx))
            .unwrap_or_else(|| self.link.poll_written(cx))
    }
}

impl Stream for WebSocket {
    type Item = Result<Message, Error>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx)
    }
}

impl FusedStream for WebSocket {
    fn is_terminated(&self) -> bool {
        self.state == State::Ended
    }
}

/// When flushing is ready is a matter of [`Flush`]. Closing is strict: it is ready when everything is written.
impl Sink<Message> for WebSocket {
    type Error = Error;

    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_room(cx)
    }

    #[inline]
    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.queue(message, true)
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.flush == Flush::Each {
            return self.poll_written(cx).map(Ok);
        }
        match self.poll_room(cx) {
            Poll::Ready(Err(error)) if error.is_closed() => Poll::Ready(Ok(())),
            other => other,
        }
    }

    /// Closes with 1000, unless the socket is closing already.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        match self.queue(Message::Close(Some(frame)), true) {
            Err(error) if !error.is_closed() => return Poll::Ready(Err(error)),
            _ => {}
        }
        self.poll_written(cx).map(Ok)
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        self.link.drop_handle();
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("protocol", &self.protocol())
            .field("handshake", &self.handshake)
            .finish_non_exhaustive()
    }
}
