//! Joins the hubs of several [upsock] servers through Redis Streams: what one process sends to a room, the members in
//! all processes get.
//!
//! ```no_run
//! use upsock::ws::hub::{History, Hub};
//! use upsock_redis::Redis;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let relay = Redis::new("redis://127.0.0.1:6379")?
//!     .prefix("chat")
//!     .on_error(|error| eprintln!("relay: {error}"));
//! let hub: Hub = Hub::builder().history(History::new()).relay(relay).build();
//!
//! // In this process at once; in the others, and in Redis, when it returns.
//! hub.publish("lobby", "hello").await?;
//! # Ok(())
//! # }
//! ```
//!
//! The hub begins without Redis, and goes on without it: [`relay_state`](upsock::ws::hub::Hub::relay_state) says how the
//! relay is doing, and it connects again by itself. Redis 6.2 or later, or Valkey: one server, with or without replicas
//! behind one address; not a cluster.
//!
//! # What is promised
//!
//! | | |
//! |---|---|
//! | delivery | what [`publish`](upsock::ws::hub::Hub::publish) has acknowledged is in Redis, and reaches every process that is away for less than [`max_len`](Redis::max_len) messages of the stream |
//! | order | each process's messages of a room come in their order, also when connections fail; between processes there is none |
//! | duplicates | none: what had to be sent again is known by its position |
//! | Redis is away, or refuses (full, a replica, a wrong password) | members in the same process get messages at once; what others are to get waits in the hub's [backlog](upsock::ws::hub::HubBuilder::backlog), beyond which `publish` says so; nothing that was accepted is given up |
//! | Redis is silent | noticed within twice the [`response_timeout`](Redis::response_timeout); nothing is lost |
//! | this process ends | what it had not published is lost; a hub that is dropped while Redis is there publishes all of it |
//! | history | a hub with a [history](upsock::ws::hub::History) also knows what its rooms have sent before the process began, as far as they would keep it: positions hold in all processes. All processes of a deployment should have the same |
//! | losses | a [gap](upsock::ws::hub::Event::Gap): for a room by the next message of that process, for all rooms when Redis has trimmed or lost what was not read; then it goes on with what there is |
//!
//! What Redis itself keeps is a matter of its configuration:
//!
//! | when Redis ends | what is acknowledged then |
//! |---|---|
//! | `appendonly yes`, `appendfsync always` | is still there, also after `kill -9` or a power failure |
//! | `appendonly yes`, `appendfsync everysec` (its default with `appendonly`) | is still there after `kill -9`; a power failure takes about the last second |
//! | snapshots, or no persistence | is lost since the last snapshot. Processes that were reading have got it; the others are told of a gap |
//! | a replica takes over | replication is asynchronous: as much is lost as it was behind. Processes are told of a gap if they had read further than it |
//!
//! # What lies in Redis
//!
//! | key | |
//! |---|---|
//! | `{prefix}:{number}` | one of the [streams](Redis::streams): the messages of many rooms, about the last [`max_len`](Redis::max_len) of them |
//! | `{prefix}:room:{room}` | only with a history: the last messages of this room, about as many as it keeps; it expires when all of them are too old |
//! | `{prefix}:streams` | how many streams there are, so that no process has another number |
//!
//! A message takes its length, that of the room's name and some 50 bytes in each of the two, and a room's own stream takes
//! at least 5 KB. So the streams of all rooms take at most 16 × 16,384 messages by default, and the rooms' own those of
//! the rooms that have sent something within the history's age. A server that is full should refuse (`maxmemory-policy noeviction`), or evict the rooms' own streams only
//! (`volatile-ttl`): under `allkeys-…` it drops the other ones as well, which is a gap.
//!
//! Each process reads all streams over one connection that waits (`XREAD BLOCK`), and publishes over another, in a
//! transaction for all that has been sent since the last one.
//!
//! # Features
//!
//! `tls`: `rediss://` URLs, by rustls with ring and the system's certificates.

mod entry;
mod error;
mod id;
mod interest;
mod past;
mod publish;
mod read;
mod relay;
mod settings;
mod shard;

pub use self::error::Error;
pub use self::settings::Redis;
