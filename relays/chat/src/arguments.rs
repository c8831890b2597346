//! The arguments.

use std::net::SocketAddr;
use std::process::exit;

const USAGE: &str = "usage: chat [--listen ADDRESS:PORT] [--node NAME] (--redis URL | --nats URL)";

pub(crate) struct Arguments {
    pub(crate) listen: SocketAddr,
    /// What the pages call this process; its address, if it is not given one.
    pub(crate) node: Option<String>,
    pub(crate) system: System,
}

/// What joins the nodes.
pub(crate) enum System {
    Redis(String),
    Nats(String),
}

impl Arguments {
    /// Ends the process if they are wrong.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut listen = SocketAddr::from(([127, 0, 0, 1], 8080));
        let (mut node, mut systems) = (None, Vec::new());
        while let Some(name) = arguments.next() {
            let value = arguments
                .next()
                .unwrap_or_else(|| wrong(&format!("{name} without a value")));
            match name.as_str() {
                "--listen" => {
                    listen = value
                        .parse()
                        .unwrap_or_else(|why| wrong(&format!("--listen {value}: {why}")));
                }
                "--node" => node = Some(value),
                "--redis" => systems.push(System::Redis(value)),
                "--nats" => systems.push(System::Nats(value)),
                _ => wrong(&format!("unknown: {name}")),
            }
        }
        match (systems.pop(), systems.pop()) {
            (Some(system), None) => Self { listen, node, system },
            (None, _) => wrong("what is to join the nodes? One alone is `cargo run --example chat`"),
            _ => wrong("one message system, please"),
        }
    }
}

fn wrong(what: &str) -> ! {
    eprintln!("{what}\n{USAGE}");
    exit(2)
}
