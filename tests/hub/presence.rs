//! Who comes and goes is told, in order.

use upsock::ws::CloseCode;
use upsock::ws::hub::{Event, Events, Hub};

use crate::Visitor;
use crate::peer::soon;

async fn next(events: &mut Events<String>) -> String {
    match soon(events.recv()).await {
        None => "end".into(),
        Some(Event::Joined(member)) => format!("{} + {}", member.room(), member.data()),
        Some(Event::Left(member)) => format!("{} - {}", member.room(), member.data()),
        Some(Event::Missed(count)) => format!("missed {count}"),
        Some(other) => format!("{other:?}"),
    }
}

#[tokio::test]
async fn whoever_joins_and_leaves_is_told() {
    let hub: Hub<String> = Hub::builder().build();
    let [a, b] = [Visitor::new(), Visitor::new()];
    let before = hub.join_with("x", &a.sender(), "before".into());
    let mut events = hub.events();
    let anna = hub.join_with("x", &a.sender(), "Anna".into());
    let ben = hub.join_with("x", &b.sender(), "Ben".into());
    let _there = hub.join_with("y", &b.sender(), "Ben".into());
    drop(anna);
    // The socket's end is told as well, once, and not when the membership goes.
    b.sender().close(CloseCode::Normal, "").unwrap();
    drop(ben);
    drop(before);
    drop(hub);
    let expected = [
        "x + Anna",
        "x + Ben",
        "y + Ben",
        "x - Anna",
        "x - Ben",
        "y - Ben",
        "x - before",
        "end",
        "end",
    ];
    for expected in expected {
        assert_eq!(next(&mut events).await, expected);
    }
}

#[tokio::test]
async fn a_subscriber_that_is_slow_is_told_what_it_has_missed() {
    let hub: Hub<String> = Hub::builder().build();
    let visitor = Visitor::new();
    let mut events = hub.events();
    for number in 0..1000 {
        drop(hub.join_with("x", &visitor.sender(), number.to_string()));
    }
    assert_eq!(next(&mut events).await, "missed 976");
    assert_eq!(next(&mut events).await, "x + 488");
    assert_eq!(next(&mut events).await, "x - 488");
}

/// It may send to the very room.
#[tokio::test]
async fn what_is_told_can_be_sent_on() {
    let hub: Hub<String> = Hub::builder().build();
    let mut events = hub.events();
    let announcer = hub.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::Joined(member) = event {
                announcer
                    .except(member.id())
                    .broadcast(member.room(), format!("{} is here", member.data()));
            }
        }
    });
    let [mut a, b] = [Visitor::new(), Visitor::new()];
    let _a = hub.join_with("x", &a.sender(), "Anna".into());
    let _b = hub.join_with("x", &b.sender(), "Ben".into());
    a.expect("Ben is here").await;
}
