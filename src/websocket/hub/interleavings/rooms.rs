//! Who joins, leaves, ends or lags while others send.

use shuttle::future::block_on;
use shuttle::thread;

use super::super::{Hub, Lag};
use super::{Visitor, check, join_all, piece, publishers, say};
use crate::websocket::link::Link;
use crate::websocket::{CloseCode, Config};

#[test]
fn everybody_gets_a_piece_of_the_one_order() {
    check(|| {
        let hub = Hub::new();
        let witness = Visitor::new();
        let witnessing = hub.join("x", &witness.sender());
        let publishers = publishers(&hub, 2, 3);
        let guests = (0..2).map(|_| {
            let hub = hub.clone();
            thread::spawn(move || {
                let visit = || {
                    let visitor = Visitor::new();
                    let membership = hub.join("x", &visitor.sender());
                    let reached = say(&hub, "x");
                    drop(membership);
                    let piece = piece(&visitor.rest());
                    // Its own message at least.
                    assert!(reached >= 2 && !piece.is_empty());
                    (reached, piece.count())
                };
                [visit(), visit()]
            })
        });
        let guests: Vec<_> = guests.collect();
        let reached: usize = join_all(publishers).iter().sum();
        let guests = join_all(guests).concat();
        drop(witnessing);
        assert_eq!(hub.rooms(), 0);
        assert_eq!(piece(&witness.rest()), 1..=10);
        let reached = reached + guests.iter().map(|(reached, _)| reached).sum::<usize>();
        assert_eq!(reached, 10 + guests.iter().map(|(_, heard)| heard).sum::<usize>());
    });
}

#[test]
fn rooms_end_and_begin_anew() {
    check(|| {
        let hub = Hub::new();
        let stranger = publishers(&hub, 1, 2);
        let guests = (0..3).map(|_| {
            let hub = hub.clone();
            thread::spawn(move || {
                let visitor = Visitor::new();
                let membership = hub.join("x", &visitor.sender());
                // It is in the very room that others send to.
                assert!(hub.count("x") >= 1);
                let reached = say(&hub, "x");
                assert!(reached >= 1 && hub.rooms() == 1);
                drop(membership);
                let piece = piece(&visitor.rest());
                assert!(!piece.is_empty());
                (reached, piece.count())
            })
        });
        let guests: Vec<_> = guests.collect();
        let reached = join_all(stranger)[0];
        let guests = join_all(guests);
        assert_eq!((hub.rooms(), hub.count("x")), (0, 0));
        let reached = reached + guests.iter().map(|(reached, _)| reached).sum::<usize>();
        assert_eq!(reached, guests.iter().map(|(_, heard)| heard).sum::<usize>());
    });
}

/// Whatever ends the socket: what it has joined before, joins now and joins later is left.
fn ends_while_it_joins(end: fn(Visitor, &Link)) {
    check(move || {
        let hub = Hub::new();
        let visitor = Visitor::new();
        let sender = visitor.sender();
        let before = hub.join("x", &sender);
        let ending = thread::spawn({
            let sender = sender.clone();
            move || end(visitor, sender.link())
        });
        let publishers = publishers(&hub, 1, 2);
        let memberships = [hub.join("x", &sender), hub.join("y", &sender), before];
        ending.join().unwrap();
        join_all(publishers);
        assert_eq!((hub.count("x"), hub.count("y"), hub.rooms()), (0, 0, 0));
        assert!(memberships.iter().all(|membership| !membership.is_member()));
    });
}

#[test]
fn it_joins_while_a_sender_closes_it() {
    ends_while_it_joins(|visitor, _| {
        visitor.rest();
    });
}

#[test]
fn it_joins_while_it_is_dropped() {
    ends_while_it_joins(|Visitor { socket, peer, session }, _| {
        drop(socket);
        drop(peer);
        block_on(session).unwrap();
    });
}

#[test]
fn it_joins_while_the_peer_vanishes() {
    ends_while_it_joins(|Visitor { socket, peer, session }, _| {
        drop(peer);
        block_on(session).unwrap();
        drop(socket);
    });
}

#[test]
fn it_joins_while_it_is_aborted() {
    ends_while_it_joins(|Visitor { session, .. }, link| {
        link.abort();
        block_on(session).unwrap();
    });
}

/// One who reads nothing until all is said.
fn stalled() -> Visitor {
    Visitor::with(8, Config::new().high_water_mark(1).outbox(1 << 16, 2))
}

#[test]
fn those_who_lag_are_disconnected_once() {
    check(|| {
        let hub = Hub::new();
        let witness = Visitor::new();
        let witnessing = hub.join("x", &witness.sender());
        let slow = [stalled(), stalled()];
        let memberships = slow.each_ref().map(|visitor| hub.join("x", &visitor.sender()));
        let reached: usize = join_all(publishers(&hub, 2, 3)).iter().sum();
        assert_eq!(hub.count("x"), 1);
        assert!(memberships.iter().all(|membership| !membership.is_member()));
        assert!((6 + 2..=6 + 2 * 3).contains(&reached));
        for visitor in slow {
            let (heard, last) = visitor.end();
            let heard = piece(&heard);
            assert!(*heard.start() == 1 && *heard.end() <= 1);
            assert_eq!((last.code, last.reason.as_str()), (CloseCode::Again, "too slow"));
        }
        drop(witnessing);
        assert_eq!(hub.rooms(), 0);
        assert_eq!(piece(&witness.rest()), 1..=6);
    });
}

#[test]
fn those_who_lag_are_told_what_they_lose() {
    check(|| {
        let hub: Hub = Hub::builder().lag(Lag::DropOldest).build();
        let slow = stalled();
        let membership = hub.join("x", &slow.sender());
        let publishers = publishers(&hub, 2, 3);
        // One in the session's hands, and two in the outbox.
        let mut told = 0;
        while told < 6 - 3 {
            told += block_on(membership.lagged());
        }
        join_all(publishers);
        while told < membership.lost() {
            told += block_on(membership.lagged());
        }
        let heard = slow.rest();
        assert_eq!(heard.len() as u64 + told, 6);
        assert!(heard.is_sorted_by(|a, b| a.offset < b.offset));
    });
}
