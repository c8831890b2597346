//! One server, one scenario, once.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::machine::Machine;

pub struct Server {
    pub name: &'static str,
    /// The package whose version is named in the table.
    pub version: &'static str,
    pub program: &'static str,
}

/// The arguments of the load generator, but for the server.
pub struct Scenario(pub &'static str);

/// Starts the server with these arguments, loads it, stops it, and returns what the load generator has printed.
pub fn run(
    server: &Server,
    arguments: &str,
    scenario: &str,
    seconds: Option<f64>,
    machine: &Machine,
) -> Result<String, Box<dyn Error>> {
    let arguments = arguments.split_whitespace();
    let started = machine
        .server(server.program)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut process = Running(started);
    let mut address = String::new();
    let output = process.0.stdout.take().ok_or("the server has no output")?;
    BufReader::new(output).read_line(&mut address)?;

    let mut load = machine.client(env!("CARGO_BIN_EXE_load"));
    load.args(scenario.split(' '));
    load.args(["--address", address.trim(), "--pid", &process.0.id().to_string()]);
    if let Some(seconds) = seconds {
        load.args(["--seconds", &seconds.to_string()]);
        load.args(["--sleep", if machine.is_shared() { "yes" } else { "no" }]);
    }
    let output = load.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{}: {scenario} has failed", server.name).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Stopped when it is no longer needed, also after an error.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the trials of one server in one scenario have given, by name.
#[derive(Clone, Default)]
pub struct Results(HashMap<String, Vec<f64>>);

impl Results {
    pub fn add(&mut self, trial: &str) -> Result<(), Box<dyn Error>> {
        for result in trial.split(' ') {
            let (name, value) = result.split_once('=').ok_or("no result")?;
            self.0.entry(name.to_owned()).or_default().push(value.parse()?);
        }
        Ok(())
    }

    pub fn median(&self, name: &str) -> f64 {
        let mut values = self.0.get(name).cloned().unwrap_or_default();
        values.sort_by(f64::total_cmp);
        match values.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => values[odd / 2],
            even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
        }
    }
}
