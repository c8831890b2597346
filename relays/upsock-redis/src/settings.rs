use std::fmt;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion};

use crate::error::{Error, Kind};

type OnError = Box<dyn Fn(&Error) + Send + Sync>;

/// A relay over Redis Streams, for [`HubBuilder::relay`](upsock::ws::hub::HubBuilder::relay).
///
/// A plain value with chained setters. It connects when the hub is built. See the [crate] for an example and what
/// is promised.
#[must_use = "it is for `HubBuilder::relay`"]
pub struct Redis {
    pub(crate) client: Client,
    pub(crate) prefix: String,
    pub(crate) streams: u16,
    pub(crate) max_len: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    on_error: Option<OnError>,
}

impl Redis {
    /// One that will connect to this server: `redis://[user:password@]host[:port][/database]`, `redis+unix:///path`, or
    /// with the feature `tls` `rediss://host`.
    ///
    /// # Errors
    /// If the URL is none, or asks for what is not there.
    pub fn new(url: &str) -> Result<Self, Error> {
        let info = url.into_connection_info().map_err(Kind::Url)?;
        if let ConnectionAddr::TcpTls { .. } = info.addr() {
            install_provider();
        }
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
        // A message by itself must not wait for the answer to the one before it.
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
        let client = Client::open(info).map_err(Kind::Url)?;
        Ok(Self {
            client,
            prefix: "upsock".into(),
            streams: 16,
            max_len: 16 * 1024,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(2),
            on_error: None,
        })
    }

    /// What all its keys begin with, so that several deployments can share a server: they hear nothing of each other.
    /// Default: `upsock`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Over how many streams the rooms are spread, from 1 to 1,024. Default: 16.
    ///
    /// Each process reads all of them. A room that sends much shortens the time for which the others of its stream may
    /// be away: see [`max_len`](Self::max_len). All processes of a deployment must have the same number; one that has
    /// not stays down.
    pub fn streams(mut self, streams: u16) -> Self {
        self.streams = streams.clamp(1, 1024);
        self
    }

    /// About how many messages each stream keeps; the oldest are trimmed. Default: 16,384.
    ///
    /// It is how far a process may fall behind, or be away, without a gap. The default is what waits in a hub at most,
    /// unless its [backlog](upsock::ws::hub::HubBuilder::backlog) is configured: a process that comes back may publish
    /// all of that at once. The pasts of rooms do not depend on it.
    pub fn max_len(mut self, messages: usize) -> Self {
        self.max_len = messages.max(1);
        self
    }

    /// How long connecting may take, with TLS and authentication. Default: 2 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the server may take to answer. Default: 2 s.
    ///
    /// One that is silent for longer is taken for lost, and connected to anew, which loses nothing. If nothing is
    /// published, it may take twice this to notice.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Calls a function for each [error](Error): to log it. It must not block. Default: nothing is said, but the hub's
    /// [state](upsock::ws::hub::Hub::relay_state) and events.
    pub fn on_error(mut self, function: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Box::new(function));
        self
    }

    pub(crate) fn tell(&self, error: &Error) {
        if let Some(function) = &self.on_error {
            function(error);
        }
    }

    /// The stream in which the messages of a room lie: the same in all processes, whatever they were built with.
    pub(crate) fn shard(&self, room: &str) -> u16 {
        // FNV-1a, with its upper half folded in: the lower bits alone are weak.
        let hash = room.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let shard = (hash ^ (hash >> 32)) % u64::from(self.streams);
        u16::try_from(shard).unwrap_or_default()
    }

    pub(crate) fn stream(&self, shard: u16) -> String {
        format!("{}:{shard}", self.prefix)
    }

    /// The stream that keeps the past of this room alone.
    pub(crate) fn past(&self, room: &str) -> String {
        format!("{}:room:{room}", self.prefix)
    }
}

/// rustls wants one for the process; whoever has chosen another one before keeps it.
fn install_provider() {
    #[cfg(feature = "tls")]
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the client: it knows the password.
        f.debug_struct("Redis")
            .field("prefix", &self.prefix)
            .field("streams", &self.streams)
            .field("max_len", &self.max_len)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_url_is_refused_by_what_is_wrong_with_it() {
        for (url, word) in [
            ("", "did not parse"),
            ("http://localhost", "did not parse"),
            ("redis://", "hostname"),
            ("redis://localhost/x", "database"),
            #[cfg(not(feature = "tls"))]
            ("rediss://localhost", "TLS"),
        ] {
            let error = Redis::new(url).unwrap_err();
            assert!(error.to_string().contains(word), "{url}: {error}");
            assert!(!error.is_down());
        }
        for url in [
            "redis://localhost",
            "redis://:secret@127.0.0.1:1/2",
            "redis+unix:///tmp/x",
        ] {
            let redis = Redis::new(url).unwrap();
            assert!(!format!("{redis:?}").contains("secret"));
        }
        #[cfg(feature = "tls")]
        assert!(Redis::new("rediss://localhost").is_ok());
    }

    /// Another version of this crate may be in the same deployment.
    #[test]
    fn rooms_have_their_streams_for_ever() {
        let redis = Redis::new("redis://localhost").unwrap();
        let shards = ["", "lobby", "x", "y", "\u{e9}"].map(|room| redis.shard(room));
        assert_eq!(shards, [1, 5, 11, 8, 6]);
        let one = redis.streams(0);
        assert_eq!(one.shard("lobby"), 0);
        let many = one.streams(u16::MAX);
        let rooms = (0..10_000).map(|room| many.shard(&format!("room-{room}")));
        let mut counts = [0_u32; 1024];
        rooms.for_each(|shard| counts[usize::from(shard)] += 1);
        assert!(counts.iter().all(|count| (1..=30).contains(count)), "{counts:?}");
    }
}
