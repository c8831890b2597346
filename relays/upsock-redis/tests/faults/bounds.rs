//! What waits is bounded, and what is refused is told.

use support::{Server, Visitor, until};
use upsock::ws::hub::{Hub, Unrelayed};

use crate::{down, plain, relay, up};

/// While it is silent, and not yet lost, the relay has taken a batch; beyond that the hub's bound holds.
#[tokio::test]
async fn what_waits_for_a_server_that_is_away_is_bounded() {
    const ALL: usize = 4000;
    const WAITING: usize = 1000;
    // 1 MiB of them.
    const BATCH: usize = 129;
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
        if number + 1 == WAITING {
            until(|| here.relay_state().unwrap().waiting < WAITING).await;
        }
    }
    let state = here.relay_state().unwrap();
    assert_eq!(state.waiting, WAITING);
    let refused = usize::try_from(state.refused).unwrap();
    assert!(refused >= ALL - WAITING - BATCH, "{refused}");
    down(&here).await;
    assert_eq!(here.publish("x", "too much").await, Err(Unrelayed::Refused));
    server.resume();
    // What was accepted arrives: all but some of the last.
    for number in 0..ALL - refused {
        visitor.expect(&format!("{number:08192}")).await;
    }
    until(|| crate::is_up(&here)).await;
    assert!(here.publish("x", "after").await.is_ok());
    visitor.expect("after").await;
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

/// A server that refuses in the middle of what is sent takes none of it: else the rest would overtake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_now_and_then_takes_all_in_order() {
    let server = Server::redis_with(&["--maxmemory-policy", "noeviction"]).await;
    let (here, there) = (plain(&server), plain(&server));
    let mut visitor = Visitor::of(&there, "x");
    up(&here).await;
    up(&there).await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut sent = 0;
    for _ in 0..20 {
        until(|| crate::is_up(&here)).await;
        for _ in 0..300 {
            here.broadcast("x", format!("{sent:02000}"));
            sent += 1;
        }
        for bytes in [1, 0, 1, 0, 1, 0] {
            let mut set = redis::cmd("CONFIG");
            set.arg("SET").arg("maxmemory").arg(bytes);
            set.query_async::<()>(&mut connection).await.unwrap();
        }
    }
    for number in 0..sent {
        visitor.expect(&format!("{number:02000}")).await;
    }
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
