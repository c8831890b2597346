use std::fmt;

use redis::Value;

use crate::error::{Error, Kind};

/// The place of an entry in its stream: the server's time in milliseconds, and a number in that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) time: u64,
    pub(crate) number: u64,
}

impl Id {
    /// Before all others.
    pub(crate) const FIRST: Self = Self { time: 0, number: 0 };

    /// Before all of this millisecond.
    pub(crate) fn at(time: u64) -> Self {
        Self { time, number: 0 }
    }

    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (time, number) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self {
            time: time.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.time, self.number)
    }
}

/// The server's time in milliseconds, which its ids have: the answer to TIME.
pub(crate) fn time(reply: Option<Value>) -> Result<u64, Error> {
    let reply = reply.unwrap_or_default().extract_error()?;
    let (seconds, micros): (u64, u64) = redis::from_redis_value(reply).map_err(|_| Kind::Reply("TIME"))?;
    Ok(seconds * 1000 + micros / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_parsed() {
        for (time, number) in [(0, 0), (1, u64::MAX), (u64::MAX, 1)] {
            let id = Id { time, number };
            assert_eq!(Id::parse(id.to_string().as_bytes()), Some(id));
        }
        for bad in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-2-3",
            "a-1",
            "18446744073709551616-0",
            "\u{e9}-1",
        ] {
            assert_eq!(Id::parse(bad.as_bytes()), None, "{bad}");
        }
        assert!(Id::parse(b"9-2") < Id::parse(b"10-1"));
    }
}
