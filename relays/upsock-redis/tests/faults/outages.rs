//! A server that dies, is late, or says nothing for a while.

use std::time::Duration;

use support::{Server, Visitor, Wire, soon, until};
use tokio::time::{Instant, sleep};
use upsock::ws::hub::{Event, Hub};

use crate::traffic::{Traffic, expect_all};
use crate::{down, event, is_up, plain, relay, up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_server_that_is_killed() {
    let mut server = Server::redis().await;
    let hubs = [plain(&server), plain(&server)];
    let mut visitors: Vec<_> = (0..4).map(|number| Visitor::of(&hubs[number % 2], "x")).collect();
    up(&hubs[0]).await;
    up(&hubs[1]).await;
    let traffic = Traffic::start(&hubs, "x", 8);
    sleep(Duration::from_millis(500)).await;
    server.kill();
    down(&hubs[0]).await;
    down(&hubs[1]).await;
    sleep(Duration::from_secs(2)).await;
    server.start().await;
    up(&hubs[0]).await;
    up(&hubs[1]).await;
    sleep(Duration::from_millis(500)).await;
    let counts = traffic.stop().await;
    assert!(counts.values().all(|count| *count > 10), "{counts:?}");
    for visitor in &mut visitors {
        expect_all(visitor, &counts).await;
    }
}

/// Members in the same process get messages at once; the others when the server is there, whoever reaches it first.
#[tokio::test]
async fn a_server_may_come_later() {
    let mut server = Server::redis_stopped();
    let wire = Wire::to(server.port()).await;
    wire.cut();
    let late = relay(&format!("redis://{}", wire.address()));
    let (here, there) = (plain(&server), Hub::builder().relay(late).build());
    let mut visitors = [Visitor::of(&here, "x"), Visitor::of(&there, "x")];
    let mut events = there.events();
    for number in 0..300 {
        assert_eq!(here.broadcast("x", number.to_string()), 1);
        visitors[0].expect(&number.to_string()).await;
    }
    let state = here.relay_state().unwrap();
    assert!(!state.up);
    assert_eq!((state.waiting, state.refused), (300, 0));
    assert!(visitors[1].received().is_empty());
    server.start().await;
    until(|| here.relay_state().unwrap().waiting == 0).await;
    assert!(soon(here.publish("x", "300")).await.is_ok());
    visitors[0].expect("300").await;
    wire.mend();
    for number in 0..=300 {
        visitors[1].expect(&number.to_string()).await;
    }
    event(&mut events, |event| matches!(event, Event::RelayUp)).await;
    there.broadcast("x", "back");
    visitors[0].expect("back").await;
}

/// Whoever comes then does not get what was there before.
#[tokio::test]
async fn a_hub_begins_with_what_is_sent_since() {
    let server = Server::redis().await;
    let old = plain(&server);
    for number in 0..10 {
        assert!(soon(old.publish("x", number.to_string())).await.is_ok());
    }
    sleep(Duration::from_millis(5)).await;
    let new = plain(&server);
    let mut visitor = Visitor::of(&new, "x");
    up(&new).await;
    old.broadcast("x", "now");
    visitor.expect("now").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_is_lost_until_it_does() {
    let server = Server::redis().await;
    let hubs = [plain(&server), plain(&server)];
    let mut visitors: Vec<_> = hubs.iter().map(|hub| Visitor::of(hub, "x")).collect();
    up(&hubs[0]).await;
    up(&hubs[1]).await;
    let traffic = Traffic::start(&hubs, "x", 4);
    sleep(Duration::from_millis(300)).await;
    server.pause().await;
    down(&hubs[0]).await;
    down(&hubs[1]).await;
    // It accepts connections as it is, and answers on none.
    sleep(Duration::from_secs(3)).await;
    assert!(hubs.iter().all(|hub| !is_up(hub)));
    server.resume();
    up(&hubs[0]).await;
    up(&hubs[1]).await;
    sleep(Duration::from_millis(300)).await;
    let counts = traffic.stop().await;
    for visitor in &mut visitors {
        expect_all(visitor, &counts).await;
    }
}

/// Also if nothing is published: whoever only reads notices it as well.
#[tokio::test]
async fn silence_is_noticed_by_those_who_listen() {
    let server = Server::redis().await;
    let hub = plain(&server);
    up(&hub).await;
    server.pause().await;
    down(&hub).await;
    server.resume();
    up(&hub).await;
}

/// It is for the server alone to be slow: a hub that is dropped ends its relay at once.
#[tokio::test]
async fn a_hub_that_is_dropped_ends_its_relay() {
    let mut server = Server::redis().await;
    let hub = plain(&server);
    up(&hub).await;
    assert!(connections(&server).await >= 2);
    drop(hub);
    soon(async {
        while connections(&server).await > 1 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    server.kill();
    // While it tries to connect, or waits for the next time.
    let (told, mut errors) = tokio::sync::mpsc::unbounded_channel();
    let relay = relay(&server.url()).on_error(move |error| told.send(error.to_string()).unwrap());
    let hub: Hub = Hub::builder().relay(relay).build();
    assert!(soon(errors.recv()).await.unwrap().starts_with("Redis: "));
    let from = Instant::now();
    drop(hub);
    // The channel ends with the relay.
    soon(async { while errors.recv().await.is_some() {} }).await;
    assert!(from.elapsed() < Duration::from_secs(5));
}

/// With the one that asks.
async fn connections(server: &Server) -> usize {
    let list: String = crate::command(server, "CLIENT LIST").await;
    list.lines().count()
}

/// What was sent before a hub is dropped is still published.
#[tokio::test]
async fn last_words_arrive() {
    let server = Server::redis().await;
    let (here, there) = (plain(&server), plain(&server));
    let mut visitor = Visitor::of(&there, "x");
    up(&there).await;
    up(&here).await;
    for number in 0..2000 {
        here.broadcast("x", number.to_string());
    }
    drop(here);
    for number in 0..2000 {
        visitor.expect(&number.to_string()).await;
    }
}
