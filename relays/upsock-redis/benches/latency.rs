//! From one process to another over a redis-server on this machine: see `support::latency`.
//!
//! `cargo bench -p upsock-redis`

#![allow(clippy::unwrap_used)]

use support::Server;
use support::latency::{Case, main as measure};
use upsock::ws::hub::{History, Hub};
use upsock_redis::Redis;

fn plain(url: &str) -> Hub {
    Hub::builder().relay(Redis::new(url).unwrap()).build()
}

fn keeping(url: &str) -> Hub {
    let builder = Hub::builder().relay(Redis::new(url).unwrap());
    builder.history(History::new()).build()
}

fn in_memory() -> Server {
    Server::redis_stopped_with(&[])
}

fn everysec() -> Server {
    Server::redis_stopped_with(&["--appendonly", "yes", "--appendfsync", "everysec"])
}

fn always() -> Server {
    Server::redis_stopped_with(&["--appendonly", "yes", "--appendfsync", "always"])
}

const fn case(name: &'static str, server: fn() -> Server, hub: fn(&str) -> Hub) -> Case {
    Case { name, server, hub }
}

const CASES: &[Case] = &[
    case("no persistence", in_memory, plain),
    case("appendfsync everysec", everysec, plain),
    case("appendfsync everysec, with a history", everysec, keeping),
    case("appendfsync always", always, plain),
    case("appendfsync always, with a history", always, keeping),
];

fn main() {
    measure(CASES);
}
