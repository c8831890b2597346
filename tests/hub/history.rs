//! Coming back: what was missed, then what is new, without a gap and nothing twice; or the plain word that it is not all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::advance;
use upsock::ws::hub::{History, Hub, Position, Rejoined};
use upsock::ws::{Config, Message};

use crate::peer::{BINARY, TEXT, soon};
use crate::{Visitor, stall};

fn hub(history: History) -> Hub {
    Hub::builder().history(history).build()
}

/// Sends so many; returns their positions.
fn send(hub: &Hub, texts: std::ops::RangeInclusive<usize>) -> Vec<Position> {
    let mut positions = Vec::new();
    for number in texts {
        hub.broadcast_at("x", |position| {
            positions.push(position);
            number.to_string().into()
        });
    }
    positions
}

async fn expect(visitor: &mut Visitor, texts: std::ops::RangeInclusive<usize>) {
    for number in texts {
        visitor.expect(number.to_string()).await;
    }
    visitor.client.expect_silence().await;
}

fn facts(rejoined: &Rejoined) -> (usize, bool) {
    (rejoined.replayed, rejoined.complete)
}

#[tokio::test]
async fn whoever_comes_back_gets_what_was_missed_and_then_what_is_new() {
    let hub = hub(History::new());
    let positions = send(&hub, 1..=10);
    for (number, position) in positions.iter().enumerate() {
        assert_eq!(
            (position.epoch, position.offset),
            (positions[0].epoch, number as u64 + 1)
        );
    }
    for seen in [1, 5, 10] {
        let mut visitor = Visitor::new();
        let rejoined = hub.join_since("x", &visitor.sender(), &[positions[seen - 1]]).await;
        assert_eq!(facts(&rejoined), (10 - seen, true));
        assert_eq!(rejoined.positions, [positions[9]]);
        assert_eq!(hub.broadcast("y", "elsewhere"), 0);
        expect(&mut visitor, seen + 1..=10).await;
    }
    let mut visitor = Visitor::new();
    let _rejoined = hub.join_since("x", &visitor.sender(), &positions[7..8]).await;
    assert_eq!(send(&hub, 11..=13).len(), 3);
    expect(&mut visitor, 9..=13).await;
}

#[tokio::test]
async fn a_new_client_gets_all_that_is_kept() {
    let hub = hub(History::new().messages(5));
    send(&hub, 1..=5);
    let mut visitor = Visitor::new();
    assert_eq!(facts(&hub.join_since("x", &visitor.sender(), &[]).await), (5, true));
    expect(&mut visitor, 1..=5).await;
    send(&hub, 6..=7);
    let mut visitor = Visitor::new();
    assert_eq!(facts(&hub.join_since("x", &visitor.sender(), &[]).await), (5, false));
    expect(&mut visitor, 3..=7).await;
}

#[tokio::test]
async fn what_is_not_left_is_said() {
    let hub = hub(History::new().messages(5));
    let positions = send(&hub, 1..=12);
    for (seen, complete) in [(6, false), (7, true), (8, true)] {
        let mut visitor = Visitor::new();
        let rejoined = hub.join_since("x", &visitor.sender(), &[positions[seen - 1]]).await;
        assert_eq!(facts(&rejoined), (12 - seen.max(7), complete), "{seen}");
        expect(&mut visitor, seen.max(7) + 1..=12).await;
    }
    // Of another run of the server.
    let stranger = Position { epoch: 1, offset: 8 };
    let visitor = Visitor::new();
    assert_eq!(
        facts(&hub.join_since("x", &visitor.sender(), &[stranger]).await),
        (5, false)
    );
    let stranger = Position { epoch: 1, offset: 0 };
    assert_eq!(
        facts(&hub.join_since("x", &visitor.sender(), &[stranger]).await),
        (5, false)
    );
}

#[tokio::test]
async fn without_a_history_nothing_is_left() {
    let hub = Hub::new();
    let visitor = Visitor::new();
    let _there = hub.join("x", &visitor.sender());
    let positions = send(&hub, 1..=2);
    let visitor = Visitor::new();
    let come = async |seen: &[Position]| facts(&hub.join_since("x", &visitor.sender(), seen).await);
    assert_eq!(come(&positions[1..]).await, (0, true));
    assert_eq!(come(&positions[..1]).await, (0, false));
    assert_eq!(come(&[]).await, (0, false));
}

#[tokio::test]
async fn the_bytes_are_bounded() {
    let hub = hub(History::new().bytes(1000));
    for _ in 0..10 {
        hub.broadcast("x", vec![7; 298]);
    }
    let visitor = Visitor::new();
    // Each with a header of four bytes.
    assert_eq!(facts(&hub.join_since("x", &visitor.sender(), &[]).await), (3, false));
    hub.broadcast("x", vec![7; 2000]);
    let visitor = Visitor::new();
    assert_eq!(facts(&hub.join_since("x", &visitor.sender(), &[]).await), (0, false));
}

#[tokio::test(start_paused = true)]
async fn the_age_is_bounded() {
    let hub = hub(History::new().age(Duration::from_secs(60)));
    let positions = send(&hub, 1..=2);
    advance(Duration::from_secs(40)).await;
    send(&hub, 3..=4);
    advance(Duration::from_secs(30)).await;
    let visitor = Visitor::new();
    let rejoined = hub.join_since("x", &visitor.sender(), &positions[..1]).await;
    assert_eq!(facts(&rejoined), (2, false));
    let rejoined = hub.join_since("x", &visitor.sender(), &positions[1..]).await;
    assert_eq!(facts(&rejoined), (2, true));
}

