//! Coming back by positions where there are several processes: the past of a room that others have told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use upsock::ws::hub::{Command, History, Hub, Port, Relay};

use crate::mesh::{Fault, Mesh};
use crate::peer::soon;
use crate::{Visitor, rest, until};

fn keeping(mesh: &Mesh) -> Hub {
    mesh.hub(|builder| builder.history(History::new()))
}

/// A client moves from one process to another, and misses nothing.
#[tokio::test]
async fn positions_hold_in_another_process() {
    let mesh = Mesh::new();
    let hubs = [keeping(&mesh), keeping(&mesh)];
    let others: Vec<_> = hubs.iter().map(|_| Visitor::new()).collect();
    let _there: Vec<_> = hubs
        .iter()
        .zip(&others)
        .map(|(hub, visitor)| hub.join("x", &visitor.sender()))
        .collect();
    rest().await;
    // The last position of each epoch that the client has seen.
    let mut seen = Vec::new();
    let mut number = 0;
    for round in 0..6 {
        // While it is nowhere.
        for turn in 0..3 {
            hubs[(round + turn) % 2].broadcast("x", (number + turn).to_string());
            rest().await;
        }
        let mut visitor = Visitor::new();
        let rejoined = hubs[round % 2].join_since("x", &visitor.sender(), &seen).await;
        assert!(rejoined.complete, "round {round}");
        assert_eq!(rejoined.replayed, 3);
        for turn in 0..3 {
            visitor.expect((number + turn).to_string()).await;
        }
        // And while it is there.
        number += 3;
        let mut position = None;
        hubs[(round + 1) % 2].broadcast_at("x", |there| {
            position = Some(there);
            number.to_string().into()
        });
        visitor.expect(number.to_string()).await;
        number += 1;
        seen = rejoined.positions;
        let position = position.unwrap();
        seen.retain(|seen| seen.epoch != position.epoch);
        seen.push(position);
    }
}

#[tokio::test]
async fn a_gap_is_not_complete_for_those_who_come_back() {
    let mesh = Mesh::new();
    let (here, there) = (keeping(&mesh), keeping(&mesh));
    let visitor = Visitor::new();
    let _there = there.join("x", &visitor.sender());
    rest().await;
    here.broadcast("x", "1");
    rest().await;
    let seen = there.join_since("x", &Visitor::new().sender(), &[]).await;
    assert!(seen.complete);
    mesh.fail([Fault::Lost]);
    here.broadcast("x", "2");
    here.broadcast("x", "3");
    rest().await;
    let back = there.join_since("x", &visitor.sender(), &seen.positions).await;
    assert_eq!((back.replayed, back.complete), (1, false));
    let again = there.join_since("x", &visitor.sender(), &back.positions).await;
    assert_eq!((again.replayed, again.complete), (0, true));
}

/// A message system that keeps messages tells them to a process that has just begun.
#[tokio::test]
async fn a_new_process_learns_what_came_before_it() {
    let mesh = Mesh::new().with_history();
    let old = keeping(&mesh);
    let visitor = Visitor::new();
    let first = soon(old.join_since("x", &visitor.sender(), &[])).await;
    for number in 1..=5 {
        assert!(soon(old.publish("x", number.to_string())).await.is_ok());
    }
    let mut seen = first.positions;
    seen[0].offset = 2;
    drop(old);
    let new = keeping(&mesh);
    let mut visitor = Visitor::new();
    let back = soon(new.join_since("x", &visitor.sender(), &seen)).await;
    assert_eq!((back.replayed, back.complete), (3, true));
    for number in 3..=5 {
        visitor.expect(number.to_string()).await;
    }
    new.broadcast("x", "6");
    visitor.expect("6").await;
    // In the order in which they were sent, for the next.
    let mut visitor = Visitor::new();
    let all = soon(new.join_since("x", &visitor.sender(), &[])).await;
    assert_eq!((all.replayed, all.complete), (6, true));
    for number in 1..=6 {
        visitor.expect(number.to_string()).await;
    }
}

