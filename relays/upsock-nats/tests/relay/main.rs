//! Hubs that a real nats-server joins, and what becomes of them when it is killed, stands still, or is not there.

// What the tests share is part of them; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

mod cluster;
mod cut;
mod ending;
mod interest;
mod limits;
mod node;
mod outage;
mod subjects;
mod tls;

use std::time::Duration;

use support::{Server, until};
use upsock::ws::hub::{Hub, HubBuilder};
use upsock_nats::Nats;

/// A relay that notices soon what is wrong.
fn relay(server: &Server) -> Nats {
    let relay = Nats::new(&server.url()).unwrap();
    relay.timeout(Duration::from_secs(2)).settle(Duration::from_millis(700))
}

fn hub(server: &Server) -> Hub {
    build(server, |builder| builder)
}

fn build(server: &Server, configure: impl FnOnce(HubBuilder) -> HubBuilder) -> Hub {
    configure(Hub::builder().relay(relay(server))).build()
}

/// Waits until its relay is connected: what was joined before is subscribed to then.
async fn up(hub: &Hub) {
    until(|| hub.relay_state().unwrap().up).await;
}

async fn down(hub: &Hub) {
    until(|| !hub.relay_state().unwrap().up).await;
}
