use std::time::Duration;

#[cfg(feature = "deflate")]
use super::Compression;
use super::KeepAlive;
use super::protocol::Limits;

/// What a socket may cost, and how long it may take.
///
/// A plain value with chained setters, given to [`Upgrade::configure`](super::Upgrade::configure) or
/// [`WebSocket::from_io`](super::WebSocket::from_io):
///
/// ```
/// # use upsock::ws;
/// # let closure = |socket: ws::WebSocket| async move {};
/// ws::upgrade(closure).configure(|config| config.max_message(64 * 1024))
/// # ;
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) max_message: usize,
    pub(crate) max_frame: usize,
    pub(crate) max_fragments: usize,
    pub(crate) max_control_frames: usize,
    pub(crate) high_water_mark: usize,
    pub(crate) outbox_bytes: usize,
    pub(crate) outbox_messages: usize,
    pub(crate) flush: Flush,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) write_deadline: Duration,
    pub(crate) message_deadline: Duration,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) close_timeout: Duration,
    pub(crate) linger: Duration,
    #[cfg(feature = "deflate")]
    pub(crate) compression: Compression,
}

/// When messages are written, and what a `send` that is ready says of that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flush {
    /// When the closure waits, for whatever: all that it has sent by then leaves in one write.
    ///
    /// [`send`](super::WebSocket::send) and flushing are ready as soon as the message is queued below the
    /// [high-water mark](Config::high_water_mark). Nothing lies unsent while the closure waits for something else.
    /// [`close`](super::WebSocket::close) waits until everything is written.
    #[default]
    Deferred,
    /// Each message by itself.
    ///
    /// [`send`](super::WebSocket::send) and flushing are ready when the message has been handed to the transport. It
    /// costs one system call for each message; it is for those who measure, or pace, single messages.
    Each,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message: 1 << 20,
            max_frame: 1 << 20,
            max_fragments: 4096,
            max_control_frames: 1024,
            high_water_mark: 64 * 1024,
            outbox_bytes: 1 << 20,
            outbox_messages: 1024,
            flush: Flush::Deferred,
            keep_alive: KeepAlive::default(),
            write_deadline: Duration::from_secs(10),
            message_deadline: Duration::from_secs(60),
            max_lifetime: None,
            close_timeout: Duration::from_secs(5),
            linger: Duration::from_secs(2),
            #[cfg(feature = "deflate")]
            compression: Compression::off(),
        }
    }
}

impl Config {
    /// All settings at their defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The longest message that is accepted, in bytes, all its fragments together.
    ///
    /// A longer one ends the socket with Close 1009, as soon as a header declares it. Default: 1 MiB. It is what a
    /// stranger can make the server hold for each socket.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// The longest frame that is accepted, in bytes.
    ///
    /// A longer one ends the socket with Close 1009. Default: 1 MiB. Clients choose their frames themselves, so a value
    /// below [`max_message`](Self::max_message) also refuses messages that come in one piece.
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    /// Of how many fragments a message may consist.
    ///
    /// More end the socket with Close 1008. Default: 4,096; browsers send one to a few.
    pub fn max_fragments(mut self, count: usize) -> Self {
        self.max_fragments = count;
        self
    }

    /// From how many unsent bytes on [`send`](super::WebSocket::send) waits.
    ///
    /// The memory that a peer that does not read can hold is this and one message. Default: 64 KiB: a burst fits, a
    /// stalled peer costs little. At least 1.
    pub fn high_water_mark(mut self, bytes: usize) -> Self {
        self.high_water_mark = bytes.max(1);
        self
    }

    /// How many control frames and empty fragments may come in a quarter of a second without any data.
    ///
    /// More end the socket with Close 1008. Default: 1,024. Each is cheap to send, and costs its answer.
    pub fn max_control_frames(mut self, count: usize) -> Self {
        self.max_control_frames = count;
        self
    }

    /// How much may wait for the session in the outbox that all [senders](super::Sender) of a socket share.
    ///
    /// Beyond it a sender waits, or is told that it is full. An empty outbox takes a message of any length. Default: 1 MiB
    /// and 1,024 messages. It adds to the [high-water mark](Self::high_water_mark).
    pub fn outbox(mut self, bytes: usize, messages: usize) -> Self {
        self.outbox_bytes = bytes;
        self.outbox_messages = messages;
        self
    }

    /// When messages are written. Default: [`Flush::Deferred`].
    pub fn flush(mut self, flush: Flush) -> Self {
        self.flush = flush;
        self
    }

    /// How a peer that is gone is noticed. Default: a ping after 25 s of silence, gone after 20 s more.
    pub fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// How long a peer may read nothing of what is to be written to it.
    ///
    /// After it the connection is over. Each byte that the transport takes begins it anew. It also bounds the time from
    /// the `101` until the server hands over the connection. Default: 10 s; kept to half a second.
    pub fn write_deadline(mut self, deadline: Duration) -> Self {
        self.write_deadline = deadline;
        self
    }

    /// How long a message may take, from its first byte to its last.
    ///
    /// After it the socket ends with Close 1008: an unfinished message holds memory. Default: 60 s, in which a message
    /// of 1 MiB needs 17 KiB a second; kept to half a second.
    pub fn message_deadline(mut self, deadline: Duration) -> Self {
        self.message_deadline = deadline;
        self
    }

    /// How long the socket may be open, whatever goes over it.
    ///
    /// After it the socket ends with Close 1001, and its client connects anew. Default: for ever (`None`).
    pub fn max_lifetime(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.max_lifetime = lifetime.into();
        self
    }

    /// How long a closing handshake may take, from the last byte of ours that the transport took to the peer's Close
    /// frame (RFC 6455 §7.1.1).
    ///
    /// After it the connection is dropped. Default: 5 s.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// How long the connection is kept for the peer to end it after the last byte.
    ///
    /// Dropped at once, with input unread, the kernel would reset it, and the peer would lose the Close frame.
    /// Default: 2 s.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// Whether and how messages are compressed. Default: [`Compression::off`]. Feature `deflate`.
    ///
    /// It is agreed on in the handshake: a socket made by [`WebSocket::from_io`](super::WebSocket::from_io) has none.
    #[cfg(feature = "deflate")]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            message: self.max_message,
            frame: self.max_frame,
            fragments: u32::try_from(self.max_fragments).unwrap_or(u32::MAX),
            controls: u32::try_from(self.max_control_frames).unwrap_or(u32::MAX),
        }
    }
}
