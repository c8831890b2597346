//! A client that moves from one process to another, with its positions.

use std::time::Duration;

use support::{Server, Visitor, soon};
use upsock::ws::hub::{History, Hub, Position};

use crate::{keeping, relay, up};

/// Publishes so many, alternately; returns where they are.
async fn publish(hubs: &[&Hub], numbers: std::ops::Range<usize>) -> Vec<Position> {
    let mut positions = Vec::new();
    for number in numbers {
        let hub = hubs[number % hubs.len()];
        let sent = hub.publish_at("x", |position| {
            positions.push(position);
            number.to_string().into()
        });
        assert!(soon(sent).await.is_ok());
    }
    positions
}

/// The last of each epoch.
fn last(positions: &[Position]) -> Vec<Position> {
    let mut seen: Vec<Position> = Vec::new();
    for position in positions {
        seen.retain(|seen| seen.epoch != position.epoch);
        seen.push(*position);
    }
    seen
}

async fn expect(visitor: &mut Visitor, numbers: std::ops::Range<usize>) {
    for number in numbers {
        visitor.expect(&number.to_string()).await;
    }
    visitor.silence(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn a_client_whose_process_has_gone_gets_what_it_has_missed_elsewhere() {
    let server = Server::redis().await;
    let (first, second) = (keeping(&server), keeping(&server));
    up(&first).await;
    up(&second).await;
    let mut visitor = Visitor::new();
    let empty = visitor.join_since(&first, "x", &[]).await;
    assert!(empty.complete);
    let other = Visitor::of(&second, "x");
    let positions = publish(&[&first, &second], 0..100).await;
    expect(&mut visitor, 0..100).await;
    // It has seen some of them when its process goes.
    let seen = last(&positions[..61]);
    drop((visitor, empty, first));

    let mut visitor = Visitor::new();
    let back = visitor.join_since(&second, "x", &seen).await;
    assert_eq!((back.replayed, back.complete), (39, true));
    expect(&mut visitor, 61..100).await;

    // All have gone, and a process that never was there knows it from Redis alone.
    drop((visitor, back, other, second));
    let third = keeping(&server);
    let mut visitor = Visitor::new();
    let back = visitor.join_since(&third, "x", &seen).await;
    assert_eq!((back.replayed, back.complete), (39, true));
    expect(&mut visitor, 61..100).await;
    publish(&[&third], 100..110).await;
    expect(&mut visitor, 100..110).await;
    let mut all = Visitor::new();
    let new = all.join_since(&third, "x", &[]).await;
    assert_eq!((new.replayed, new.complete), (110, true));
    expect(&mut all, 0..110).await;
}

/// No more than the hub keeps, whatever lies there; and it says that it is not all.
#[tokio::test]
async fn the_past_is_as_long_as_the_history() {
    let server = Server::redis().await;
    let old = keeping(&server);
    let positions = publish(&[&old], 0..700).await;
    let hub = |history| -> Hub { Hub::builder().relay(relay(&server.url())).history(history).build() };
    for (history, least, most) in [
        (History::new().messages(20), 20, 20),
        (History::new().messages(333), 333, 333),
        (History::new().messages(1000).bytes(1000), 100, 250),
        (History::new().messages(1000), 700, 700),
    ] {
        let new = hub(history);
        let mut visitor = Visitor::new();
        let back = visitor.join_since(&new, "x", &positions[..1]).await;
        let replayed = if back.complete {
            back.replayed + 1
        } else {
            back.replayed
        };
        assert!((least..=most).contains(&replayed), "{history:?}: {back:?}");
        assert_eq!(back.complete, most == 700);
        expect(&mut visitor, 700 - back.replayed..700).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let new = hub(History::new().age(Duration::from_millis(100)));
    assert_eq!(Visitor::new().join_since(&new, "x", &positions[..1]).await.replayed, 0);
}

/// Rooms that come while others speak: their past and what comes then are one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_the_past_and_what_comes_there_is_no_gap() {
    let server = Server::redis().await;
    let old = keeping(&server);
    up(&old).await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let speaker = tokio::spawn({
        let old = old.clone();
        async move {
            let mut number = 0;
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) && number < 900 {
                old.broadcast("x", number.to_string());
                number += 1;
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
            soon(old.publish("x", "end")).await.unwrap();
        }
    });
    let mut visitors = Vec::new();
    for _ in 0..8 {
        let hub = keeping(&server);
        let mut visitor = Visitor::new();
        let joined = visitor.join_since(&hub, "x", &[]).await;
        assert!(joined.complete);
        visitors.push((visitor, joined, hub));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    speaker.await.unwrap();
    for (visitor, ..) in &mut visitors {
        let mut number = 0;
        loop {
            match visitor.text().await {
                end if end == "end" => break,
                text => assert_eq!(text, number.to_string()),
            }
            number += 1;
        }
        assert!(number > 10);
    }
}

/// Many rooms at once, each with its own past.
#[tokio::test]
async fn each_room_has_its_own_past() {
    let server = Server::redis().await;
    let old = keeping(&server);
    for room in 0..300 {
        for number in 0..3 {
            old.broadcast(&format!("room {room}"), format!("{room} {number}"));
        }
    }
    assert!(soon(old.publish("last", "one")).await.is_ok());
    drop(old);
    let new = keeping(&server);
    let rooms: Vec<_> = (0..300).map(|room| format!("room {room}")).collect();
    let mut visitors: Vec<_> = rooms.iter().map(|_| Visitor::new()).collect();
    let joins = rooms
        .iter()
        .zip(&mut visitors)
        .map(|(room, visitor)| visitor.join_since(&new, room, &[]));
    let joined = futures_util::future::join_all(joins).await;
    for (room, visitor) in visitors.iter_mut().enumerate() {
        assert_eq!((joined[room].replayed, joined[room].complete), (3, true));
        for number in 0..3 {
            visitor.expect(&format!("{room} {number}")).await;
        }
    }
}

/// Whoever has joined hears what is sent then, also in a room that is new to its process, whose past is still unread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_a_new_room_hears_what_is_sent_since() {
    let server = Server::redis().await;
    let (here, there) = (keeping(&server), keeping(&server));
    up(&here).await;
    up(&there).await;
    for round in 0..300 {
        let room = format!("room {round}");
        here.broadcast(&room, "past");
        if round % 2 == 0 {
            assert!(soon(here.publish(&room, "past")).await.is_ok());
        }
        // It is busy.
        for _ in 0..20 {
            there.broadcast("other", vec![0; 1000]);
        }
        let mut visitor = Visitor::of(&there, &room);
        for number in 0..5 {
            here.broadcast(&room, number.to_string());
        }
        while visitor.text().await != "0" {}
        for number in 1..5 {
            visitor.expect(&number.to_string()).await;
        }
        // All of it is history by now, and in order.
        let mut late = Visitor::new();
        let joined = late.join_since(&there, &room, &[]).await;
        assert_eq!((joined.replayed, joined.complete), (6 + (round + 1) % 2, true));
        while late.text().await != "0" {}
        for number in 1..5 {
            late.expect(&number.to_string()).await;
        }
    }
}
