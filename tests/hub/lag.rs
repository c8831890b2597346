//! Members that are too slow: what they lose, how they learn it, and that nobody else notices.

use std::time::{Duration, Instant};

use upsock::ws::hub::{Hub, Lag, Membership};
use upsock::ws::{Config, Message};

use crate::peer::{TEXT, soon};
use crate::{Visitor, rest, stall, until};

fn hub(lag: Lag) -> Hub {
    Hub::builder().lag(lag).build()
}

/// Sends these to a stalled member; returns how many it took.
fn send(hub: &Hub, texts: impl IntoIterator<Item = String>) -> usize {
    texts.into_iter().map(|text| hub.broadcast("x", text)).sum()
}

async fn reads(visitor: &mut Visitor, texts: &[&str]) {
    visitor.expect(stall()).await;
    for text in texts {
        visitor.expect(text).await;
    }
    visitor.client.expect_silence().await;
}

#[tokio::test]
async fn disconnect_is_the_default() {
    for lag in [Lag::default(), Lag::Disconnect] {
        let hub = hub(lag);
        let mut visitor = Visitor::stalled(4).await;
        let membership = hub.join("x", &visitor.sender());
        assert_eq!(send(&hub, (1..=4).map(|number| number.to_string())), 4);
        assert!(membership.is_member());
        assert_eq!(hub.broadcast("x", "5"), 0);
        assert!(!membership.is_member() && visitor.sender().is_closed());
        assert_eq!((hub.rooms(), membership.lost()), (0, 0));
        // What rooms had for it is gone; the message that is on its way is not.
        visitor.expect(stall()).await;
        visitor.client.expect_close(1013, "too slow").await;
        visitor.client.send_close(1013).await;
        visitor.client.expect_end().await;
    }
}

#[tokio::test]
async fn disconnect_keeps_what_senders_have_sent() {
    let hub = hub(Lag::Disconnect);
    let mut visitor = Visitor::stalled(4).await;
    let _membership = hub.join("x", &visitor.sender());
    for number in 1..=4 {
        if number % 2 == 0 {
            hub.broadcast("x", number.to_string());
        } else {
            visitor.sender().try_send(number.to_string().into()).unwrap();
        }
    }
    assert_eq!(hub.broadcast("x", "5"), 0);
    visitor.expect(stall()).await;
    visitor.expect("1").await;
    visitor.expect("3").await;
    visitor.client.expect_close(1013, "too slow").await;
}

#[tokio::test]
async fn the_oldest_are_dropped() {
    let hub = hub(Lag::DropOldest);
    let mut visitor = Visitor::stalled(4).await;
    let membership = hub.join("x", &visitor.sender());
    assert_eq!(send(&hub, (1..=10).map(|number| number.to_string())), 10);
    assert_eq!(membership.lost(), 6);
    reads(&mut visitor, &["7", "8", "9", "10"]).await;
    assert_eq!(hub.broadcast("x", "it goes on"), 1);
    visitor.expect("it goes on").await;
    assert_eq!(membership.lost(), 6);
}

#[tokio::test]
async fn the_newest_are_dropped() {
    let hub = hub(Lag::DropNewest);
    let mut visitor = Visitor::stalled(4).await;
    let membership = hub.join("x", &visitor.sender());
    assert_eq!(send(&hub, (1..=10).map(|number| number.to_string())), 4);
    assert_eq!(membership.lost(), 6);
    reads(&mut visitor, &["1", "2", "3", "4"]).await;
    assert_eq!(hub.broadcast("x", "it goes on"), 1);
    visitor.expect("it goes on").await;
}

#[tokio::test]
async fn a_room_drops_only_its_own() {
    let hub = hub(Lag::DropOldest);
    let mut visitor = Visitor::stalled(4).await;
    let [x, y] = ["x", "y"].map(|room| hub.join(room, &visitor.sender()));
    visitor.sender().try_send("1".into()).unwrap();
    hub.broadcast("y", "2");
    hub.broadcast("x", "3");
    hub.broadcast("x", "4");
    assert_eq!(send(&hub, ["5".into(), "6".into(), "7".into()]), 3);
    assert_eq!((x.lost(), y.lost()), (3, 0));
    assert_eq!(hub.broadcast("y", "8"), 1);
    assert_eq!((x.lost(), y.lost()), (3, 1));
    // All that waits is somebody else's.
    let z = hub.join("z", &visitor.sender());
    assert_eq!(hub.broadcast("z", "9"), 0);
    assert_eq!(z.lost(), 1);
    reads(&mut visitor, &["1", "6", "7", "8"]).await;
}

