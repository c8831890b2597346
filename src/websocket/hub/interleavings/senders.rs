//! Senders that wait for room in the outbox that rooms use too.

use shuttle::future::{block_on, spawn};
use shuttle::thread;

use super::super::{Hub, Lag, Position};
use super::{Visitor, check, join_all, publishers};
use crate::websocket::{CloseCode, Config};

fn narrow() -> Visitor {
    Visitor::with(32, Config::new().high_water_mark(1).outbox(1 << 16, 1))
}

fn message(epoch: u64, offset: u64) -> Position {
    Position { epoch, offset }
}

#[test]
fn senders_that_wait_are_woken() {
    check(|| {
        let hub: Hub = Hub::builder().lag(Lag::DropOldest).build();
        let mut visitor = narrow();
        let membership = hub.join("x", &visitor.sender());
        let publishers = publishers(&hub, 1, 2);
        let senders = [1, 2].map(|epoch| {
            let sender = visitor.sender();
            thread::spawn(move || {
                for offset in 1..=2 {
                    let message = message(epoch, offset).to_string();
                    block_on(sender.send(message.into())).unwrap();
                }
            })
        });
        let mut heard = Vec::new();
        while heard.iter().filter(|position: &&Position| position.epoch <= 2).count() < 4 {
            let next = block_on(futures_util::StreamExt::next(&mut visitor.peer));
            heard.push(super::position(&next.unwrap().unwrap()));
        }
        join_all(senders.into());
        join_all(publishers);
        let lost = membership.lost();
        drop(membership);
        heard.extend(visitor.rest());
        // Nobody's message is lost but the room's, which says so; and each comes in its order.
        assert_eq!(heard.len() as u64 + lost, 4 + 2);
        for epoch in [1, 2] {
            let of_one = heard.iter().filter(|position| position.epoch == epoch);
            assert!(of_one.map(|position| position.offset).eq(1..=2));
        }
    });
}

#[test]
fn senders_that_wait_hear_of_the_end() {
    check(|| {
        let hub = Hub::new();
        let visitor = narrow();
        let membership = hub.join("x", &visitor.sender());
        let waiting = [1, 2].map(|epoch| {
            let sender = visitor.sender();
            spawn(async move {
                let mut sent = 0;
                while sender.send(message(epoch, sent + 1).to_string().into()).await.is_ok() {
                    sent += 1;
                }
                sent
            })
        });
        let sender = visitor.sender();
        let closed = spawn(async move { sender.closed().await });
        let closing = thread::spawn({
            let sender = visitor.sender();
            move || sender.close(CloseCode::Away, "").unwrap()
        });
        let sent: u64 = waiting.into_iter().map(|task| block_on(task).unwrap()).sum();
        block_on(closed).unwrap();
        closing.join().unwrap();
        assert!(!membership.is_member());
        let (heard, last) = visitor.end();
        assert_eq!((heard.len() as u64, last.code), (sent, CloseCode::Away));
    });
}
