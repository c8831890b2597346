//! One of the streams in which the messages of all rooms lie, and whether it still has what was not read.

use redis::{Pipeline, Value, cmd};

use crate::entry;
use crate::error::{Error, Kind};
use crate::id::Id;

#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) key: String,
    /// The last entry that was read.
    pub(crate) last: Id,
    /// How many entries it ever had at least; Redis 6 does not say.
    added: Option<u64>,
    /// The newest of those when it was last looked at.
    newest: Id,
    /// It was looked at: before that nothing can be missed.
    known: bool,
}

/// What the server says of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Info {
    length: u64,
    first: Option<Id>,
    last: Id,
    added: Option<u64>,
}

impl Shard {
    pub(crate) fn new(key: String) -> Self {
        Self {
            key,
            last: Id::FIRST,
            added: None,
            newest: Id::FIRST,
            known: false,
        }
    }

    /// Takes note of an entry that was read.
    pub(crate) fn read(&mut self, id: Id) {
        self.last = id;
        if id > self.newest {
            self.added = self.added.map(|added| added + 1);
        }
    }

    /// Takes note of how the stream is, `None` if it does not exist; whether something may be lost that was not read.
    /// Reading then goes on from what there is.
    ///
    /// The first time, reading begins with what was added since `began`: others may have been here earlier. `max_len`
    /// tells a stream that was trimmed, where the server does not.
    pub(crate) fn look(&mut self, stream: Option<Info>, began: Id, max_len: usize) -> bool {
        let there = stream.unwrap_or_default();
        let added = there.added.or(stream.is_none().then_some(0));
        self.newest = there.last;
        if !std::mem::replace(&mut self.known, true) {
            self.last = there.last.min(began);
            self.added = added;
            return false;
        }
        let gone_back = there.last < self.last || added < self.added.filter(|_| added.is_some());
        let trimmed = match there.first {
            // Nothing was there before.
            Some(_) if self.last == Id::FIRST => match there.added {
                Some(added) => added > there.length,
                None => there.length >= max_len as u64,
            },
            // What was read last is still there, or was the last to go.
            Some(first) => first > self.last,
            None => there.last > self.last,
        };
        self.last = self.last.min(there.last);
        self.added = added;
        gone_back || trimmed
    }
}

/// Asks for the time, and for all of these.
pub(crate) fn ask<'a>(shards: impl IntoIterator<Item = &'a Shard>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("TIME");
    for shard in shards {
        pipeline.add_command(cmd("XINFO").arg("STREAM").arg(&shard.key).clone());
    }
    pipeline
}

/// What was answered: `None` if there is no such stream.
pub(crate) fn info(reply: Value) -> Result<Option<Info>, Error> {
    let fields = match reply {
        Value::ServerError(error) if error.details().is_some_and(|details| details.contains("no such key")) => {
            return Ok(None);
        }
        reply => reply.extract_error()?,
    };
    let Value::Array(fields) = fields else {
        return Err(Kind::Reply("XINFO").into());
    };
    let mut info = Info::default();
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        let Value::BulkString(name) = name else { continue };
        match (name.as_slice(), value) {
            (b"length", Value::Int(length)) => info.length = length.unsigned_abs(),
            (b"entries-added", Value::Int(added)) => info.added = Some(added.unsigned_abs()),
            (b"last-generated-id", Value::BulkString(id)) => {
                info.last = Id::parse(&id).ok_or(Kind::Reply("XINFO"))?;
            }
            (b"first-entry", first @ Value::Array(_)) => info.first = Some(entry::entry(first)?.id),
            _ => {}
        }
    }
    Ok(Some(info))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Id = Id { time: 100, number: 0 };

    fn id(time: u64) -> Id {
        Id::at(time)
    }

    fn stream(first: u64, last: u64, length: u64, added: u64) -> Option<Info> {
        Some(Info {
            length,
            first: (length > 0).then_some(id(first)),
            last: id(last),
            added: Some(added),
        })
    }

    /// One that was looked at, and then read up to there.
    fn read(stream: Option<Info>, last: u64) -> Shard {
        let mut shard = Shard::new("s".into());
        assert!(!shard.look(stream, NOW, 100));
        shard.last = id(last);
        shard
    }

    #[test]
    fn the_first_look_is_where_reading_begins() {
        for (there, last) in [(None, 0), (stream(5, 9, 3, 30), 9), (stream(0, 9, 0, 30), 9)] {
            let mut shard = Shard::new("s".into());
            assert!(!shard.look(there, NOW, 100));
            assert_eq!(shard.last, id(last));
        }
        let mut shard = Shard::new("s".into());
        assert!(!shard.look(stream(5, 9, 3, 30), id(7), 100));
        assert_eq!(shard.last, id(7));
    }

    #[test]
    fn what_was_not_read_is_still_there() {
        for there in [stream(5, 9, 3, 3), stream(9, 9, 1, 5), stream(9, 20, 7, 12)] {
            let mut shard = read(stream(5, 9, 3, 3), 9);
            assert!(!shard.look(there, NOW, 100), "{there:?}");
            assert_eq!(shard.last, id(9));
        }
        // There was none, and now there are some.
        assert!(!read(None, 0).look(stream(5, 9, 3, 3), NOW, 100));
        assert!(!read(None, 0).look(None, NOW, 100));
    }

    #[test]
    fn what_was_trimmed_is_lost() {
        assert!(read(stream(5, 9, 3, 3), 9).look(stream(10, 20, 7, 12), NOW, 100));
        assert!(read(None, 0).look(stream(10, 20, 7, 12), NOW, 100));
        // All of it.
        assert!(read(stream(5, 9, 3, 3), 9).look(stream(0, 20, 0, 12), NOW, 100));
        // Redis 6 does not say how many there were.
        let six = |length| Info {
            added: None,
            ..stream(10, 20, length, 0).unwrap()
        };
        assert!(read(None, 0).look(Some(six(100)), NOW, 100));
        assert!(!read(None, 0).look(Some(six(99)), NOW, 100));
    }

    #[test]
    fn a_server_that_has_lost_its_data_is_noticed() {
        // It is empty; then it may begin anywhere.
        let mut shard = read(stream(5, 9, 3, 3), 9);
        assert!(shard.look(None, NOW, 100));
        assert_eq!(shard.last, Id::FIRST);
        assert!(!shard.look(stream(1, 2, 2, 2), NOW, 100));
        // It has only what was written before.
        let mut shard = read(stream(5, 9, 3, 3), 9);
        assert!(shard.look(stream(5, 7, 2, 2), NOW, 100));
        assert_eq!(shard.last, id(7));
        // It was emptied, and filled again, and all of that was read.
        assert!(read(stream(5, 9, 3, 3), 20).look(stream(10, 20, 2, 2), NOW, 100));
        let mut shard = read(None, 0);
        shard.read(id(5));
        shard.read(id(9));
        assert!(shard.look(stream(9, 9, 1, 1), NOW, 100));
        // What was there already is not counted twice.
        let mut shard = Shard::new("s".into());
        assert!(!shard.look(stream(5, 9, 3, 3), id(6), 100));
        shard.read(id(7));
        shard.read(id(9));
        assert!(!shard.look(stream(5, 9, 3, 3), NOW, 100));
        shard.read(id(10));
        assert!(!shard.look(stream(5, 10, 4, 4), NOW, 100));
    }
}