/// What comes while the past is still being told comes after it.
#[tokio::test]
async fn the_past_goes_before_what_came_since() {
    let mesh = Mesh::new().with_history();
    let old = keeping(&mesh);
    for number in 1..=3 {
        assert!(soon(old.publish("x", number.to_string())).await.is_ok());
    }
    drop(old);
    mesh.set_up(false);
    let new = keeping(&mesh);
    new.broadcast("x", "4");
    new.broadcast("x", "5");
    mesh.set_up(true);
    let mut visitor = Visitor::new();
    let all = soon(new.join_since("x", &visitor.sender(), &[])).await;
    assert_eq!((all.replayed, all.complete), (5, true));
    for number in 1..=5 {
        visitor.expect(number.to_string()).await;
    }
}

/// It does not wait for ever for a message system that is away, and says that it does not know.
#[tokio::test]
async fn whoever_comes_back_does_not_wait_for_ever() {
    let mesh = Mesh::new().with_history();
    mesh.set_up(false);
    let hub = mesh.hub(|builder| builder.history(History::new()).catch_up(Duration::from_millis(20)));
    let visitor = Visitor::new();
    let back = soon(hub.join_since("x", &visitor.sender(), &[])).await;
    assert!(back.membership.is_member() && !back.complete);
    mesh.set_up(true);
    until(|| hub.relay_state().unwrap().up).await;
    let back = soon(hub.join_since("x", &visitor.sender(), &[])).await;
    assert!(back.complete);
}

/// A room that has ended in this process, and begins again before the relay has heard of that, learns its past again.
#[tokio::test]
async fn a_room_that_begins_again_learns_what_came_before_it() {
    let mesh = Mesh::new().with_history();
    let hub = mesh.hub(|builder| builder.history(History::new().rooms(2)));
    assert!(soon(hub.publish("x", "1")).await.is_ok());
    for number in 0..3 {
        // The relay's task does not run meanwhile.
        for other in 0..4 {
            hub.broadcast(&format!("{number} {other}"), "others");
        }
        assert!(hub.rooms() <= 3);
        let mut visitor = Visitor::new();
        let back = soon(hub.join_since("x", &visitor.sender(), &[])).await;
        assert_eq!((back.replayed, back.complete), (1, true));
        visitor.expect("1").await;
    }
}

#[tokio::test]
async fn a_relay_is_told_what_the_hub_keeps() {
    struct Asks(tokio::sync::oneshot::Sender<Option<History>>);
    impl Relay for Asks {
        async fn run(self, port: Port) {
            let _ = self.0.send(port.history());
        }
    }
    let history = History::new()
        .messages(7)
        .bytes(8)
        .rooms(9)
        .age(Duration::from_secs(10));
    for kept in [None, Some(history)] {
        let (sender, told) = tokio::sync::oneshot::channel();
        let builder = Hub::builder().relay(Asks(sender));
        let _hub: Hub = match kept {
            Some(history) => builder.history(history).build(),
            None => builder.build(),
        };
        assert_eq!(soon(told).await.unwrap(), kept);
    }
}

/// Has nothing to tell of any room, but not before it is asked to.
struct Patient(Arc<Notify>);

impl Relay for Patient {
    async fn run(self, port: Port) {
        port.up();
        self.0.notified().await;
        while let Some(command) = port.next().await {
            if let Command::Subscribe(topic) = command {
                port.caught_up(&topic);
            }
        }
    }

    fn keeps_history(&self) -> bool {
        true
    }
}

/// There are more rooms than are kept: the one that is waited for ends, and begins again.
#[tokio::test(start_paused = true)]
async fn a_room_that_ends_meanwhile_is_no_reason_to_wait() {
    let go = Arc::new(Notify::new());
    let hub: Hub = Hub::builder()
        .history(History::new().rooms(1))
        .relay(Patient(go.clone()))
        .catch_up(Duration::from_secs(600))
        .build();
    let visitor = Visitor::new();
    let from = Instant::now();
    let joining = tokio::spawn({
        let (hub, sender) = (hub.clone(), visitor.sender());
        async move { hub.join_since("x", &sender, &[]).await }
    });
    rest().await;
    for other in ["y", "z"] {
        hub.broadcast(other, "nobody is here");
    }
    rest().await;
    go.notify_one();
    let rejoined = joining.await.unwrap();
    assert!(rejoined.complete);
    assert!(from.elapsed() < Duration::from_secs(10), "{:?}", from.elapsed());
}
