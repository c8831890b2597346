//! Many rooms, other deployments, and strangers on the same server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::{Server, Visitor, soon, until};
use upsock::ws::hub::{History, Hub};

use crate::{PATIENCE, command, plain, relay, up};

#[tokio::test]
async fn each_room_is_heard_where_it_is_wanted() {
    let server = Server::redis().await;
    for history in [false, true] {
        let hub = || -> Hub {
            let builder = Hub::builder().relay(relay(&server.url()));
            match history {
                true => builder.history(History::new()).build(),
                false => builder.build(),
            }
        };
        let (here, there) = (hub(), hub());
        up(&here).await;
        up(&there).await;
        let mut visitors = Vec::new();
        for room in 0..40 {
            let mut visitor = Visitor::new();
            let joined = visitor.join_since(&there, &format!("room {room}"), &[]).await;
            visitors.push((visitor, joined.membership));
        }
        for round in 0..3 {
            for room in 0..40 {
                here.broadcast(&format!("room {room}"), format!("{round} {room}"));
                here.broadcast(&format!("nobody's {room}"), "to nobody");
            }
        }
        for round in 0..3 {
            for (room, (visitor, _)) in visitors.iter_mut().enumerate() {
                visitor.expect(&format!("{round} {room}")).await;
            }
        }
        // Some go, and one comes back.
        for (_, membership) in visitors.drain(20..) {
            drop(membership);
        }
        let mut again = Visitor::new();
        let _joined = again.join_since(&there, "room 30", &[]).await;
        again.received();
        for room in 0..40 {
            here.broadcast(&format!("room {room}"), format!("then {room}"));
        }
        for (room, (visitor, _)) in visitors.iter_mut().enumerate() {
            visitor.expect(&format!("then {room}")).await;
        }
        while again.text().await != "then 30" {}
        again.silence(Duration::from_millis(50)).await;
    }
    let keys: Vec<String> = command(&server, "KEYS upsock:*").await;
    let shards = keys.iter().filter(|key| key["upsock:".len()..].parse::<u16>().is_ok());
    assert_eq!(shards.count(), 16, "{keys:?}");
}

#[tokio::test]
async fn what_strangers_write_is_passed_over() {
    let server = Server::redis().await;
    let foreign = Arc::new(AtomicUsize::new(0));
    let counted = foreign.clone();
    let relay = relay(&server.url()).streams(1).response_timeout(PATIENCE);
    let relay = relay.on_error(move |error| {
        assert!(error.is_foreign(), "{error}");
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let there: Hub = Hub::builder().relay(relay).build();
    let here: Hub = Hub::builder().relay(crate::relay(&server.url()).streams(1)).build();
    up(&there).await;
    up(&here).await;
    let mut visitor = Visitor::of(&there, "x");
    for entry in ["a b", "r x", "r x p y", "p y r x", "r x p y z 1"] {
        command::<()>(&server, &format!("XADD upsock:0 * {entry}")).await;
    }
    here.broadcast("x", "ours");
    visitor.expect("ours").await;
    assert_eq!(foreign.load(Ordering::Relaxed), 5);
    assert!(crate::is_up(&there));
}

#[tokio::test]
async fn deployments_share_a_server_and_hear_nothing_of_each_other() {
    let server = Server::redis().await;
    let hub = |prefix: &str| -> Hub {
        Hub::builder()
            .relay(relay(&server.url()).prefix(prefix))
            .history(History::new())
            .build()
    };
    let hubs = [hub("one"), hub("one"), hub("two"), hub("one:0")];
    let mut visitors: Vec<_> = hubs.iter().map(|_| Visitor::new()).collect();
    let mut joined = Vec::new();
    for (hub, visitor) in hubs.iter().zip(&mut visitors) {
        joined.push(visitor.join_since(hub, "x", &[]).await);
    }
    for number in [0, 2, 3] {
        assert!(soon(hubs[number].publish("x", format!("from {number}"))).await.is_ok());
    }
    for (visitor, number) in visitors.iter_mut().zip([0, 0, 2, 3]) {
        visitor.expect(&format!("from {number}")).await;
        visitor.silence(Duration::from_millis(50)).await;
    }
}

/// Else it would miss rooms of the others, and none would notice.
#[tokio::test]
async fn a_process_with_another_number_of_streams_stays_down() {
    let server = Server::redis().await;
    up(&plain(&server)).await;
    let (told, mut errors) = tokio::sync::mpsc::unbounded_channel();
    let relay = relay(&server.url())
        .streams(7)
        .response_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .on_error(move |error| told.send(error.to_string()).unwrap());
    let odd: Hub = Hub::builder().relay(relay).build();
    for _ in 0..2 {
        let error = soon(errors.recv()).await.unwrap();
        assert_eq!(error, "7 streams here, but other processes of the deployment use 16");
    }
    assert!(!crate::is_up(&odd));
}

/// A server that wants a password says so, and is asked again.
#[tokio::test]
async fn a_server_that_refuses_is_asked_again() {
    let server = Server::redis().await;
    let (told, mut errors) = tokio::sync::mpsc::unbounded_channel();
    let url = format!("redis://:secret@127.0.0.1:{}", server.port());
    let relay = relay(&url).on_error(move |error| told.send(error.to_string()).unwrap());
    let hub: Hub = Hub::builder().relay(relay).build();
    let error = soon(errors.recv()).await.unwrap();
    assert!(!error.contains("secret"), "{error}");
    command::<()>(&server, "CONFIG SET requirepass secret").await;
    until(|| crate::is_up(&hub)).await;
}

/// Nor can anything be published through a replica; it may be the server later.
#[tokio::test]
async fn a_replica_is_waited_for_until_it_takes_over() {
    let server = Server::redis().await;
    let port = server.port().to_string();
    let replica = Server::redis_with(&["--replicaof", "127.0.0.1", &port]).await;
    let (told, mut errors) = tokio::sync::mpsc::unbounded_channel();
    let told = move |error: &upsock_redis::Error| drop(told.send(error.to_string()));
    let relay = relay(&replica.url()).response_timeout(PATIENCE).on_error(told);
    let hub: Hub = Hub::builder().relay(relay).build();
    hub.broadcast("x", "waits");
    let error = soon(errors.recv()).await.unwrap();
    assert!(error.to_lowercase().contains("read"), "{error}");
    assert!(!crate::is_up(&hub));
    command::<()>(&replica, "REPLICAOF NO ONE").await;
    up(&hub).await;
    until(|| hub.relay_state().unwrap().waiting == 0).await;
    assert!(soon(hub.publish("x", "taken")).await.is_ok());
}
