use std::{fmt, io};

use tungstenite::protocol::CloseFrame;

use super::CloseCode;
use super::outcome::internal_error;
use super::protocol::{Unsendable, Violation};

/// What went wrong with a socket.
///
/// After an error from reading the socket is at its end: the next item is `None`. `examples/echo.rs` is a whole
/// server.
pub struct Error(Box<Kind>);

#[derive(Debug)]
enum Kind {
    Violation(Violation),
    Abnormal(io::Error),
    Unsendable(Unsendable),
    Close(CloseFrame),
}

impl Error {
    /// An error that closes the socket with this code and reason when a handler returns it.
    ///
    /// The handler's error type may wrap it: it is looked for along the chain of sources. A code that must not be sent
    /// (RFC 6455 §7.4) becomes 1011.
    ///
    /// ```
    /// use upsock::ws::{CloseCode, Error, WebSocket};
    ///
    /// async fn handler(mut socket: WebSocket) -> Result<(), Error> {
    ///     match socket.recv().await {
    ///         Some(Ok(message)) if message.is_text() => socket.send(message).await,
    ///         _ => Err(Error::close(CloseCode::Policy, "a text, please")),
    ///     }
    /// }
    /// ```
    pub fn close(code: CloseCode, reason: impl Into<String>) -> Self {
        let reason: String = reason.into();
        let reason = reason.into();
        Self(Box::new(Kind::Close(CloseFrame { code, reason })))
    }

    pub(crate) fn internal() -> Self {
        Self(Box::new(Kind::Close(internal_error())))
    }

    pub(crate) fn closed() -> Self {
        Unsendable::Closed.into()
    }

    /// The socket is closed, or closing: nothing more can be sent.
    pub fn is_closed(&self) -> bool {
        matches!(*self.0, Kind::Unsendable(Unsendable::Closed))
    }

    /// The connection ended without a closing handshake: the peer vanished, or did not answer in time (what browsers
    /// report as 1006).
    pub fn is_abnormal(&self) -> bool {
        matches!(*self.0, Kind::Abnormal(_))
    }

    /// The peer broke the protocol (Close 1002).
    pub fn is_protocol(&self) -> bool {
        matches!(*self.0, Kind::Violation(violation) if violation.close_code() == CloseCode::Protocol)
    }

    /// The peer sent a text that is not UTF-8 (Close 1007).
    pub fn is_utf8(&self) -> bool {
        matches!(*self.0, Kind::Violation(Violation::Utf8))
    }

    /// The peer sent more than [`Config`](super::Config) allows (Close 1009, or 1008 for too many fragments).
    pub fn is_limit(&self) -> bool {
        matches!(
            *self.0,
            Kind::Violation(violation) if matches!(violation.close_code(), CloseCode::Size | CloseCode::Policy)
        )
    }

    /// The message cannot be sent as it is: a ping or pong of more than 125 bytes, a close code that must not be sent,
    /// or a raw `Message::Frame`. The socket stays open.
    pub fn is_unsendable(&self) -> bool {
        matches!(*self.0, Kind::Unsendable(why) if why != Unsendable::Closed)
    }

    /// The code of the Close frame that this error has sent, or sends if the handler returns it.
    pub fn close_code(&self) -> Option<CloseCode> {
        match &*self.0 {
            Kind::Violation(violation) => Some(violation.close_code()),
            Kind::Close(frame) => Some(frame.code),
            _ => None,
        }
    }

    pub(crate) fn close_frame(&self) -> Option<&CloseFrame> {
        match &*self.0 {
            Kind::Close(frame) => Some(frame),
            _ => None,
        }
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self(Box::new(Kind::Violation(violation)))
    }
}

impl From<Unsendable> for Error {
    fn from(why: Unsendable) -> Self {
        Self(Box::new(Kind::Unsendable(why)))
    }
}

/// The connection has failed.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self(Box::new(Kind::Abnormal(error)))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&self.0).finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Violation(violation) => write!(f, "closed with {}: {violation}", violation.close_code()),
            Kind::Abnormal(error) => write!(f, "connection lost: {error}"),
            Kind::Unsendable(Unsendable::Closed) => f.write_str("the socket is closed"),
            Kind::Unsendable(Unsendable::LongControl) => {
                f.write_str("the payload of a ping or pong must not be longer than 125 bytes")
            }
            Kind::Unsendable(Unsendable::CloseCode) => f.write_str("a close frame must not carry this code"),
            Kind::Unsendable(Unsendable::RawFrame) => f.write_str("raw frames cannot be sent"),
            Kind::Close(frame) => write!(f, "closing with {}: {}", frame.code, frame.reason),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            Kind::Abnormal(error) => Some(error),
            _ => None,
        }
    }
}
