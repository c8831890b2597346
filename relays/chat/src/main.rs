//! The example `chat` for several processes: what is said on one node is heard on all.
//!
//! ```text
//! cargo run --manifest-path relays/Cargo.toml -p chat -- --listen 127.0.0.1:8081 --node a --redis redis://127.0.0.1
//! cargo run --manifest-path relays/Cargo.toml -p chat -- --listen 127.0.0.1:8082 --node b --redis redis://127.0.0.1
//! ```
//!
//! `--nats URL` in place of `--redis URL` does without a history that outlives the nodes, and a node that is cut off from
//! NATS misses what the others say meanwhile. `examples/chat/deploy/up` starts two nodes, a Redis, and an HAProxy in front.
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
use std::process::ExitCode;
use std::{env, io};

use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;
use upsock_nats::Nats;
use upsock_redis::Redis;

use arguments::{Arguments, System};
use chat::Chat;
use farewell::Farewell;

/// Each of the two hubs has a relay of its own.
const TALK: &str = "chat";
const PEOPLE: &str = "chat-people";

/// Who was here a minute ago is of no use: so few messages about it are kept in each of Redis's streams.
const PEOPLE_KEPT: usize = 256;

#[tokio::main]
async fn main() -> ExitCode {
    // A message system that is not reached is told there; the chat waits for it.
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(LevelFilter::WARN)
        .init();
    match run(Arguments::parse(env::args().skip(1))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Arguments { listen, node, system }: Arguments) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(listen).await?;
    let node = node.map_or_else(|| Ok(listener.local_addr()?.to_string()), Ok::<_, io::Error>)?;
    let farewell = Farewell::new();
    let chat = match &system {
        System::Redis(url) => {
            let relay = |prefix| Ok::<_, upsock_redis::Error>(Redis::new(url)?.prefix(prefix).on_error(log));
            let people = relay(PEOPLE)?.max_len(PEOPLE_KEPT);
            Chat::new(node, farewell.hub(relay(TALK)?), farewell.hub(people))
        }
        System::Nats(url) => {
            let relay = |prefix| Ok::<_, upsock_nats::BadUrl>(Nats::new(url)?.prefix(prefix));
            Chat::new(node, farewell.hub(relay(TALK)?), farewell.hub(relay(PEOPLE)?))
        }
    };
    server::serve(listener, chat).await?;
    farewell.said().await;
    Ok(())
}

fn log(error: &upsock_redis::Error) {
    eprintln!("{error}");
}
