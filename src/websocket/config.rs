use std::time::Duration;

#[cfg(feature = "deflate")]
use super::Compression;
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
    pub(crate) high_water_mark: usize,
    pub(crate) flush: Flush,
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
            high_water_mark: 64 * 1024,
            flush: Flush::Deferred,
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

    /// When messages are written. Default: [`Flush::Deferred`].
    pub fn flush(mut self, flush: Flush) -> Self {
        self.flush = flush;
        self
    }

    /// How long a closing handshake may take, from our Close frame to the peer's (RFC 6455 §7.1.1).
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
            fragments: self.max_fragments,
        }
    }
}