#[tokio::test]
async fn the_bytes_are_bounded_too() {
    let hub = hub(Lag::DropOldest);
    let config = Config::new().high_water_mark(1).outbox(1000, usize::MAX);
    let mut visitor = Visitor::with(10, config);
    visitor.sender().send(stall().into()).await.unwrap();
    rest().await;
    let membership = hub.join("x", &visitor.sender());
    let text = |number: usize| format!("{number} {}", "x".repeat(400));
    assert_eq!(send(&hub, (1..=4).map(text)), 4);
    assert_eq!(membership.lost(), 2);
    // One that is longer than the whole outbox finds room in an empty one.
    assert_eq!(send(&hub, ["y".repeat(5000)]), 1);
    assert_eq!(membership.lost(), 4);
    assert_eq!(send(&hub, [text(6)]), 1);
    assert_eq!(membership.lost(), 5);
    reads(&mut visitor, &[&text(6)]).await;
}

fn ticker() -> Lag {
    Lag::conflate(|message: &Message| Some(message.to_text().ok()?.split_once(' ')?.0.to_owned()))
}

#[tokio::test]
async fn conflated_to_the_newest_of_each_key() {
    let hub = hub(ticker());
    let [mut slow, mut fast] = [Visitor::stalled(4).await, Visitor::new()];
    let [slowly, fastly] = [hub.join("x", &slow.sender()), hub.join("x", &fast.sender())];
    let all = ["a 1", "b 1", "a 2", "c 1", "a 3", "b 2"];
    for text in all {
        assert_eq!(hub.broadcast("x", text), 2);
        // One that keeps up gets all.
        fast.expect(text).await;
    }
    assert_eq!((slowly.lost(), fastly.lost()), (3, 0));
    // Those without a key are kept as long as there is room.
    for text in ["-", "+", "d 1"] {
        assert_eq!(hub.broadcast("x", text), 2);
    }
    assert_eq!(slowly.lost(), 5);
    reads(&mut slow, &["b 2", "-", "+", "d 1"]).await;
}

#[tokio::test]
async fn conflated_within_a_room() {
    let hub = hub(ticker());
    let mut slow = Visitor::stalled(4).await;
    let _memberships = ["x", "y"].map(|room| hub.join(room, &slow.sender()));
    for (room, text) in [("x", "a 1"), ("y", "a 2"), ("x", "a 3"), ("y", "a 4")] {
        assert_eq!(hub.broadcast(room, text), 1);
    }
    reads(&mut slow, &["a 3", "a 4"]).await;
}

/// What is lost is told while it happens, once.
#[tokio::test]
async fn a_member_hears_of_what_it_has_lost() {
    let hub = hub(Lag::DropNewest);
    let mut visitor = Visitor::stalled(2).await;
    let membership: Membership = hub.join("x", &visitor.sender());
    assert_eq!(send(&hub, (1..=5).map(|number| number.to_string())), 2);
    assert_eq!(soon(membership.lagged()).await, 3);
    let sender = visitor.sender();
    let told = tokio::spawn(async move {
        let lost = membership.lagged().await;
        sender.send(format!("{lost} lost").into()).await.unwrap();
    });
    rest().await;
    assert!(!told.is_finished(), "there is nothing to tell");
    hub.broadcast("x", "6");
    for text in [&stall(), "1", "2", "1 lost"] {
        visitor.expect(text).await;
    }
    soon(told).await.unwrap();
}

/// The others get each message while the slow ones are being disconnected or robbed, without delay.
#[tokio::test]
async fn a_stalled_member_changes_nobody_elses_latency() {
    for lag in [Lag::Disconnect, Lag::DropOldest, Lag::DropNewest, ticker()] {
        let hub = hub(lag);
        let mut stalled = Vec::new();
        for _ in 0..50 {
            stalled.push(Visitor::stalled(100).await);
        }
        let mut fast = Visitor::new();
        let mut memberships: Vec<_> = stalled.iter().map(|visitor| hub.join("x", &visitor.sender())).collect();
        memberships.push(hub.join("x", &fast.sender()));
        let mut slowest = Duration::ZERO;
        for number in 0..300 {
            let from = Instant::now();
            hub.broadcast("x", number.to_string());
            fast.client.expect(TEXT, number.to_string()).await;
            slowest = slowest.max(from.elapsed());
        }
        // A stall would cost seconds; this allows for a slow machine.
        assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    }
}

/// One that is disconnected holds no memory of the room any more.
#[tokio::test]
async fn a_disconnected_member_does_not_keep_the_messages() {
    let hub = hub(Lag::Disconnect);
    let config = Config::new().high_water_mark(1).outbox(1 << 20, 1024);
    let visitor = Visitor::with(10, config);
    let membership = hub.join("x", &visitor.sender());
    hub.broadcast("x", stall());
    rest().await;
    while hub.broadcast("x", vec![0; 100_000]) == 1 {}
    until(|| !membership.is_member()).await;
    rest().await;
    // What is left is what the session had taken, and a Close frame.
    let mut visitor = visitor;
    visitor.expect(stall()).await;
    visitor.client.expect_close(1013, "too slow").await;
}
