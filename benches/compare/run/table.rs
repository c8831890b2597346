//! The table, in Markdown.

use std::fmt;

use crate::machine::Machine;
use crate::trial::{Results, Server};

pub struct Table(Vec<String>);

impl Table {
    pub fn new(machine: &Machine, rounds: usize) -> Self {
        Self(vec![
            format!("{machine}; medians of {rounds} rounds.\n"),
            "| server's CPU, ns per message | 20 B | 125 B text | 1 KiB text | 16 KiB | 20 B ping-pong \
             | 20 B, million/s | 16 KiB, GiB/s | idle, KiB | idle after 16 KiB, KiB |"
                .to_owned(),
            format!("|---|{}", "---:|".repeat(9)),
        ])
    }

    /// `echoes` in the order of the columns.
    pub fn row(&mut self, server: &Server, echoes: &[Results], idle: &Results) {
        let mut row = format!("| {} |", label(server));
        for echo in echoes {
            row += &format!(" {:.0} |", echo.median("cpu_ns"));
        }
        let per_second = |column: usize| echoes[column].median("per_second");
        row += &format!(" {:.2} | {:.2} |", per_second(0) / 1e6, per_second(3) / 65_536.0);
        row += &format!(" {:.1} | {:.1} |", idle.median("kib_opened"), idle.median("kib_used"));
        self.0.push(row);
    }
}

/// The name and the version, which the manifest pins if it is one of the compared.
fn label(server: &Server) -> String {
    let pinned = include_str!("../Cargo.toml").lines().find_map(|line| {
        line.strip_prefix(server.version)?
            .split_once("\"=")?
            .1
            .split('"')
            .next()
    });
    match pinned {
        Some(version) => format!("{} {version}", server.name),
        None => server.name.to_owned(),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.join("\n"))
    }
}
