//! The example `chat` for several processes: what is said on one node is heard on all.
//!
//! ```text
//! cargo run --manifest-path relays/Cargo.toml -p chat -- --listen 127.0.0.1:8081 --node a --redis redis://127.0.0.1
//! cargo run --manifest-path relays/Cargo.toml -p chat -- --listen 127.0.0.1:8082 --node b --redis redis://127.0.0.1
//! ```
//!
//! `--nats URL` in place of `--redis URL` does without a history that outlives the nodes. `examples/chat/deploy/up` starts
//! two nodes, a Redis, and an HAProxy in front.
//!
//! All but this file is the example's: `examples/chat/main.rs` says what is where.

#[path = "../../../examples/chat/chat.rs"]
mod chat;
#[path = "../../../examples/chat/name.rs"]
mod name;
#[path = "../../../examples/chat/people.rs"]
mod people;
#[path = "../../../examples/chat/server.rs"]
mod server;
#[path = "../../../examples/chat/visit.rs"]
mod visit;
#[path = "../../../examples/chat/wire.rs"]
mod wire;

mod arguments;
mod farewell;

use std::error::Error;
use std::sync::Arc;
use std::{env, io};

use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;
use upsock::ws::hub::{Hub, Relay};
use upsock_nats::Nats;
use upsock_redis::Redis;

use arguments::{Arguments, System};
use chat::Chat;
use farewell::Farewell;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A message system that is not reached is told there; the chat waits for it.
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(LevelFilter::WARN)
        .init();
    let Arguments { listen, node, system } = Arguments::parse(env::args().skip(1));
    let listener = TcpListener::bind(listen).await?;
    let node = node.map_or_else(|| Ok(listener.local_addr()?.to_string()), Ok::<_, io::Error>)?;
    let farewell = Farewell::new();
    let chat = match &system {
        System::Redis(url) => joined(node, &farewell, |prefix| {
            let relay = Redis::new(url)?.prefix(prefix);
            Ok(relay.on_error(|why| eprintln!("{why}")))
        })?,
        System::Nats(url) => joined(node, &farewell, |prefix| Ok(Nats::new(url)?.prefix(prefix)))?,
    };
    server::serve(listener, chat).await?;
    farewell.said().await;
    Ok(())
}

/// Each hub has a relay of its own, with another prefix.
fn joined<R: Relay>(
    node: String,
    farewell: &Farewell,
    relay: impl Fn(&str) -> Result<R, Box<dyn Error>>,
) -> Result<Arc<Chat>, Box<dyn Error>> {
    let hub = |prefix| Ok::<_, Box<dyn Error>>(Hub::builder().relay(farewell.of(relay(prefix)?)));
    Ok(Chat::new(node, hub("chat")?, hub("chat-people")?))
}
