//! What a room has sent, kept for those who come back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Position;
use crate::websocket::link::rooms::Share;

/// How much of what was sent each room keeps: [`HubBuilder::history`](super::HubBuilder::history).
///
/// Whatever passes one of the bounds is forgotten, the oldest first. A kept message holds its own bytes and no more. A
/// room that everybody has left is kept with its history, until all of it is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// How many [messages](Self::messages()) each room keeps.
    pub messages: usize,
    /// How many [bytes](Self::bytes()) each room keeps.
    pub bytes: usize,
    /// [How long](Self::age()) a message is kept.
    pub age: Duration,
    /// How many [rooms](Self::rooms()) without members are kept.
    pub rooms: usize,
}

impl Default for History {
    fn default() -> Self {
        Self {
            messages: 256,
            bytes: 256 * 1024,
            age: Duration::from_secs(600),
            rooms: 1024,
        }
    }
}

impl History {
    /// All bounds at their defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many messages each room keeps. Default: 256.
    pub fn messages(mut self, messages: usize) -> Self {
        self.messages = messages;
        self
    }

    /// How many bytes each room keeps, of whole frames. Default: 256 KiB.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How long a message is kept. Default: 10 minutes.
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// How many rooms without members are kept; beyond it some are forgotten. Default: 1,024.
    pub fn rooms(mut self, rooms: usize) -> Self {
        self.rooms = rooms;
        self
    }
}

/// How far the messages of one epoch have come, and which of them are kept: those beyond `floor`.
#[derive(Clone, Copy, Debug)]
struct Heard {
    epoch: u64,
    last: u64,
    floor: u64,
}

/// Of how many processes a room remembers how far they are.
const MAX_EPOCHS: usize = 64;

/// What a room has heard, and what it keeps of that.
#[derive(Debug)]
pub(super) struct Log {
    /// Our own epoch first.
    heard: Vec<Heard>,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// Where the next replayed message belongs: before what has come since.
    replay_at: usize,
}

#[derive(Debug)]
pub(super) struct Kept {
    position: Position,
    pub(super) share: Arc<Share>,
    at: Instant,
}

/// What a position in an epoch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It is the next one, or the first of its epoch.
    Next,
    /// So many before it were lost.
    Gap(u64),
    /// It was heard before.
    Old,
}

impl Log {
    pub(super) fn new(epoch: u64) -> Self {
        let (last, floor) = (0, 0);
        Self {
            heard: vec![Heard { epoch, last, floor }],
            kept: VecDeque::new(),
            bytes: 0,
            replay_at: 0,
        }
    }

    /// Our own next position.
    pub(super) fn next(&self) -> Position {
        let Heard { epoch, last, .. } = self.heard[0];
        Position {
            epoch,
            offset: last + 1,
        }
    }

    /// The last position of each epoch, our own first.
    pub(super) fn positions(&self) -> Vec<Position> {
        let position = |heard: &Heard| Position {
            epoch: heard.epoch,
            offset: heard.last,
        };
        self.heard.iter().map(position).collect()
    }

    /// Notes that a message has come.
    pub(super) fn hear(&mut self, position: Position) -> News {
        let Position { epoch, offset } = position;
        match self.heard.iter_mut().find(|heard| heard.epoch == epoch) {
            Some(heard) if offset <= heard.last => News::Old,
            Some(heard) => {
                let missed = offset - heard.last - 1;
                if missed > 0 {
                    heard.floor = offset - 1;
                }
                heard.last = offset;
                if missed > 0 { News::Gap(missed) } else { News::Next }
            }
            None => {
                if self.heard.len() == MAX_EPOCHS {
                    self.heard.remove(1);
                }
                self.heard.push(Heard {
                    epoch,
                    last: offset,
                    floor: offset.saturating_sub(1),
                });
                News::Next
            }
        }
    }

    /// Keeps a message that was [heard](Self::hear), within the bounds.
    pub(super) fn keep(&mut self, position: Position, share: &Arc<Share>, replayed: bool, history: &History) {
        let kept = Kept {
            position,
            share: share.clone(),
            at: Instant::now(),
        };
        self.bytes += share.frame.encoded().len();
        if replayed {
            self.kept.insert(self.replay_at, kept);
            self.replay_at += 1;
        } else {
            self.kept.push_back(kept);
        }
        self.forget(history);
    }

    /// Nothing is kept of a message that was [heard](Self::hear).
    pub(super) fn skip(&mut self, position: Position) {
        if let Some(heard) = self.heard.iter_mut().find(|heard| heard.epoch == position.epoch) {
            heard.floor = position.offset;
        }
    }

    /// Forgets what passes the bounds.
    pub(super) fn forget(&mut self, history: &History) {
        let now = Instant::now();
        while let Some(oldest) = self.kept.front() {
            let within = self.kept.len() <= history.messages
                && self.bytes <= history.bytes
                && now.duration_since(oldest.at) < history.age;
            if within {
                break;
            }
            if let Some(Kept { position, share, .. }) = self.kept.pop_front() {
                self.bytes -= share.frame.encoded().len();
                self.replay_at = self.replay_at.saturating_sub(1);
                self.skip(position);
            }
        }
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
    }

    /// What has come after these positions, as far as it is kept, and whether that is all.
    ///
    /// With `others`, this hears of other processes: an epoch that is unknown here, and in which nothing had been sent,
    /// is one of theirs.
    pub(super) fn since(&self, positions: &[Position], others: bool) -> (impl Iterator<Item = &Kept>, bool) {
        let seen = |epoch| {
            let of_epoch = positions.iter().filter(move |position| position.epoch == epoch);
            of_epoch.map(|position| position.offset).max().unwrap_or(0)
        };
        let all_left = self.heard.iter().all(|heard| heard.floor <= seen(heard.epoch));
        let all_known = positions.iter().all(|position| {
            (others && position.offset == 0) || self.heard.iter().any(|heard| heard.epoch == position.epoch)
        });
        let missed = self
            .kept
            .iter()
            .filter(move |kept| kept.position.offset > seen(kept.position.epoch));
        (missed, all_left && all_known)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}
