/// Whether and how messages are compressed: permessage-deflate (RFC 7692). Feature `deflate`.
///
/// A plain value with chained setters, given to [`Config::compression`](super::Config::compression):
///
/// ```
/// # use upsock::ws::{self, Compression};
/// # let closure = |socket: ws::WebSocket| async move {};
/// ws::upgrade(closure).configure(|config| config.compression(Compression::on().level(3)))
/// # ;
/// ```
///
/// It is used on sockets whose client offers it, as browsers do. The closure sees no difference.
///
/// # Memory
/// Without context takeover, the default, an idle socket holds nothing. A message borrows one of its thread's contexts
/// while it passes: 48 KiB to inflate, 370 KiB to compress. A thread keeps up to four of each. A message that
/// arrives in pieces holds its context until it is complete.
///
/// # Compressed messages from strangers
/// All limits hold for what a message becomes, while it is inflated: [`max_message`](super::Config::max_message) to the
/// byte, and UTF-8 at its first impossible byte. So a socket can be made to hold that limit, half of it again for the
/// moment in which the message grows, and a context. What is broken, or cut off, ends the socket with Close 1002.
///
/// On the wire a message may be an eighth (and 64 bytes) longer than its limit, because data that cannot be compressed
/// grows; that also bounds how many blocks it can have which hold nothing. A byte can become at most 1,032:
/// see [`max_ratio`](Self::max_ratio).
///
/// # Secrets
/// Where a secret and something that an attacker chooses are compressed together, the length of the result tells about
/// the secret (BREACH). Send such messages with [`WebSocket::send_uncompressed`](super::WebSocket::send_uncompressed),
/// and keep [`server_context_takeover`](Self::server_context_takeover) off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    pub(crate) enabled: bool,
    pub(crate) level: u8,
    pub(crate) threshold: usize,
    pub(crate) server_context_takeover: bool,
    pub(crate) client_context_takeover: bool,
    pub(crate) server_max_window_bits: u8,
    pub(crate) client_max_window_bits: u8,
    pub(crate) max_ratio: Option<u32>,
}

/// [`Compression::off`].
impl Default for Compression {
    fn default() -> Self {
        Self::off()
    }
}

impl Compression {
    /// No message is compressed, whatever the client offers: the default. The setters change nothing about that.
    pub fn off() -> Self {
        Self {
            enabled: false,
            level: 6,
            threshold: 512,
            server_context_takeover: false,
            client_context_takeover: false,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
            max_ratio: None,
        }
    }

    /// Messages are compressed in both directions, if the client offers it.
    pub fn on() -> Self {
        Self {
            enabled: true,
            ..Self::off()
        }
    }

    /// How much time to spend on a smaller result: from 1, the fastest, to 9. Default: 6.
    ///
    /// A message is compressed in one go, by the thread that sends it: 1 MiB of JSON keeps that from its other sockets for
    /// some 15 ms at level 6, and 4 ms at level 1.
    pub fn level(mut self, level: u8) -> Self {
        self.level = level.clamp(1, 9);
        self
    }

    /// Messages below this many bytes are sent as they are. Default: 512.
    ///
    /// Each message that is compressed costs some microseconds, and small ones hardly shrink.
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Whether a message that is sent may refer to those before it. Default: no.
    ///
    /// Similar small messages become much smaller by it, if [`threshold`](Self::threshold) lets them be compressed. It
    /// costs some 270 KiB for each socket, from its first compressed message to its end, and a room's message is compressed
    /// for each of such members by itself; without it, once for all. Not used if the client refuses it (`server_no_context_takeover`).
    pub fn server_context_takeover(mut self, takeover: bool) -> Self {
        self.server_context_takeover = takeover;
        self
    }

    /// Whether a message that is received may refer to those before it. Default: no.
    ///
    /// It costs 48 KiB for each socket, from its first compressed message to its end. Not used if the client does not
    /// (`client_no_context_takeover`).
    pub fn client_context_takeover(mut self, takeover: bool) -> Self {
        self.client_context_takeover = takeover;
        self
    }

    /// How far back a message that is sent may refer, as a power of two: 9 (512 bytes) to 15 (32 KiB). Default: 15, or
    /// what the client asks for.
    ///
    /// A smaller window saves the client memory.
    pub fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.server_max_window_bits = bits.clamp(9, 15);
        self
    }

    /// How far back a message that is received may refer, as a power of two: 9 to 15. Default: 15.
    ///
    /// It is asked of clients that let themselves be asked, and saves them memory.
    pub fn client_max_window_bits(mut self, bits: u8) -> Self {
        self.client_max_window_bits = bits.clamp(9, 15);
        self
    }

    /// How many times longer than on the wire a received message may be; a longer one ends the socket with Close 1009.
    /// Default: no limit but [`max_message`](super::Config::max_message).
    ///
    /// It bounds the time that a stranger's byte can cost. Messages of up to 64 KiB are not judged by it. JSON shrinks
    /// to a tenth or a twentieth, an empty page of pixels to a thousandth. At least 1.
    pub fn max_ratio(mut self, ratio: u32) -> Self {
        self.max_ratio = Some(ratio.max(1));
        self
    }
}
