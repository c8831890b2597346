//! Messages as they are.

use std::error::Error;

use crate::machine::Machine;
use crate::table::{Table, label};
use crate::trial::{self, Results, Scenario, Server};

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

pub fn table(machine: &Machine, rounds: usize, seconds: f64) -> Result<Table, Box<dyn Error>> {
    let mut echoes: Vec<Vec<Results>> = SERVERS.iter().map(|_| vec![Results::default(); ECHOES.len()]).collect();
    // Round by round, so that whatever else the machine does meets all servers alike.
    for round in 1..=rounds {
        for (column, scenario) in ECHOES.iter().enumerate() {
            for (server, results) in SERVERS.iter().zip(&mut echoes) {
                let trial = trial::run(server, "", scenario.0, Some(seconds), machine)?;
                eprintln!("round {round}, {}: {}: {trial}", scenario.0, server.name);
                results[column].add(&trial)?;
            }
        }
    }
    let mut table = Table::new(
        machine,
        rounds,
        &[
            "server's CPU, ns per message",
            "20 B",
            "125 B text",
            "1 KiB text",
            "16 KiB",
            "20 B ping-pong",
            "20 B, million/s",
            "16 KiB, GiB/s",
            "idle, KiB",
            "idle after 16 KiB, KiB",
        ],
    );
    for (server, echoes) in SERVERS.iter().zip(&echoes) {
        let mut idle = Results::default();
        let trial = trial::run(server, "", IDLE.0, None, machine)?;
        eprintln!("{}: {}: {trial}", IDLE.0, server.name);
        idle.add(&trial)?;
        table.row(&cells(server, echoes, &idle));
    }
    Ok(table)
}

/// `echoes` in the order of the columns.
fn cells(server: &Server, echoes: &[Results], idle: &Results) -> Vec<String> {
    let mut cells = vec![label(server)];
    cells.extend(echoes.iter().map(|echo| format!("{:.0}", echo.median("cpu_ns"))));
    let per_second = |column: usize| echoes[column].median("per_second");
    cells.push(format!("{:.2}", per_second(0) / 1e6));
    cells.push(format!("{:.2}", per_second(3) / 65_536.0));
    cells.push(format!("{:.1}", idle.median("kib_opened")));
    cells.push(format!("{:.1}", idle.median("kib_used")));
    cells
}
