//! Random operations, beside a reference that is too simple to be wrong.

use std::collections::{HashMap, VecDeque};

use upsock::ws::hub::{History, Hub, Lag, Membership, Position};

use crate::{Visitor, stall};

const OUTBOX: usize = 8;
const KEPT: usize = 6;
const ROOMS: [&str; 3] = ["x", "y", "z"];

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// What waits for a peer that does not read.
struct Expected {
    visitor: Visitor,
    outbox: VecDeque<Waiting>,
    closed: bool,
}

struct Waiting {
    text: String,
    room: Option<usize>,
    replayed: bool,
}

struct Place {
    visitor: usize,
    room: usize,
    lost: u64,
    membership: Membership,
}

impl Expected {
    /// Takes a message of a room as the policy says: whether it is taken, and how many of the room's are lost. An error
    /// if it is too slow.
    fn take(&mut self, text: &str, room: usize, lag: &Lag) -> Result<(bool, u64), ()> {
        let mut lost = 0;
        if matches!(lag, Lag::Conflate(_)) {
            let key = text.split_once(' ').unwrap().0.to_owned() + " ";
            let before = self.outbox.len();
            self.outbox
                .retain(|waiting| waiting.replayed || waiting.room != Some(room) || !waiting.text.starts_with(&key));
            lost += (before - self.outbox.len()) as u64;
        }
        let full = |outbox: &VecDeque<Waiting>| outbox.iter().filter(|waiting| !waiting.replayed).count() >= OUTBOX;
        while full(&self.outbox) {
            let oldest = self
                .outbox
                .iter()
                .position(|waiting| waiting.room == Some(room) && !waiting.replayed);
            match (lag, oldest) {
                (Lag::Disconnect, _) => return Err(()),
                (Lag::DropNewest, _) | (_, None) => return Ok((false, lost + 1)),
                (_, Some(oldest)) => drop(self.outbox.remove(oldest)),
            }
            lost += 1;
        }
        self.outbox.push_back(Waiting {
            text: text.into(),
            room: Some(room),
            replayed: false,
        });
        Ok((true, lost))
    }
}

async fn play(seed: u64, lag: Lag) {
    let mut dice = Dice(seed * 2 + 1);
    let hub: Hub = Hub::builder()
        .lag(lag.clone())
        .history(History::new().messages(KEPT))
        .build();
    let mut visitors = Vec::new();
    for _ in 0..3 {
        visitors.push(Expected {
            visitor: Visitor::stalled(OUTBOX).await,
            outbox: VecDeque::new(),
            closed: false,
        });
    }
    let mut places: Vec<Place> = Vec::new();
    let mut said: HashMap<usize, Vec<(Position, String)>> = HashMap::new();
    for step in 0..80 {
        let (visitor, room) = (dice.roll(visitors.len()), dice.roll(ROOMS.len()));
        let sender = visitors[visitor].visitor.sender();
        // Once in a room: which of two places has lost a message would be chance.
        let is_there = places
            .iter()
            .any(|place| (place.visitor, place.room) == (visitor, room));
        match dice.roll(10) {
            0 if !is_there => places.push(Place {
                visitor,
                room,
                lost: 0,
                membership: hub.join(ROOMS[room], &sender),
            }),
            1 if !places.is_empty() => drop(places.swap_remove(dice.roll(places.len()))),
            2 if !is_there => {
                let said = said.entry(room).or_default();
                let seen = dice.roll(said.len() + 1);
                let position: Vec<Position> = said[..seen].last().map(|(position, _)| *position).into_iter().collect();
                let back = hub.join_since(ROOMS[room], &sender, &position).await;
                let floor = said.len().saturating_sub(KEPT);
                let missed = &said[seen.max(floor)..];
                let expected = &mut visitors[visitor];
                if !expected.closed {
                    assert_eq!((back.replayed, back.complete), (missed.len(), seen >= floor));
                    expected.outbox.extend(missed.iter().map(|(_, text)| Waiting {
                        text: text.clone(),
                        room: Some(room),
                        replayed: true,
                    }));
                }
                places.push(Place {
                    visitor,
                    room,
                    lost: 0,
                    membership: back.membership,
                });
            }
            3 => {
                let text = format!("private {step}");
                let outbox = &mut visitors[visitor].outbox;
                let full = outbox.iter().filter(|waiting| !waiting.replayed).count() >= OUTBOX;
                let taken = sender.try_send(text.clone().into()).is_ok();
                assert_eq!(taken, !full && !visitors[visitor].closed);
                if taken {
                    visitors[visitor].outbox.push_back(Waiting {
                        text,
                        room: None,
                        replayed: false,
                    });
                }
            }
            _ => {
                let except = (dice.roll(3) == 0).then(|| sender.id());
                let text = format!("{} {step}", dice.roll(4));
                let mut at = None;
                let note = |position| {
                    at = Some(position);
                    text.clone().into()
                };
                let reached = match except {
                    Some(id) => hub.except(id).broadcast_at(ROOMS[room], note),
                    None => hub.broadcast_at(ROOMS[room], note),
                };
                said.entry(room).or_default().push((at.unwrap(), text.clone()));
                let mut expected = 0;
                let mut slow = Vec::new();
                for place in places.iter_mut().filter(|place| place.room == room) {
                    let there = &mut visitors[place.visitor];
                    if there.closed || except == Some(there.visitor.sender().id()) {
                        continue;
                    }
                    match there.take(&text, room, &lag) {
                        Err(()) => slow.push(place.visitor),
                        Ok((taken, lost)) => {
                            place.lost += lost;
                            expected += usize::from(taken);
                        }
                    }
                }
                for visitor in slow {
                    visitors[visitor].closed = true;
                    visitors[visitor].outbox.retain(|waiting| waiting.room.is_none());
                }
                assert_eq!(reached, expected, "step {step}");
            }
        }
        for place in &places {
            assert_eq!(place.membership.lost(), place.lost, "step {step}");
            assert_eq!(place.membership.is_member(), !visitors[place.visitor].closed);
        }
        for (room, key) in ROOMS.iter().enumerate() {
            let members = places
                .iter()
                .filter(|place| place.room == room && !visitors[place.visitor].closed);
            assert_eq!(hub.count(key), members.count());
        }
    }
    for mut expected in visitors {
        expected.visitor.expect(stall()).await;
        for waiting in expected.outbox {
            expected.visitor.expect(waiting.text).await;
        }
        if expected.closed {
            expected.visitor.client.expect_close(1013, "too slow").await;
        } else {
            expected.visitor.client.ping_pong().await;
        }
    }
}

/// Tells which seed fails.
async fn play_all(lag: Lag) {
    for seed in 0..60 {
        println!("seed {seed}, {lag:?}");
        play(seed, lag.clone()).await;
    }
}

#[tokio::test]
async fn slow_ones_are_disconnected() {
    play_all(Lag::Disconnect).await;
}

#[tokio::test]
async fn the_oldest_are_dropped() {
    play_all(Lag::DropOldest).await;
}

#[tokio::test]
async fn the_newest_are_dropped() {
    play_all(Lag::DropNewest).await;
}

#[tokio::test]
async fn the_newest_of_each_key_is_kept() {
    let key = |message: &upsock::ws::Message| Some(message.to_text().ok()?.split_once(' ')?.0.to_owned());
    play_all(Lag::conflate(key)).await;
}
