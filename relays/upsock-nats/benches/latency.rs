//! From one process to another over a nats-server on this machine: see `support::latency`.
//!
//! `cargo bench -p upsock-nats`

#![allow(clippy::unwrap_used)]

use support::Server;
use support::latency::{Case, main as measure};
use upsock::ws::hub::Hub;
use upsock_nats::Nats;

fn plain(url: &str) -> Hub {
    Hub::builder().relay(Nats::new(url).unwrap()).build()
}

fn main() {
    measure(&[Case {
        name: "NATS core",
        server: Server::nats_stopped,
        hub: plain,
    }]);
}
