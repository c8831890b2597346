//! What lies in the streams, and how it is read from replies.

use redis::{Cmd, Value, cmd};

use crate::error::{Error, Kind};
use crate::id::Id;

/// The fields of an entry. One letter each: they are in every one.
const ROOM: &str = "r";
const PAYLOAD: &str = "p";

/// An entry of a stream.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) fields: Vec<Value>,
}

impl Entry {
    /// Of a stream for many rooms: `None` if it is somebody else's.
    pub(crate) fn message(&self) -> Option<(&str, &[u8])> {
        let [name, room, rest @ ..] = self.fields.as_slice() else {
            return None;
        };
        let room = bytes(room).filter(|_| bytes(name) == Some(ROOM.as_bytes()))?;
        Some((std::str::from_utf8(room).ok()?, payload(rest)?))
    }

    /// Of a room's own stream.
    pub(crate) fn payload(&self) -> Option<&[u8]> {
        payload(&self.fields)
    }
}

fn payload(fields: &[Value]) -> Option<&[u8]> {
    match fields {
        [name, payload] if bytes(name) == Some(PAYLOAD.as_bytes()) => bytes(payload),
        _ => None,
    }
}

/// Adds a message to a stream for many rooms, which keeps about so many.
pub(crate) fn add(stream: &str, max_len: usize, room: &str, payload: &[u8]) -> Cmd {
    let mut command = append(stream, max_len);
    command.arg(ROOM).arg(room).arg(PAYLOAD).arg(payload);
    command
}

/// Adds a message to a room's own stream, which keeps about so many.
pub(crate) fn keep(stream: &str, max_len: usize, payload: &[u8]) -> Cmd {
    let mut command = append(stream, max_len);
    command.arg(PAYLOAD).arg(payload);
    command
}

fn append(stream: &str, max_len: usize) -> Cmd {
    let mut command = cmd("XADD");
    command.arg(stream).arg("MAXLEN").arg("~").arg(max_len).arg("*");
    command
}

/// What came of one stream: its key, and its entries.
type Stream = (Vec<u8>, Vec<Entry>);

/// What came of several streams.
pub(crate) fn streams(reply: Value) -> Result<Vec<Stream>, Error> {
    let streams = match reply {
        // Nothing has come in time.
        Value::Nil => return Ok(Vec::new()),
        reply => array(reply)?,
    };
    streams
        .into_iter()
        .map(|stream| match <[Value; 2]>::try_from(array(stream)?) {
            Ok([Value::BulkString(key), found]) => Ok((key, entries(found)?)),
            _ => Err(unknown()),
        })
        .collect()
}

pub(crate) fn entries(reply: Value) -> Result<Vec<Entry>, Error> {
    array(reply)?.into_iter().map(entry).collect()
}

pub(crate) fn entry(reply: Value) -> Result<Entry, Error> {
    match <[Value; 2]>::try_from(array(reply)?) {
        Ok([id, fields]) => Ok(Entry {
            id: bytes(&id).and_then(Id::parse).ok_or_else(unknown)?,
            fields: match fields {
                // It was deleted while it was read.
                Value::Nil => Vec::new(),
                fields => array(fields)?,
            },
        }),
        _ => Err(unknown()),
    }
}

fn array(reply: Value) -> Result<Vec<Value>, Error> {
    match reply {
        Value::Array(items) => Ok(items),
        _ => Err(unknown()),
    }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

fn unknown() -> Error {
    Kind::Reply("XREAD, XREVRANGE or XINFO").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn raw(id: &str, fields: &[&str]) -> Value {
        let fields = fields.iter().map(|field| text(field)).collect();
        Value::Array(vec![text(id), Value::Array(fields)])
    }

    #[test]
    fn what_is_ours_is_read() {
        let found = Value::Array(vec![raw("5-1", &["r", "x", "p", "hello"]), raw("5-2", &["p", "alone"])]);
        let reply = Value::Array(vec![Value::Array(vec![text("s:0"), found])]);
        let read = streams(reply).unwrap();
        assert_eq!(read.len(), 1);
        let (key, entries) = &read[0];
        assert_eq!(key, b"s:0");
        assert_eq!(entries[0].id, Id { time: 5, number: 1 });
        assert_eq!(entries[0].message(), Some(("x", b"hello".as_slice())));
        assert_eq!(entries[0].payload(), None);
        assert_eq!(entries[1].payload(), Some(b"alone".as_slice()));
        assert_eq!(entries[1].message(), None);
        assert!(streams(Value::Nil).unwrap().is_empty());
    }

    #[test]
    fn what_is_not_is_foreign() {
        for fields in [
            &[][..],
            &["r"],
            &["r", "x"],
            &["r", "x", "p"],
            &["p", "x", "r", "y"],
            &["r", "x", "p", "y", "more", "z"],
        ] {
            assert_eq!(entry(raw("5-1", fields)).unwrap().message(), None, "{fields:?}");
        }
        let fields = vec![text("r"), Value::BulkString(vec![0xff]), text("p"), text("y")];
        let room = Value::Array(vec![text("5-1"), Value::Array(fields)]);
        assert_eq!(entry(room).unwrap().message(), None);
    }

    #[test]
    fn another_form_is_an_error() {
        for reply in [
            Value::Okay,
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![Value::Array(vec![text("s:0")])]),
            Value::Array(vec![Value::Array(vec![text("s:0"), raw("x", &[])])]),
        ] {
            assert!(streams(reply.clone()).is_err(), "{reply:?}");
        }
        assert!(entry(raw("5", &[])).is_err());
    }
}
