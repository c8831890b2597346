//! Who comes back while others send.

use shuttle::future::block_on;
use shuttle::thread;

use super::super::{History, Hub, Position};
use super::{Visitor, check, join_all, piece, publishers, say};

/// Joins, loses its connection with this much seen, and comes back on another; returns where it was, what it then got
/// and whether it was told that this is all.
fn comes_back(hub: &Hub) -> (Option<Position>, Vec<Position>, bool) {
    let mut visitor = Visitor::new();
    let first = block_on(hub.join_since("x", &visitor.sender(), &[]));
    let seen = visitor.heard();
    piece(&seen);
    let Visitor { socket, peer, session } = visitor;
    drop((peer, socket));
    let seen = seen.last().copied();
    let visitor = Visitor::new();
    let again = block_on(hub.join_since("x", &visitor.sender(), seen.as_slice()));
    drop(first);
    say(hub, "x");
    drop(again.membership);
    let heard = visitor.rest();
    block_on(session).unwrap();
    // What was replayed is what was sent before this moment.
    let [now] = again.positions[..] else {
        panic!("one process has one epoch")
    };
    assert!(
        heard[..again.replayed]
            .iter()
            .all(|position| position.offset <= now.offset)
    );
    assert!(
        heard[again.replayed..]
            .iter()
            .all(|position| position.offset > now.offset)
    );
    assert!(heard.iter().all(|position| position.epoch == now.epoch));
    piece(&heard);
    (seen, heard, again.complete)
}

/// Whether nothing is missing between what was seen and what was heard then.
fn follows(seen: Option<Position>, heard: &[Position]) -> bool {
    let seen = seen.unwrap_or(Position {
        epoch: heard[0].epoch,
        offset: 0,
    });
    (seen.epoch, seen.offset + 1) == (heard[0].epoch, heard[0].offset)
}

fn while_others_send(history: History, verdict: fn(complete: bool, follows: bool)) {
    check(move || {
        let hub: Hub = Hub::builder().history(history).build();
        let publishers = publishers(&hub, 2, 2);
        let guests = (0..2).map(|_| {
            let hub = hub.clone();
            thread::spawn(move || {
                let (seen, heard, complete) = comes_back(&hub);
                verdict(complete, follows(seen, &heard));
            })
        });
        join_all(guests.collect());
        join_all(publishers);
        assert_eq!(hub.count("x"), 0);
        assert_eq!(hub.rooms(), usize::from(history != History::new().rooms(0)));
    });
}

#[test]
fn no_gap_and_none_twice() {
    while_others_send(History::new(), |complete, follows| assert!(complete && follows));
}

#[test]
fn a_gap_is_told() {
    while_others_send(History::new().messages(1), |complete, follows| {
        assert_eq!(complete, follows);
    });
}

#[test]
fn rooms_without_members_are_forgotten_under_all_hands() {
    while_others_send(History::new().rooms(0), |complete, follows| {
        assert!(follows || !complete);
    });
}
