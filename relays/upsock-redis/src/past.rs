//! What a room has sent before it came into being in this process.
//!
//! Each room has a stream of its own for that, besides the one that it shares with others: it is written in the same
//! transaction, keeps as many messages as a hub's history does, and expires with it. So telling a room's past costs what
//! the room has sent, not what all rooms of its shard have, and a loud room does not push out what others have said.

use std::collections::HashSet;
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

/// What a room has sent, the newest first.
pub(crate) struct Past {
    room: Arc<str>,
    /// Where the room's shard was when this was read: all of it was written before.
    pub(crate) shard: usize,
    pub(crate) at: Id,
    entries: Vec<Entry>,
    bytes: usize,
    /// There are no older ones, or they are not wanted.
    whole: bool,
}

impl Session {
    /// Reads the past of these rooms.
    pub(crate) async fn past(
        &self,
        connection: &mut MultiplexedConnection,
        history: &History,
        rooms: Vec<Arc<str>>,
    ) -> Result<Vec<Past>, Error> {
        let mut pipeline = Pipeline::with_capacity(1 + 2 * rooms.len());
        pipeline.cmd("TIME");
        for room in &rooms {
            pipeline.add_command(page(&self.redis.past(room), None, PAGE.min(history.messages.max(1))));
            pipeline.add_command(page(&self.redis.stream(self.redis.shard(room)), None, 1));
        }
        let mut replies = answers(connection, &pipeline).await?.into_iter();
        let now = id::time(replies.next())?;
        let age = u64::try_from(history.age.as_millis()).unwrap_or(u64::MAX);
        let oldest = Id::at(now.saturating_sub(age));
        let mut pasts = Vec::with_capacity(rooms.len());
        for room in rooms {
            let (first, newest) = (replies.next(), replies.next());
            let newest = entry::entries(newest.unwrap_or_default().extract_error()?)?;
            let mut past = Past {
                shard: usize::from(self.redis.shard(&room)),
                at: newest.first().map_or(Id::FIRST, |entry| entry.id),
                room,
                entries: Vec::new(),
                bytes: 0,
                whole: false,
            };
            past.add(first.unwrap_or_default(), PAGE, history, oldest)?;
            while !past.whole {
                let count = past.next_page(history);
                let before = past.entries.last().map(|entry| entry.id);
                let query = page(&self.redis.past(&past.room), before, count);
                past.add(connection.send_packed_command(&query).await?, count, history, oldest)?;
            }
            pasts.push(past);
        }
        Ok(pasts)
    }

    /// Tells the hub a room's past, and then what has come for it since it wants to hear. All of its shard that was
    /// written before the past was read has been read by now: so whatever is in both was sent since.
    pub(crate) fn tell(&self, past: &Past) {
        let Some(held) = self.interest.caught_up(&past.room) else {
            return;
        };
        let since: HashSet<&[u8]> = held.iter().map(Vec::as_slice).collect();
        let key = self.redis.past(&past.room);
        for entry in past.entries.iter().rev() {
            let Some(payload) = entry.payload() else {
                self.foreign(&key, entry.id);
                continue;
            };
            if !since.contains(payload) && self.port.replay(&past.room, payload).is_err() {
                self.foreign(&key, entry.id);
            }
        }
        self.port.caught_up(&past.room);
        for payload in &held {
            let _ = self.port.deliver(&past.room, payload);
        }
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
