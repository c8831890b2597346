//! Coming back to a room whose past the relay has not told yet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use upsock::ws::hub::{Command, History, Hub, Port, Relay};

use crate::{Visitor, rest};

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
