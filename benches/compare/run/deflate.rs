//! Compressed messages: permessage-deflate without context takeover, at two levels.

use std::error::Error;

use crate::machine::Machine;
use crate::table::{Table, label};
use crate::trial::{self, Results, Scenario, Server};

const SERVERS: [Server; 3] = [
    Server {
        name: "upsock, on hyper",
        version: "hyper",
        program: env!("CARGO_BIN_EXE_serve-upsock"),
    },
    Server {
        name: "yawc",
        version: "yawc",
        program: env!("CARGO_BIN_EXE_serve-yawc"),
    },
    Server {
        name: "sockudo-ws",
        version: "sockudo-ws",
        program: env!("CARGO_BIN_EXE_serve-sockudo-ws"),
    },
];

/// It does not compress, and gets the same texts as they are.
const PLAIN: Server = Server {
    name: "axum",
    version: "axum",
    program: env!("CARGO_BIN_EXE_serve-axum"),
};

/// The fastest, and the default of all.
const LEVELS: [u8; 2] = [1, 6];

/// The columns: their title, what else the servers are told, and the load.
const ECHOES: [(&str, &str, Scenario); 5] = [
    ("125 B", "--threshold 0", SHORT),
    ("125 B by default", "", SHORT),
    ("1 KiB", "", Scenario("echo --size 1024 --connections 16 --inflight 16")),
    (
        "16 KiB",
        "",
        Scenario("echo --size 16384 --connections 4 --inflight 16"),
    ),
    (
        "256 KiB",
        "",
        Scenario("echo --size 262144 --connections 4 --inflight 2"),
    ),
];
const SHORT: Scenario = Scenario("echo --size 125 --connections 16 --inflight 16");
const IDLE: Scenario = Scenario("idle --connections 2000 --size 16384");

/// One line of the table.
struct Line {
    server: &'static Server,
    level: Option<u8>,
    echoes: Vec<Results>,
    idle: Results,
}

impl Line {
    fn new(server: &'static Server, level: Option<u8>) -> Self {
        Self {
            server,
            level,
            echoes: vec![Results::default(); ECHOES.len()],
            idle: Results::default(),
        }
    }

    fn run(
        &self,
        scenario: &Scenario,
        more: &str,
        seconds: Option<f64>,
        machine: &Machine,
    ) -> Result<String, Box<dyn Error>> {
        let (arguments, kind) = match self.level {
            Some(level) => (format!("--deflate {level} {more}"), "deflate"),
            None => (String::new(), "json"),
        };
        let load = format!("{} --kind {kind}", scenario.0);
        let trial = trial::run(self.server, &arguments, &load, seconds, machine)?;
        eprintln!("{load}: {} {arguments}: {trial}", self.server.name);
        Ok(trial)
    }

    /// What the table says.
    fn cells(&self) -> Vec<String> {
        let label = label(self.server);
        let mut cells = vec![match self.level {
            Some(level) => format!("level {level}: {label}"),
            None => format!("as they are: {label}"),
        }];
        let echo = |echo: &Results| format!("{:.2} ({:.0})", echo.median("cpu_ns") / 1e3, echo.median("reply_bytes"));
        cells.extend(self.echoes.iter().map(echo));
        cells.extend(["kib_opened", "kib_used"].map(|name| format!("{:.1}", self.idle.median(name))));
        cells
    }
}

pub fn table(machine: &Machine, rounds: usize, seconds: f64) -> Result<Table, Box<dyn Error>> {
    let levels = |level| SERVERS.iter().map(move |server| Line::new(server, Some(level)));
    let mut lines: Vec<Line> = LEVELS.into_iter().flat_map(levels).collect();
    lines.push(Line::new(&PLAIN, None));
    // Round by round, so that whatever else the machine does meets all servers alike.
    for round in 1..=rounds {
        eprintln!("round {round}");
        for (column, (_, more, scenario)) in ECHOES.iter().enumerate() {
            for line in &mut lines {
                let trial = line.run(scenario, more, Some(seconds), machine)?;
                line.echoes[column].add(&trial)?;
            }
        }
    }
    let mut columns = vec!["server's CPU, µs per message (bytes of the reply)"];
    columns.extend(ECHOES.iter().map(|(title, ..)| *title));
    columns.extend(["idle, KiB", "idle after 16 KiB, KiB"]);
    let mut table = Table::new(machine, rounds, &columns);
    for mut line in lines {
        let trial = line.run(&IDLE, "", None, machine)?;
        line.idle.add(&trial)?;
        table.row(&line.cells());
    }
    Ok(table)
}
