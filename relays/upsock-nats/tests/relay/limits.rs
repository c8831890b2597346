//! Messages that are too large, and more of them than can be taken.

use std::time::Duration;

use support::{Server, Visitor, soon};
use tokio::time::timeout;
use upsock::ws::Message;
use upsock::ws::hub::{Event, Hub, Unrelayed};

use crate::node::Node;
use crate::{hub, relay, up};

#[tokio::test]
async fn a_message_that_is_too_large_is_given_up_and_nothing_else() {
    let server = Server::nats().await;
    let (here, there) = (hub(&server), hub(&server));
    let mut visitors = [Visitor::of(&here, "x"), Visitor::of(&there, "x")];
    let mut events = there.events();
    up(&here).await;
    up(&there).await;
    // 1 MiB is the server's bound, with what the hub adds.
    let just = vec![1; (1 << 20) - 26];
    let large = vec![2; (1 << 20) - 25];
    let huge = vec![3; 8 << 20];
    assert_eq!(soon(here.publish("x", "first")).await, Ok(1));
    assert_eq!(soon(here.publish("x", just.clone())).await, Ok(1));
    assert_eq!(soon(here.publish("x", large)).await, Err(Unrelayed::Unacknowledged));
    assert_eq!(soon(here.publish("x", huge)).await, Err(Unrelayed::Unacknowledged));
    assert_eq!(soon(here.publish("x", "last")).await, Ok(1));
    visitors[1].expect("first").await;
    assert_eq!(visitors[1].message().await, Message::binary(just));
    visitors[1].expect("last").await;
    for _ in 0..4 {
        visitors[0].message().await;
    }
    visitors[0].expect("last").await;
    loop {
        match soon(events.recv()).await.unwrap() {
            Event::Gap { missed, .. } => break assert_eq!(missed, Some(2)),
            Event::RelayDown => panic!("the connection has ended"),
            _ => {}
        }
    }
    assert!(here.relay_state().unwrap().up);
}

/// A burst that is more than may wait: what is lost is told, also if it was the last.
#[tokio::test]
async fn more_than_can_be_taken() {
    let server = Server::nats().await;
    let here = hub(&server);
    let there = Hub::builder().relay(relay(&server).capacity(8)).build();
    let mut events = there.events();
    let mut visitor = Visitor::of(&there, "x");
    up(&here).await;
    up(&there).await;
    for number in 0..5000 {
        here.broadcast("x", number.to_string());
    }
    loop {
        match soon(events.recv()).await.unwrap() {
            Event::Gap { room: None, .. } => break,
            Event::RelayDown => panic!("the connection has ended"),
            _ => {}
        }
    }
    // It goes on: the last of the burst, and some after it, may be lost as well.
    let mut last = -1;
    let mut number = 5000;
    while last < 5000 {
        assert_eq!(soon(here.publish("x", number.to_string())).await, Ok(0));
        number += 1;
        while let Ok(text) = timeout(Duration::from_millis(20), visitor.text()).await {
            let next = text.parse().unwrap();
            assert!(next > last);
            last = next;
        }
    }
}

/// A burst of what may wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_comes_whole() {
    let server = Server::nats().await;
    let mut nodes = [Node::new("a", hub(&server)), Node::new("b", hub(&server))];
    for node in &nodes {
        up(&node.hub).await;
    }
    for node in &mut nodes {
        node.burst(16_000);
    }
    assert_eq!(crate::node::check_all(&mut nodes).await, 0);
}
