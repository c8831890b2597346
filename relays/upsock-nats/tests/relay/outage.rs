//! The server is killed, stands still, or comes late.

use std::time::{Duration, Instant};

use support::{Server, Visitor, soon, until};
use tokio::time::sleep;
use upsock::ws::hub::{Event, History, Unrelayed};

use crate::node::{Node, check_all};
use crate::{build, down, hub, up};

async fn pair(server: &Server) -> [Node; 2] {
    let nodes = [Node::new("a", hub(server)), Node::new("b", hub(server))];
    for node in &nodes {
        up(&node.hub).await;
    }
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_traffic_it_comes_back_and_losses_are_told() {
    let mut server = Server::nats().await;
    let mut nodes = pair(&server).await;
    for node in &mut nodes {
        node.talk(Duration::from_micros(500));
    }
    until(|| nodes.iter().all(|node| node.sent() > 200)).await;
    server.kill();
    for node in &nodes {
        down(&node.hub).await;
    }
    sleep(Duration::from_secs(2)).await;
    server.start().await;
    for node in &nodes {
        up(&node.hub).await;
        let sent = node.sent();
        until(|| node.sent() > sent + 200).await;
    }
    check_all(&mut nodes).await;
    for node in &nodes {
        assert!(node.told().gaps >= 1, "{:?}", node.told());
        assert_eq!(node.told().downs, 1);
    }
}

/// What nobody could hear, while the server was away, comes when all are there again.
#[tokio::test]
async fn what_waits_for_a_server_comes_in_its_order() {
    let mut server = Server::nats_stopped();
    let (here, there) = (hub(&server), hub(&server));
    let mut visitors = [Visitor::of(&here, "x"), Visitor::of(&there, "x")];
    for number in 1..=100 {
        assert_eq!(here.broadcast("x", format!("here {number}")), 1);
        visitors[0].expect(&format!("here {number}")).await;
    }
    let waiting = tokio::spawn({
        let here = here.clone();
        async move { here.publish("x", "here 101").await }
    });
    until(|| here.relay_state().unwrap().waiting == 101).await;
    sleep(Duration::from_millis(800)).await;
    server.start().await;
    assert_eq!(soon(waiting).await.unwrap(), Ok(1));
    visitors[0].expect("here 101").await;
    for number in 1..=101 {
        visitors[1].expect(&format!("here {number}")).await;
    }
    assert_eq!(there.broadcast("x", "back"), 1);
    visitors[0].expect("back").await;
}

#[tokio::test]
async fn one_that_goes_leaves_the_others_as_they_are() {
    let server = Server::nats().await;
    let keeping = || build(&server, |builder| builder.history(History::new().messages(1000)));
    let (here, there, gone) = (keeping(), keeping(), keeping());
    let mut visitors = [&here, &there, &gone].map(|hub| Visitor::of(hub, "x"));
    for hub in [&here, &there, &gone] {
        up(hub).await;
    }
    let mut sent = Vec::new();
    for number in 0..50 {
        for (name, hub) in [("here", &here), ("there", &there), ("gone", &gone)] {
            let text = format!("{name} {number}");
            soon(hub.publish("x", text.clone())).await.unwrap();
            sent.push(text);
        }
    }
    for visitor in &mut visitors {
        for _ in &sent {
            visitor.text().await;
        }
    }
    drop(gone);
    for number in 50..100 {
        for (name, hub) in [("here", &here), ("there", &there)] {
            let text = format!("{name} {number}");
            soon(hub.publish("x", text.clone())).await.unwrap();
            sent.push(text);
        }
    }
    sent.sort();
    for hub in [&here, &there] {
        // What comes from elsewhere may still be on its way.
        let mut late = Visitor::new();
        until(|| hub.relay_state().unwrap().up).await;
        let mut heard = Vec::new();
        late.join_since(hub, "x", &[]).await;
        for _ in &sent {
            heard.push(late.text().await);
        }
        heard.sort();
        assert_eq!(heard, sent);
    }
}

/// A server that stands still keeps its connections open.
#[tokio::test]
async fn a_server_that_stands_still_is_noticed() {
    let server = Server::nats().await;
    let mut nodes = pair(&server).await;
    for node in &mut nodes {
        node.talk(Duration::from_millis(1));
    }
    until(|| nodes.iter().all(|node| node.sent() > 100)).await;
    server.pause().await;
    let paused = Instant::now();
    for node in &nodes {
        down(&node.hub).await;
    }
    println!("noticed after {:?}", paused.elapsed());
    sleep(Duration::from_millis(500)).await;
    server.resume();
    for node in &nodes {
        up(&node.hub).await;
        let sent = node.sent();
        until(|| node.sent() > sent + 100).await;
    }
    check_all(&mut nodes).await;
}

/// An idle one as well, and one that nothing can be written to.
#[tokio::test]
async fn a_server_that_reads_nothing_is_noticed() {
    let server = Server::nats().await;
    let (idle, busy) = (hub(&server), hub(&server));
    up(&idle).await;
    up(&busy).await;
    server.pause().await;
    for _ in 0..200 {
        busy.broadcast("x", vec![7; 100_000]);
    }
    down(&idle).await;
    down(&busy).await;
    server.resume();
    up(&idle).await;
    up(&busy).await;
    assert_eq!(soon(busy.publish("x", "again")).await, Ok(0));
}

#[tokio::test]
async fn what_may_wait_is_bounded() {
    let mut server = Server::nats().await;
    let here = build(&server, |builder| builder.backlog(100, 1 << 20));
    let mut visitor = Visitor::of(&here, "x");
    up(&here).await;
    // Neither the relay nor its client takes what it cannot get rid of, whether they know that already, or not.
    for round in 0..2 {
        if round == 0 {
            server.pause().await;
        } else {
            server.resume();
            server.kill();
            down(&here).await;
        }
        let before = here.relay_state().unwrap().refused;
        for number in 0..20_000_u64 {
            assert_eq!(here.broadcast("x", number.to_string()), 1);
            if number % 50 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let state = here.relay_state().unwrap();
        let kept = 20_000 - (state.refused - before);
        assert!(state.waiting == 100 && kept <= 100 + 4096, "{state:?}, {kept} kept");
        assert_eq!(here.publish("x", "no").await, Err(Unrelayed::Refused));
    }
    for _ in 0..2 {
        for number in 0..20_000 {
            visitor.expect(&number.to_string()).await;
        }
        visitor.expect("no").await;
    }
}

/// A server that is reached late may have had messages for others before.
#[tokio::test]
async fn one_that_was_not_there_from_the_beginning_has_missed_something() {
    let mut server = Server::nats_stopped();
    let hub = hub(&server);
    let mut events = hub.events();
    sleep(Duration::from_millis(300)).await;
    server.start().await;
    let first = soon(events.recv()).await.unwrap();
    assert!(matches!(first, Event::RelayUp), "{first:?}");
    let second = soon(events.recv()).await.unwrap();
    assert!(
        matches!(
            second,
            Event::Gap {
                room: None,
                missed: None
            }
        ),
        "{second:?}"
    );
}

/// A few seconds of whatever may happen to a server.
#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again() {
    use std::hash::{BuildHasher, RandomState};
    let random = |up_to: u64| Duration::from_millis(RandomState::new().hash_one(0) % up_to);
    let mut server = Server::nats().await;
    let names = ["a", "b", "c"];
    let mut nodes = names.map(|name| Node::new(name, hub(&server)));
    for node in &nodes {
        up(&node.hub).await;
    }
    for node in &mut nodes {
        node.talk(Duration::from_millis(1));
    }
    let begun = Instant::now();
    let (mut kills, mut pauses) = (0, 0);
    while begun.elapsed() < Duration::from_secs(20) {
        sleep(random(1500)).await;
        if random(4).is_zero() {
            pauses += 1;
            server.pause().await;
            sleep(random(3000)).await;
            server.resume();
        } else {
            kills += 1;
            server.kill();
            sleep(random(1000)).await;
            server.start().await;
        }
    }
    for node in &nodes {
        up(&node.hub).await;
    }
    // One may have lost its patience with the last pause just now.
    sleep(Duration::from_secs(1)).await;
    let lost = check_all(&mut nodes).await;
    let sent: u64 = nodes.iter().map(Node::sent).sum();
    println!("{sent} sent to two others each, {lost} lost; {kills} kills, {pauses} pauses");
}
