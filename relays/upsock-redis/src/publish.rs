//! What the hub sends, into the streams.

use std::collections::HashSet;

use futures_util::FutureExt;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};
use upsock::ws::hub::{Command, Publication};

use crate::entry;
use crate::error::Error;
use crate::relay::Session;

/// How much is sent at once: bounded, because the relay has to keep it, and others wait for the server meanwhile.
const MAX_MESSAGES: usize = 512;
const MAX_BYTES: usize = 1 << 20;
/// The longest value that Redis takes (`proto-max-bulk-len`).
const MAX_PAYLOAD: usize = 512 << 20;

impl Session {
    /// Publishes what the hub sends, and takes note of what it wants, until it is gone.
    ///
    /// What the server has not acknowledged when the connection fails is sent again, and whatever the server refuses
    /// (it is full, or a replica now) as well: after a pause, on another connection. So the order holds, and nothing
    /// is lost but what the hub itself refuses, when too much waits.
    pub(crate) async fn publish(
        &self,
        mut connection: MultiplexedConnection,
        unacknowledged: &mut Vec<Publication>,
    ) -> Result<(), Error> {
        loop {
            if !unacknowledged.is_empty() {
                self.send(&mut connection, unacknowledged).await?;
                for publication in unacknowledged.drain(..) {
                    publication.acknowledge();
                }
            }
            self.port.up();
            let Some(command) = self.port.next().await else {
                return Ok(());
            };
            let mut bytes = self.take(command, unacknowledged);
            // All that waits by now goes with it.
            while unacknowledged.len() < MAX_MESSAGES && bytes < MAX_BYTES {
                let Some(Some(command)) = self.port.next().now_or_never() else {
                    break;
                };
                bytes += self.take(command, unacknowledged);
            }
        }
    }

    /// Returns how many bytes are to be sent for this.
    fn take(&self, command: Command, unacknowledged: &mut Vec<Publication>) -> usize {
        match command {
            Command::Subscribe(room) => self.interest.subscribe(room),
            Command::Unsubscribe(room) => self.interest.unsubscribe(&room),
            Command::Publish(publication) => {
                let bytes = publication.payload().len();
                // It would never pass, and nothing behind it. Dropped, it is given up.
                if bytes <= MAX_PAYLOAD {
                    unacknowledged.push(publication);
                    return bytes;
                }
            }
            _ => {}
        }
        0
    }

    /// All or nothing: were one refused and the next taken, their order would be lost.
    async fn send(&self, connection: &mut MultiplexedConnection, publications: &[Publication]) -> Result<(), Error> {
        let mut pipeline = Pipeline::with_capacity(publications.len());
        for publication in publications {
            let room = publication.topic();
            let stream = self.redis.stream(self.redis.shard(room));
            let add = entry::add(&stream, self.redis.max_len, room, publication.payload());
            pipeline.add_command(add);
        }
        self.keep(&mut pipeline, publications);
        if pipeline.len() > 1 {
            pipeline.atomic();
        }
        pipeline.query_async::<Vec<Value>>(connection).await?;
        Ok(())
    }

    /// Also into the rooms' own streams, for those who come later.
    fn keep(&self, pipeline: &mut Pipeline, publications: &[Publication]) {
        let Some(history) = self.port.history().filter(|history| history.messages > 0) else {
            return;
        };
        // It takes no more than a signed number added to the time.
        let age = i64::try_from(history.age.as_millis()).map_or(i64::MAX / 2, |age| age.clamp(1, i64::MAX / 2));
        let mut rooms = HashSet::new();
        for publication in publications {
            let past = self.redis.past(publication.topic());
            pipeline.add_command(entry::keep(&past, history.messages, publication.payload()));
            rooms.insert(past);
        }
        for past in rooms {
            pipeline.cmd("PEXPIRE").arg(past).arg(age);
        }
    }
}
