//! What a room has sent before it came into being in this process.
//!
//! Each room has a stream of its own for that, besides the one that it shares with others: it is written in the same
//! transaction, keeps as many messages as a hub's history does, and expires with it. So telling a room's past costs what
//! the room has sent, not what all rooms of its shard have, and a loud room does not push out what others have said.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value, cmd};
use upsock::ws::hub::History;

use crate::entry::{self, Entry};
use crate::error::{Error, Kind};
use crate::id::{self, Id};
use crate::relay::{Session, answers};

/// Of how many rooms the past is read at once. What comes from other processes waits for that.
pub(crate) const ROOMS: usize = 64;
/// How many messages of a room are read at first: they may be long.
const PAGE: usize = 16;
/// How much longer a payload is than the frame that a hub keeps, at most: it is to get all that it would keep.
const ENVELOPE: usize = 24;

/// Messages of a room, the newest first.
#[derive(Default)]
struct Past {
    entries: Vec<Entry>,
    bytes: usize,
    /// There are no older ones, or they are not wanted.
    whole: bool,
}

impl Session {
    /// Tells the hub the past of these rooms, which then hear what comes.
    pub(crate) async fn catch_up(
        &self,
        connection: &mut MultiplexedConnection,
        history: &History,
        rooms: Vec<Arc<str>>,
    ) -> Result<(), Error> {
        let mut pipeline = Pipeline::with_capacity(1 + rooms.len());
        pipeline.cmd("TIME");
        for room in &rooms {
            pipeline.add_command(page(&self.redis.past(room), None, PAGE.min(history.messages.max(1))));
        }
        let mut replies = answers(connection, &pipeline).await?.into_iter();
        let now = id::time(replies.next())?;
        let age = u64::try_from(history.age.as_millis()).unwrap_or(u64::MAX);
        let oldest = Id::at(now.saturating_sub(age));
        for (room, reply) in rooms.into_iter().zip(replies) {
            let mut past = Past::default();
            past.add(reply, PAGE, history, oldest)?;
            while !past.whole {
                let count = past.next_page(history);
                let before = past.entries.last().map(|entry| entry.id);
                let query = page(&self.redis.past(&room), before, count);
                past.add(connection.send_packed_command(&query).await?, count, history, oldest)?;
            }
            self.replay(&room, &past);
        }
        Ok(())
    }

    fn replay(&self, room: &str, past: &Past) {
        for entry in past.entries.iter().rev() {
            let replayed = entry
                .payload()
                .is_some_and(|payload| self.port.replay(room, payload).is_ok());
            if !replayed {
                self.foreign(&self.redis.past(room), entry.id);
            }
        }
        self.port.caught_up(room);
        self.interest.caught_up(room);
    }

    pub(crate) fn foreign(&self, stream: &str, id: Id) {
        let stream = stream.to_owned();
        self.redis.tell(&Kind::Foreign { stream, id }.into());
    }
}

impl Past {
    fn add(&mut self, reply: Value, asked: usize, history: &History, oldest: Id) -> Result<(), Error> {
        let found = entry::entries(reply.extract_error()?)?;
        self.whole = found.len() < asked;
        for entry in found {
            if self.whole_with(history) || entry.id < oldest {
                self.whole = true;
                break;
            }
            self.bytes += entry
                .payload()
                .map_or(0, |payload| payload.len().saturating_sub(ENVELOPE));
            self.entries.push(entry);
        }
        self.whole |= self.whole_with(history);
        Ok(())
    }

    fn whole_with(&self, history: &History) -> bool {
        self.entries.len() >= history.messages || self.bytes >= history.bytes
    }

    /// How many more to ask for, if those are like the others.
    fn next_page(&self, history: &History) -> usize {
        let got = self.entries.len().max(1);
        let mean = (self.bytes / got).max(1);
        let within = (history.bytes.saturating_sub(self.bytes) / mean).saturating_add(1);
        let left = history.messages.saturating_sub(self.entries.len());
        // They may be longer.
        within.min(left).min(4 * got).max(1)
    }
}

/// The newest entries before this one.
fn page(stream: &str, before: Option<Id>, count: usize) -> redis::Cmd {
    let mut command = cmd("XREVRANGE");
    command.arg(stream);
    match before {
        Some(id) => command.arg(format!("({id}")),
        None => command.arg("+"),
    };
    command.arg("-").arg("COUNT").arg(count);
    command
}
