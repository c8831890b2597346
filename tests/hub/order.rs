//! All members of a room get its messages in one order, each once.

use std::sync::Arc;

use tokio::task::JoinSet;
use upsock::ws::Config;
use upsock::ws::hub::Hub;

use crate::peer::TEXT;
use crate::{Visitor, until};

const PUBLISHERS: usize = 8;
const MESSAGES: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_publishers_one_order() {
    let hub: Arc<Hub> = Hub::new().into();
    // Some are slower than others.
    let mut readers = JoinSet::new();
    let mut memberships = Vec::new();
    for bytes in [1 << 16, 1000, 64, 7] {
        let mut visitor = Visitor::with(bytes, Config::new());
        memberships.push(hub.join("x", &visitor.sender()));
        readers.spawn(async move {
            // All of it: the socket stays open with its visitor.
            let visitor = &mut visitor;
            let mut seen = Vec::new();
            while seen.len() < PUBLISHERS * MESSAGES {
                let frame = visitor.client.frame().await;
                assert_eq!(frame.opcode, TEXT);
                seen.push(String::from_utf8(frame.payload).unwrap());
            }
            seen
        });
    }
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let hub = hub.clone();
        publishers.spawn(async move {
            for number in 0..MESSAGES {
                assert_eq!(hub.broadcast("x", format!("{publisher} {number}")), 4);
                tokio::task::yield_now().await;
            }
        });
    }
    publishers.join_all().await;
    let all = readers.join_all().await;
    assert!(all.iter().all(|seen| *seen == all[0]), "they differ");
    for publisher in 0..PUBLISHERS {
        let own = all[0].iter().filter(|text| text.starts_with(&format!("{publisher} ")));
        let expected = (0..MESSAGES).map(|number| format!("{publisher} {number}"));
        assert!(own.cloned().eq(expected));
    }
}

/// What a closure sends by itself and what it gets from a room go the same way.
#[tokio::test]
async fn a_room_and_a_sender_keep_the_order_of_one_task() {
    let hub = Hub::new();
    let mut visitor = Visitor::with(50, Config::new().high_water_mark(1));
    let _membership = hub.join("x", &visitor.sender());
    let sender = visitor.sender();
    for number in 0..100 {
        if number % 3 == 0 {
            sender.try_send(number.to_string().into()).unwrap();
        } else {
            assert_eq!(hub.broadcast("x", number.to_string()), 1);
        }
    }
    for number in 0..100 {
        visitor.expect(number.to_string()).await;
    }
}

/// What a room has sent leaves before a Close frame, as what a sender has.
#[tokio::test]
async fn what_was_broadcast_leaves_before_the_close_frame() {
    let hub = Hub::new();
    let mut visitor = Visitor::with(10, Config::new().high_water_mark(1));
    let membership = hub.join("x", &visitor.sender());
    for number in 0..50 {
        hub.broadcast("x", number.to_string());
    }
    drop(membership);
    drop(visitor.socket);
    for number in 0..50 {
        visitor.client.expect(TEXT, number.to_string()).await;
    }
    visitor.client.expect_close(1000, "").await;
    until(|| hub.rooms() == 0).await;
}
