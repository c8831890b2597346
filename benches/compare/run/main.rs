//! Runs the load against each server in turn, several rounds, and prints one table of the medians.
//!
//! `cargo bench --bench compare [-- --rounds 5 --seconds 0.6]`

mod machine;
mod table;
mod trial;

use std::error::Error;

use self::machine::Machine;
use self::table::Table;
use self::trial::{Results, Scenario, Server};

const SERVERS: [Server; 6] = [
    Server {
        name: "upsock, on hyper",
        version: "hyper",
        program: env!("CARGO_BIN_EXE_serve-upsock"),
    },
    Server {
        name: "upsock, in axum",
        version: "axum",
        program: env!("CARGO_BIN_EXE_serve-upsock-axum"),
    },
    Server {
        name: "axum",
        version: "axum",
        program: env!("CARGO_BIN_EXE_serve-axum"),
    },
    Server {
        name: "actix-ws",
        version: "actix-ws",
        program: env!("CARGO_BIN_EXE_serve-actix-ws"),
    },
    Server {
        name: "fastwebsockets",
        version: "fastwebsockets",
        program: env!("CARGO_BIN_EXE_serve-fastwebsockets"),
    },
    Server {
        name: "tokio-websockets",
        version: "tokio-websockets",
        program: env!("CARGO_BIN_EXE_serve-tokio-websockets"),
    },
];

const ECHOES: [Scenario; 5] = [
    Scenario("echo --size 20 --connections 16 --inflight 64"),
    Scenario("echo --size 125 --kind text --connections 16 --inflight 64"),
    Scenario("echo --size 1024 --kind text --connections 16 --inflight 64"),
    Scenario("echo --size 16384 --connections 4 --inflight 64"),
    Scenario("echo --size 20 --connections 64 --inflight 1"),
];
const IDLE: Scenario = Scenario("idle --connections 5000 --size 16384");

fn main() -> Result<(), Box<dyn Error>> {
    let (mut rounds, mut seconds) = (5, 0.6);
    // The first is cargo's.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--rounds" => rounds = value.parse()?,
            "--seconds" => seconds = value.parse()?,
            _ => return Err(format!("there is no option {name}").into()),
        }
    }
    compare::allow_many_files()?;
    let machine = Machine::look()?;
    eprintln!("{machine}");

    let mut echoes: Vec<Vec<Results>> = SERVERS.iter().map(|_| vec![Results::default(); ECHOES.len()]).collect();
    // Round by round, so that whatever else the machine does meets all servers alike.
    for round in 1..=rounds {
        for (column, scenario) in ECHOES.iter().enumerate() {
            for (server, results) in SERVERS.iter().zip(&mut echoes) {
                let trial = trial::run(server, scenario, Some(seconds), &machine)?;
                eprintln!("round {round}, {}: {}: {trial}", scenario.0, server.name);
                results[column].add(&trial)?;
            }
        }
    }
    let mut table = Table::new(&machine, rounds);
    for (server, echoes) in SERVERS.iter().zip(&echoes) {
        let mut idle = Results::default();
        let trial = trial::run(server, &IDLE, None, &machine)?;
        eprintln!("{}: {}: {trial}", IDLE.0, server.name);
        idle.add(&trial)?;
        table.row(server, echoes, &idle);
    }
    println!("{table}");
    Ok(())
}
