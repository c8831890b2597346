//! What waits is bounded, and what is refused is told.

use support::{Server, Visitor, until};
use upsock::ws::hub::{Hub, Unrelayed};

use crate::{down, plain, relay, up};

/// While it is silent, and not yet lost, the relay has taken a batch; beyond that the hub's bound holds.
#[tokio::test]
async fn what_waits_for_a_server_that_is_away_is_bounded() {
    const ALL: usize = 10_000;
    const WAITING: usize = 100;
    const BATCH: usize = 512;
    let server = Server::redis().await;
    let here: Hub = Hub::builder()
        .relay(relay(&server.url()))
        .backlog(WAITING, usize::MAX)
        .build();
    let there = plain(&server);
    let mut visitor = Visitor::of(&there, "x");
    up(&here).await;
    up(&there).await;
    server.pause().await;
    for number in 0..ALL {
        here.broadcast("x", format!("{number:08192}"));
        if number % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    down(&here).await;
    assert_eq!(here.publish("x", "too much").await, Err(Unrelayed::Refused));
    let state = here.relay_state().unwrap();
    assert!(state.waiting <= WAITING);
    let refused = usize::try_from(state.refused).unwrap();
    assert!(refused > ALL - WAITING - BATCH, "{refused}");
    server.resume();
    // What was accepted arrives; positions say what was not.
    until(|| here.relay_state().unwrap().waiting == 0).await;
    up(&here).await;
    assert!(here.publish("x", format!("{:08192}", ALL)).await.is_ok());
    let mut before = None;
    let mut got = 0;
    while before != Some(ALL) {
        let number = visitor.text().await.parse().ok();
        assert!(number > before);
        before = number;
        got += 1;
    }
    assert_eq!(got, ALL + 1 - (refused - 1));
}

/// One that is full refuses: nothing is lost, nothing overtakes, and it goes on when there is room.
#[tokio::test]
async fn a_server_that_is_full_is_waited_for() {
    let server = Server::redis_with(&["--maxmemory", "20mb", "--maxmemory-policy", "noeviction"]).await;
    let (here, there) = (plain(&server), plain(&server));
    let mut visitor = Visitor::of(&there, "x");
    up(&here).await;
    up(&there).await;
    let mut sent = 0;
    while crate::is_up(&here) {
        here.broadcast("x", format!("{sent:010000}"));
        sent += 1;
        tokio::time::sleep(std::time::Duration::from_micros(200)).await;
    }
    here.broadcast("x", "and then");
    crate::command::<()>(&server, "CONFIG SET maxmemory 0").await;
    for number in 0..sent {
        visitor.expect(&format!("{number:010000}")).await;
    }
    visitor.expect("and then").await;
    until(|| crate::is_up(&here)).await;
}

/// Long messages come in small pages, and pass.
#[tokio::test]
async fn long_messages_pass() {
    let server = Server::redis().await;
    let (here, there) = (plain(&server), plain(&server));
    let mut visitor = Visitor::of(&there, "x");
    up(&here).await;
    up(&there).await;
    let lengths = [0, 1, 1 << 20, 3 << 20, 7, 1 << 20, 4 << 20, 1];
    for (number, length) in lengths.into_iter().enumerate() {
        here.broadcast("x", vec![u8::try_from(number).unwrap(); length]);
    }
    for (number, length) in lengths.into_iter().enumerate() {
        let message = visitor.message().await.into_data();
        assert!(message == vec![u8::try_from(number).unwrap(); length], "{number}");
    }
}
