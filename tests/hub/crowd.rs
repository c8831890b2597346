//! A thousand members, of whom some stall and some vanish, and a hundred publishers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::{JoinSet, yield_now};
use upsock::ws::Config;
use upsock::ws::hub::Hub;

use crate::peer::{CLOSE, TEXT, soon};
use crate::{Visitor, until};

const STALLED: usize = 50;
const DROPPING: usize = 50;
const OTHERS: usize = 900;
const PUBLISHERS: usize = 10;
const MESSAGES: usize = 30;

fn config() -> Config {
    // The others may be behind by all that there is, on a slow machine; those who stall take nothing.
    Config::new().outbox(1 << 20, PUBLISHERS * MESSAGES)
}

/// What each publisher said comes in its order, and nothing twice.
fn check(said: &mut [usize; PUBLISHERS], payload: &[u8]) {
    let text = std::str::from_utf8(payload).unwrap();
    let (publisher, number) = text.trim_end_matches('.').split_once(' ').unwrap();
    let said = &mut said[publisher.parse::<usize>().unwrap()];
    assert_eq!(number.parse::<usize>().unwrap(), *said);
    *said += 1;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_others_get_everything_once_and_in_order() {
    let hub = Arc::new(Hub::new());
    let mut memberships = Vec::new();
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        let patient = config()
            .write_deadline(Duration::from_secs(60))
            .close_timeout(Duration::from_secs(60));
        let visitor = Visitor::with(100, patient.high_water_mark(1).outbox(1 << 20, 20));
        memberships.push(hub.join("x", &visitor.sender()));
        stalled.push(visitor);
    }
    let mut dropping = JoinSet::new();
    for number in 0..DROPPING {
        let mut visitor = Visitor::with(1000, config());
        memberships.push(hub.join("x", &visitor.sender()));
        dropping.spawn(async move {
            // All of it: the socket stays open with its visitor.
            let visitor = &mut visitor;
            let mut said = [0; PUBLISHERS];
            // Up to the middle of all, each elsewhere, without a word.
            for _ in 0..number * 3 {
                let frame = visitor.client.frame().await;
                check(&mut said, &frame.payload);
            }
        });
    }
    let mut others = JoinSet::new();
    for _ in 0..OTHERS {
        let mut visitor = Visitor::with(1000, config());
        memberships.push(hub.join("x", &visitor.sender()));
        others.spawn(async move {
            let Visitor { client, socket } = &mut visitor;
            let mut said = [0; PUBLISHERS];
            for _ in 0..PUBLISHERS * MESSAGES {
                let frame = client.frame().await;
                assert_eq!(frame.opcode, TEXT);
                check(&mut said, &frame.payload);
            }
            assert_eq!(said, [MESSAGES; PUBLISHERS]);
            client.ping_pong().await;
            assert!(!socket.sender().is_closed());
            visitor
        });
    }
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let hub = hub.clone();
        publishers.spawn(async move {
            for number in 0..MESSAGES {
                assert!(hub.broadcast("x", format!("{publisher} {number}{}", ".".repeat(100))) >= OTHERS);
                yield_now().await;
            }
        });
    }
    publishers.join_all().await;
    let others = tokio::time::timeout(Duration::from_secs(60), others.join_all())
        .await
        .unwrap();
    dropping.join_all().await;
    until(|| hub.count("x") == OTHERS).await;
    for visitor in &mut stalled {
        loop {
            let frame = visitor.client.frame().await;
            if frame.opcode == CLOSE {
                assert_eq!(frame.payload, [&1013u16.to_be_bytes()[..], b"too slow"].concat());
                break;
            }
        }
    }
    drop(others);
    until(|| hub.rooms() == 0).await;
}

/// Members come and go between the messages of a hundred publishers: whoever is there for a while gets a piece of the
/// one order, without a hole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_publish_while_members_join_and_leave() {
    let hub = Arc::new(Hub::new());
    let done = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicUsize::new(0));
    // It is there all the time, and hears the order.
    let mut witness = Visitor::with(1 << 20, Config::new().outbox(usize::MAX, usize::MAX));
    let witnessing = hub.join("x", &witness.sender());
    let mut publishers = JoinSet::new();
    for publisher in 0..100 {
        let (hub, done, sent) = (hub.clone(), done.clone(), sent.clone());
        publishers.spawn(async move {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                hub.broadcast("x", format!("{publisher}.{number}"));
                sent.fetch_add(1, Ordering::Relaxed);
                number += 1;
                // No more than what a slow machine can bear.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    let mut guests = JoinSet::new();
    for guest in 1..=20 {
        let hub = hub.clone();
        guests.spawn(async move {
            let mut pieces = Vec::new();
            for visit in 0..10 {
                let mut visitor = Visitor::with(1000, Config::new().outbox(usize::MAX, usize::MAX));
                let membership = hub.join("x", &visitor.sender());
                let mut piece = Vec::new();
                while piece.len() < guest * 3 + visit {
                    let frame = visitor.client.frame().await;
                    piece.push(String::from_utf8(frame.payload).unwrap());
                }
                drop(membership);
                pieces.push(piece);
            }
            pieces
        });
    }
    let pieces: Vec<_> = guests.join_all().await.into_iter().flatten().collect();
    done.store(true, Ordering::Relaxed);
    publishers.join_all().await;
    assert_eq!(hub.count("x"), 1);
    drop(witnessing);
    assert_eq!(hub.rooms(), 0);
    let mut order = Vec::new();
    while order.len() < sent.load(Ordering::Relaxed) {
        let frame = soon(witness.client.try_frame()).await.unwrap().unwrap();
        order.push(String::from_utf8(frame.payload).unwrap());
    }
    for piece in pieces {
        let start = order.iter().position(|text| *text == piece[0]).unwrap();
        assert_eq!(order[start..start + piece.len()], piece[..]);
    }
}

/// Rooms come into being and end under everybody's hands, and none is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rooms_come_and_go_at_once() {
    let hub = Arc::new(Hub::new());
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let hub = hub.clone();
        tasks.spawn(async move {
            let mut visitor = Visitor::with(1 << 16, Config::new().outbox(usize::MAX, usize::MAX));
            for round in 0..2000 {
                let membership = hub.join("x", &visitor.sender());
                // It is in the very room that others send to.
                assert!(hub.broadcast("x", "hello") >= 1, "task {task}, round {round}");
                assert!(hub.count("x") >= 1);
                drop(membership);
                visitor.expect("hello").await;
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(hub.rooms(), 0);
}
