//! What is lost in the server is told, and the rest goes on.

use support::{Server, Visitor, Wire, soon};
use upsock::ws::hub::Hub;

use crate::{command, down, event, is_any_gap, plain, relay, up};

/// A hub that can be cut off.
async fn behind(server: &Server, max_len: usize) -> (Hub, Wire) {
    let wire = Wire::to(server.port()).await;
    let relay = relay(&format!("redis://{}", wire.address())).max_len(max_len);
    let hub = Hub::builder().relay(relay).build();
    up(&hub).await;
    (hub, wire)
}

async fn publish(hub: &Hub, text: &str) {
    assert!(soon(hub.publish("x", text)).await.is_ok());
}

#[tokio::test]
async fn a_process_that_was_away_for_too_long_is_told() {
    let server = Server::redis().await;
    let (here, _wire) = behind(&server, 100).await;
    let (there, wire) = behind(&server, 100).await;
    let mut visitor = Visitor::of(&there, "x");
    let mut events = there.events();
    publish(&here, "before").await;
    visitor.expect("before").await;

    // Not too long: nothing is lost.
    wire.cut();
    down(&there).await;
    for number in 0..50 {
        publish(&here, &number.to_string()).await;
    }
    wire.mend();
    for number in 0..50 {
        visitor.expect(&number.to_string()).await;
    }
    wire.cut();
    down(&there).await;
    for number in 0..500 {
        publish(&here, &number.to_string()).await;
    }
    wire.mend();
    event(&mut events, |event| {
        let gap = is_any_gap(event);
        assert!(gap || !matches!(event, upsock::ws::hub::Event::Gap { .. }), "{event:?}");
        gap
    })
    .await;
    // What is left comes, and then what is new.
    let first: usize = visitor.text().await.parse().unwrap();
    assert!((250..=400).contains(&first), "{first}");
    for number in first + 1..500 {
        visitor.expect(&number.to_string()).await;
    }
    publish(&here, "after").await;
    visitor.expect("after").await;
}

#[tokio::test]
async fn a_server_that_was_emptied_is_noticed() {
    let server = Server::redis().await;
    let (here, _wire) = behind(&server, 1000).await;
    let (there, wire) = behind(&server, 1000).await;
    let mut visitor = Visitor::of(&there, "x");
    let mut events = there.events();
    publish(&here, "before").await;
    visitor.expect("before").await;
    // While all are there: what comes goes on, and it is noticed at the next look.
    command::<()>(&server, "FLUSHALL").await;
    publish(&here, "after").await;
    visitor.expect("after").await;
    event(&mut events, is_any_gap).await;
    // While one is away: it cannot know what it has missed.
    for again in [false, true] {
        wire.cut();
        down(&there).await;
        publish(&here, "lost").await;
        command::<()>(&server, "FLUSHALL").await;
        if again {
            publish(&here, "again").await;
        }
        wire.mend();
        event(&mut events, is_any_gap).await;
        if again {
            visitor.expect("again").await;
        }
        publish(&here, "new").await;
        visitor.expect("new").await;
    }
}

/// One without persistence has nothing when it comes back.
#[tokio::test]
async fn a_server_that_has_forgotten_everything_is_noticed() {
    let mut server = Server::redis_with(&[]).await;
    let (here, there) = (plain(&server), plain(&server));
    let mut visitor = Visitor::of(&there, "x");
    let mut events = there.events();
    up(&here).await;
    up(&there).await;
    publish(&here, "before").await;
    visitor.expect("before").await;
    server.kill();
    down(&there).await;
    down(&here).await;
    server.start().await;
    event(&mut events, is_any_gap).await;
    publish(&here, "after").await;
    visitor.expect("after").await;
}

/// While it is read, too: a reader that cannot keep up.
#[tokio::test]
async fn what_is_trimmed_before_it_is_read_is_told() {
    let server = Server::redis().await;
    let (here, _wire) = behind(&server, 1).await;
    let (there, wire) = behind(&server, 1).await;
    let mut visitor = Visitor::of(&there, "x");
    let mut events = there.events();
    wire.cut();
    down(&there).await;
    for number in 0..300 {
        publish(&here, &number.to_string()).await;
    }
    wire.mend();
    event(&mut events, is_any_gap).await;
    publish(&here, "end").await;
    while visitor.text().await != "end" {}
}
