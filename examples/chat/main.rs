//! A chat with rooms, and its page inside the binary.
//!
//! ```text
//! cargo run --example chat -- --listen 127.0.0.1:8080
//! ```
//!
//! Open the printed URL in two windows. How the files share the work:
//!
//! | file | what it holds |
//! |---|---|
//! | `main.rs` | the arguments |
//! | `server.rs` | the HTTP server: routes, the page, a clean end on Ctrl-C |
//! | `chat.rs` | the two hubs: what people say, and who is here |
//! | `visit.rs` | one person's socket, from joining to leaving |
//! | `people.rs` | who is here, told to everybody |
//! | `name.rs` | what may be a name, of a person or a room |
//! | `wire.rs` | the JSON that travels |
//! | `page/` | the page |
//! | `deploy/` | two machines' worth of it: nodes, a Redis, and an HAProxy in front |
//!
//! This is one process. `relays/chat` is the same for several, joined by Redis or NATS: all that differs is its `main.rs`.

mod chat;
mod name;
mod people;
mod server;
mod visit;
mod wire;

use std::net::SocketAddr;
use std::process::exit;
use std::{env, io};

use tokio::net::TcpListener;
use upsock::ws::hub::Hub;

use chat::Chat;

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(listen_address()).await?;
    let node = listener.local_addr()?.to_string();
    let chat = Chat::new(node, Hub::builder(), Hub::builder());
    server::serve(listener, chat).await
}

fn listen_address() -> SocketAddr {
    let mut arguments = env::args().skip(1);
    let address = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => Some(SocketAddr::from(([127, 0, 0, 1], 8080))),
        (Some("--listen"), Some(address), None) => address.parse().ok(),
        _ => None,
    };
    address.unwrap_or_else(|| {
        eprintln!("usage: chat [--listen ADDRESS:PORT]");
        exit(2)
    })
}
