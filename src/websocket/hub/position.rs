use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// The place of a message in its room.
///
/// Offsets count from 1, without holes, as long as the epoch is the same. An epoch begins when a room comes into being
/// in a process, by its first member or message; it is a random number, and two are never compared. So each process that
/// sends to a room has an epoch of its own there: a client that wants to catch up remembers the last position of each
/// epoch that it has seen, which in one process is one, and gives them to [`Hub::join_since`](super::Hub::join_since).
///
/// It is written and parsed as two hexadecimal numbers with a dot between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which run of offsets it is in.
    pub epoch: u64,
    /// How many messages of this epoch have been sent to the room, this one included.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.epoch, self.offset)
    }
}

/// What was parsed is not a [`Position`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePositionError(());

impl From<ParseIntError> for ParsePositionError {
    fn from(_: ParseIntError) -> Self {
        Self(())
    }
}

impl fmt::Display for ParsePositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a position: two hexadecimal numbers with a dot between")
    }
}

impl std::error::Error for ParsePositionError {}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, ParsePositionError> {
        let (epoch, offset) = text.split_once('.').ok_or(ParsePositionError(()))?;
        let parse = |digits: &str| match digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            true => Ok(u64::from_str_radix(digits, 16)?),
            false => Err(ParsePositionError(())),
        };
        Ok(Self {
            epoch: parse(epoch)?,
            offset: parse(offset)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_parsed() {
        for (epoch, offset) in [(0, 0), (u64::MAX, 1), (0xabc, u64::MAX)] {
            let position = Position { epoch, offset };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for bad in ["", ".", "1", "1.", ".1", "1.2.3", "+1.2", "g.1", "10000000000000000.1"] {
            assert_eq!(bad.parse::<Position>(), Err(ParsePositionError(())), "{bad}");
        }
    }
}
