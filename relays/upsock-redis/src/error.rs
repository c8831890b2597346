use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use redis::RedisError;

use crate::id::Id;

/// Why a relay cannot be made, or what has happened to it: [`Redis::on_error`](crate::Redis::on_error).
pub struct Error(Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    Url(RedisError),
    /// The connection failed, or the server has refused something.
    Redis(RedisError),
    Silent(Duration),
    /// It is no Redis, or one of another kind than is known here.
    Reply(&'static str),
    Streams {
        here: u16,
        there: String,
    },
    Foreign {
        stream: String,
        id: Id,
    },
    Gap,
}

impl Error {
    /// The connection was lost, or not made, or the server does not take what is published: the relay is down, and tries
    /// again.
    pub fn is_down(&self) -> bool {
        !(self.is_foreign() || self.is_gap() || matches!(self.0, Kind::Url(_)))
    }

    /// An entry of a stream is none of a hub: it was skipped.
    pub fn is_foreign(&self) -> bool {
        matches!(self.0, Kind::Foreign { .. })
    }

    /// Messages may be lost: the server has trimmed or lost them before they were read here.
    pub fn is_gap(&self) -> bool {
        matches!(self.0, Kind::Gap)
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self(kind)
    }
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        Self(Kind::Redis(error))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Url(error) => write!(f, "not a URL of a Redis server, as redis://host:6379 is: {error}"),
            Kind::Redis(error) => write!(f, "Redis: {error}"),
            Kind::Silent(timeout) => write!(f, "Redis has not answered within {timeout:?}"),
            Kind::Reply(what) => write!(f, "Redis has answered {what} in an unknown form"),
            Kind::Streams { here, there } => {
                write!(
                    f,
                    "{here} streams here, but other processes of the deployment use {there}"
                )
            }
            Kind::Foreign { stream, id } => write!(f, "entry {id} of the stream {stream} is none of a hub"),
            Kind::Gap => f.write_str("Redis has forgotten messages before they were read here"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0 {
            Kind::Url(error) | Kind::Redis(error) => Some(error),
            _ => None,
        }
    }
}
