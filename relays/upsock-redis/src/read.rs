//! What other processes have sent, out of the streams.

use std::convert::Infallible;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value, cmd};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use crate::entry::{self, Entry};
use crate::error::{Error, Kind};
use crate::past::{self, Past};
use crate::relay::Session;
use crate::shard::Shard;

/// How many entries of each stream are asked for: as many as may come at once after a silence, and at most.
const PAGE: (usize, usize) = (16, 256);
/// How much of one stream should come at once.
const MAX_BYTES: usize = 1 << 20;
/// How often all streams are looked at, whether they still have what was not read: a server may lose its data while its
/// connections stay.
const LOOK: Duration = Duration::from_secs(5);

/// What one reply had of the stream that had most.
#[derive(Clone, Copy, Default)]
struct Most {
    entries: usize,
    bytes: usize,
}

impl Session {
    /// Reads until the connection fails.
    pub(crate) async fn read(
        &self,
        mut commands: MultiplexedConnection,
        mut blocking: MultiplexedConnection,
        shards: &mut [Shard],
    ) -> Result<Infallible, Error> {
        let mut count = PAGE.0;
        // Streams of which more was there than was asked for: trimming may be faster than reading.
        let mut behind = vec![false; shards.len()];
        let mut looked = Instant::now();
        // Until their shards are read as far as they were then.
        let mut pasts = Vec::new();
        loop {
            let query = self.query(shards, count);
            let reply = self
                .wait(&mut commands, &mut blocking, &query, shards, &mut pasts)
                .await?;
            if behind.contains(&true) {
                self.look(&mut commands, shards, |at| behind[at]).await?;
            }
            behind.fill(false);
            let mut most = Most::default();
            for (key, entries) in entry::streams(reply)? {
                let Some(at) = shards.iter().position(|shard| shard.key.as_bytes() == key) else {
                    return Err(Kind::Reply("XREAD").into());
                };
                behind[at] = entries.len() >= count;
                self.deliver(&mut shards[at], &entries, &mut most);
                // Its members have to take it before the next: their outboxes are bounded.
                if entries.len() >= PAGE.0 {
                    yield_now().await;
                }
            }
            self.tell_pasts(&mut pasts, shards);
            count = next(most);
            if looked.elapsed() >= LOOK {
                self.look(&mut commands, shards, |_| true).await?;
                looked = Instant::now();
            }
        }
    }

    fn query(&self, shards: &[Shard], count: usize) -> Cmd {
        let block = u64::try_from(self.redis.response_timeout.as_millis()).unwrap_or(u64::MAX);
        let mut query = cmd("XREAD");
        query.arg("COUNT").arg(count);
        // 0 is for ever.
        query.arg("BLOCK").arg(block.clamp(1, 60_000)).arg("STREAMS");
        for shard in shards {
            query.arg(&shard.key);
        }
        for shard in shards {
            query.arg(shard.last.to_string());
        }
        query
    }

    /// Waits for entries, and meanwhile reads the pasts of rooms that have come.
    async fn wait(
        &self,
        commands: &mut MultiplexedConnection,
        blocking: &mut MultiplexedConnection,
        query: &Cmd,
        shards: &[Shard],
        pasts: &mut Vec<Past>,
    ) -> Result<Value, Error> {
        let bound = 2 * self.redis.response_timeout;
        let reply = timeout(bound, blocking.send_packed_command(query));
        let Some(history) = self.port.history() else {
            return Ok(reply.await.map_err(|_| Kind::Silent(bound))??.extract_error()?);
        };
        tokio::pin!(reply);
        loop {
            tokio::select! {
                biased;
                rooms = self.interest.waiting(past::ROOMS), if pasts.len() < past::ROOMS => {
                    pasts.extend(self.past(commands, &history, rooms).await?);
                    self.tell_pasts(pasts, shards);
                }
                reply = &mut reply => return Ok(reply.map_err(|_| Kind::Silent(bound))??.extract_error()?),
            }
        }
    }

    fn tell_pasts(&self, pasts: &mut Vec<Past>, shards: &[Shard]) {
        pasts.retain(|past| {
            let wait = shards[past.shard].last < past.at;
            if !wait {
                self.tell(past);
            }
            wait
        });
    }

    fn deliver(&self, shard: &mut Shard, entries: &[Entry], most: &mut Most) {
        let mut bytes = 0;
        for entry in entries {
            shard.read(entry.id);
            let Some((room, payload)) = entry.message() else {
                self.foreign(&shard.key, entry.id);
                continue;
            };
            bytes += payload.len();
            // Without a history there is no past that could come late.
            if self.port.history().is_none() || self.interest.hears(room) {
                if self.port.deliver(room, payload).is_err() {
                    self.foreign(&shard.key, entry.id);
                }
            } else if self.port.wants(room) && !self.interest.hold(room, payload) {
                self.port.gap(Some(room));
            }
        }
        most.entries = most.entries.max(entries.len());
        most.bytes = most.bytes.max(bytes);
    }
}

/// How many to ask for next: more if more came, fewer if they are long.
fn next(most: Most) -> usize {
    let mean = (most.bytes / most.entries.max(1)).max(1);
    let fitting = (MAX_BYTES / mean).max(1);
    (2 * most.entries).clamp(PAGE.0, PAGE.1).min(fitting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_grow_with_what_comes_and_shrink_with_its_length() {
        for (entries, bytes, count) in [
            (0, 0, 16),
            (1, 20, 16),
            (16, 16 * 20, 32),
            (256, 256 * 20, 256),
            (16, 16 << 20, 1),
            (64, 64 << 14, 64),
        ] {
            assert_eq!(next(Most { entries, bytes }), count, "{entries} {bytes}");
        }
    }
}
