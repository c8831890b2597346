use std::time::Duration;

/// How a socket notices that its peer is gone: pings, and how long they may go unanswered.
///
/// A proxy ends connections that are silent, commonly after 60 s, and a peer whose network fails says nothing of it.
/// After `interval` without a byte from the peer the session sends a ping (RFC 6455 §5.5.2), whatever the closure is
/// doing. If then `timeout` passes without any byte, the connection is over, and the closure learns it as
/// [`Error::is_abnormal`](super::Error::is_abnormal). While the session does not read, because the closure is behind,
/// the peer is not judged, but still pinged. The answers to these pings are not delivered; they give the [round-trip
/// time](super::Sender::round_trip).
///
/// Given to [`Config::keep_alive`](super::Config::keep_alive). Default: 25 s and 20 s. Both are kept to half a second.
///
/// ```
/// use std::time::Duration;
/// use upsock::ws::{Config, KeepAlive};
///
/// let config = Config::new().keep_alive(KeepAlive::new(Duration::from_secs(50), Duration::from_secs(10)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Duration,
}

impl KeepAlive {
    /// A ping after `interval` of silence; the peer is gone after `timeout` more.
    pub fn new(interval: Duration, timeout: Duration) -> Self {
        Self {
            interval: Some(interval),
            timeout,
        }
    }

    /// No pings: a peer that has vanished is noticed only when something is sent to it.
    pub fn off() -> Self {
        Self {
            interval: None,
            timeout: Duration::MAX,
        }
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self::new(Duration::from_secs(25), Duration::from_secs(20))
    }
}
