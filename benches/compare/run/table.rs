//! A table, in Markdown.

use std::fmt;

use crate::machine::Machine;
use crate::trial::Server;

pub struct Table(Vec<String>);

impl Table {
    pub fn new(machine: &Machine, rounds: usize, columns: &[&str]) -> Self {
        let mut table = Self(vec![format!("{machine}; medians of {rounds} rounds.\n")]);
        table.row(columns);
        table.0.push(format!("|---|{}", "---:|".repeat(columns.len() - 1)));
        table
    }

    pub fn row(&mut self, cells: &[impl AsRef<str>]) {
        let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
        self.0.push(format!("| {} |", cells.join(" | ")));
    }
}

/// The name and the version, which the manifest pins if it is one of the compared.
pub fn label(server: &Server) -> String {
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
