//! Rooms: what one member sends goes to 1,000.

use std::error::Error;

use crate::machine::Machine;
use crate::table::{Table, label};
use crate::trial::{self, Results, Scenario, Server};

const SERVERS: [(Server, &str); 3] = [
    (
        Server {
            name: "upsock's hub, in axum",
            version: "axum",
            program: env!("CARGO_BIN_EXE_serve-upsock-hub"),
        },
        "websocket",
    ),
    (
        Server {
            name: "tokio's broadcast, in axum",
            version: "axum",
            program: env!("CARGO_BIN_EXE_serve-axum-broadcast"),
        },
        "websocket",
    ),
    (
        Server {
            name: "socketioxide",
            version: "socketioxide",
            program: env!("CARGO_BIN_EXE_serve-socketioxide"),
        },
        "socket.io",
    ),
];

const LOADS: [Scenario; 4] = [
    Scenario("rooms --size 64 --burst 1"),
    Scenario("rooms --size 64 --burst 64"),
    Scenario("rooms --size 1024 --burst 1"),
    Scenario("rooms --size 1024 --burst 64"),
];

/// A server of somebody else, by its command line: `NAME=PROGRAM [ARGUMENT …]`, where `{port}` stands for its port. What
/// a client sends on `/fanout` goes to all clients there.
pub fn extra(option: &str) -> Result<(Server, String), Box<dyn Error>> {
    // Its text lives as long as the process, as that of the servers above does.
    let option: &'static str = option.to_owned().leak();
    let (name, command) = option.split_once('=').ok_or("--extra wants NAME=COMMAND")?;
    let command = command
        .split_once(' ')
        .filter(|(_, arguments)| arguments.contains("{port}"));
    let (program, arguments) = command.ok_or("--extra: where does it get its {port}?")?;
    let server = Server {
        name,
        version: name,
        program,
    };
    Ok((server, arguments.to_owned()))
}

struct Line<'a> {
    server: &'a Server,
    arguments: &'a str,
    protocol: &'a str,
    results: [Results; LOADS.len()],
}

impl<'a> Line<'a> {
    fn new(server: &'a Server, arguments: &'a str, protocol: &'a str) -> Self {
        Self {
            server,
            arguments,
            protocol,
            results: Default::default(),
        }
    }
}

pub fn table(
    machine: &Machine,
    rounds: usize,
    seconds: f64,
    extra: &[(Server, String)],
) -> Result<Table, Box<dyn Error>> {
    let own = SERVERS.iter().map(|(server, protocol)| Line::new(server, "", protocol));
    let extra = extra
        .iter()
        .map(|(server, arguments)| Line::new(server, arguments, "websocket"));
    let mut lines: Vec<Line> = own.chain(extra).collect();
    for round in 1..=rounds {
        for (column, load) in LOADS.iter().enumerate() {
            for line in &mut lines {
                let load = format!("{} --protocol {}", load.0, line.protocol);
                let trial = trial::run(line.server, line.arguments, &load, Some(seconds), machine)?;
                eprintln!("round {round}, {load}: {}: {trial}", line.server.name);
                line.results[column].add(&trial)?;
            }
        }
    }
    let mut table = Table::new(
        machine,
        rounds,
        &[
            "server's CPU, ns per delivery",
            "64 B",
            "64 B, bursts",
            "1 KiB",
            "1 KiB, bursts",
            "64 B, bursts, million/s",
        ],
    );
    for line in lines {
        let mut cells = vec![label(line.server)];
        cells.extend(
            line.results
                .iter()
                .map(|results| format!("{:.0}", results.median("cpu_ns"))),
        );
        cells.push(format!("{:.2}", line.results[1].median("per_second") / 1e6));
        table.row(&cells);
    }
    Ok(table)
}