/// A room that everybody has left is kept, for as long as its history.
#[tokio::test(start_paused = true)]
async fn a_room_is_kept_for_its_history_and_no_longer() {
    let hub = hub(History::new().age(Duration::from_secs(60)));
    let visitor = Visitor::new();
    drop(hub.join("x", &visitor.sender()));
    let positions = send(&hub, 1..=2);
    assert_eq!(hub.rooms(), 1);
    drop(hub.join_since("x", &visitor.sender(), &positions[..1]).await);
    advance(Duration::from_secs(61)).await;
    // Whatever happens next.
    drop(hub.join("y", &visitor.sender()));
    drop(hub.join("z", &visitor.sender()));
    assert_eq!(hub.rooms(), 2, "y and z are young");
    let rejoined = hub.join_since("x", &visitor.sender(), &positions[1..]).await;
    assert_eq!(facts(&rejoined), (0, false), "it is another room of that name");
}

#[tokio::test]
async fn only_so_many_rooms_are_kept() {
    let hub = hub(History::new().rooms(10));
    let visitor = Visitor::new();
    let _there = hub.join("stays", &visitor.sender());
    for room in 0..1000 {
        hub.broadcast(&room.to_string(), "hello");
        assert!(hub.rooms() <= 12, "{} rooms", hub.rooms());
    }
    assert_eq!(hub.count("stays"), 1);
}

/// It is more than the outbox takes, and no lag: its peer has only just come.
#[tokio::test]
async fn what_is_replayed_does_not_count_for_the_outbox() {
    let hub = hub(History::new().messages(1000).bytes(usize::MAX));
    send(&hub, 1..=500);
    let mut visitor = Visitor::stalled(4).await;
    let rejoined = hub.join_since("x", &visitor.sender(), &[]).await;
    assert_eq!(facts(&rejoined), (500, true));
    assert_eq!(send(&hub, 501..=504).len(), 4);
    assert!(rejoined.membership.is_member());
    visitor.expect(stall()).await;
    expect(&mut visitor, 1..=504).await;
    assert!(rejoined.membership.is_member());
}

/// But a peer that does not read, and comes back again and again, does not pile it up.
#[tokio::test]
async fn what_is_replayed_is_bounded() {
    let hub = hub(History::new().messages(1000).bytes(usize::MAX));
    send(&hub, 1..=1000);
    let visitor = Visitor::stalled(4).await;
    let mut all = 0;
    let mut complete = true;
    for _ in 0..20 {
        let rejoined = hub.join_since("x", &visitor.sender(), &[]).await;
        all += rejoined.replayed;
        complete = rejoined.complete;
    }
    assert_eq!((all, complete), (16 * 1024, false));
    // Ten of a mebibyte, or so.
    let large: Hub = Hub::builder().history(History::new().bytes(usize::MAX)).build();
    for _ in 0..10 {
        large.broadcast("x", vec![0; (1 << 20) + 1000]);
    }
    let visitor = Visitor::stalled(4).await;
    let first = large.join_since("x", &visitor.sender(), &[]).await;
    let second = large.join_since("x", &visitor.sender(), &[]).await;
    assert_eq!((first.replayed, second.replayed), (10, 5));
}

#[tokio::test]
async fn long_messages_are_replayed_as_they_are() {
    let hub = hub(History::new().bytes(1 << 20));
    let data: Vec<u8> = (0..300_000).map(|i| (i % 251) as u8).collect();
    hub.broadcast("x", data.clone());
    hub.broadcast("x", "short");
    let mut visitor = Visitor::new();
    let _membership = hub.join_since("x", &visitor.sender(), &[]).await;
    let frame = visitor.client.frame().await;
    assert!(frame.opcode == BINARY && frame.payload == data);
    visitor.expect("short").await;
}

/// Clients that come and go while others send: each gets each message once, whichever of its visits it was in.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_gap_and_nothing_twice_while_others_send() {
    const MESSAGES: u64 = 6000;
    let hub = Arc::new(hub(History::new().messages(usize::MAX).bytes(usize::MAX)));
    let start = hub.join_since("x", &Visitor::new().sender(), &[]).await.positions;
    let done = Arc::new(AtomicBool::new(false));
    let publishers: Vec<_> = (0..2)
        .map(|_| {
            let (hub, done) = (hub.clone(), done.clone());
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let mut sent = 0;
                    hub.broadcast_at("x", |position| {
                        sent = position.offset;
                        Message::text(position.to_string())
                    });
                    if sent >= MESSAGES {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let clients: Vec<_> = (1..=8)
        .map(|client| {
            let hub = hub.clone();
            let mut seen = start[0];
            tokio::spawn(async move {
                let mut visits = 0;
                while seen.offset < MESSAGES {
                    let config = Config::new().outbox(usize::MAX, usize::MAX);
                    let mut visitor = Visitor::with(4096, config);
                    let rejoined = hub.join_since("x", &visitor.sender(), &[seen]).await;
                    assert!(rejoined.complete);
                    visits += 1;
                    let until = (seen.offset + 100 * client).min(MESSAGES);
                    while seen.offset < until {
                        let frame = visitor.client.frame().await;
                        assert_eq!(frame.opcode, TEXT);
                        let position: Position = std::str::from_utf8(&frame.payload).unwrap().parse().unwrap();
                        assert_eq!((position.epoch, position.offset), (seen.epoch, seen.offset + 1));
                        seen = position;
                    }
                }
                visits
            })
        })
        .collect();
    for client in clients {
        assert!(soon(client).await.unwrap() > 5);
    }
    done.store(true, Ordering::Relaxed);
    for publisher in publishers {
        publisher.await.unwrap();
    }
}
