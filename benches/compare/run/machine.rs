//! What all this runs on.

use std::fmt;
use std::fs;
use std::io;
use std::process::Command;

pub struct Machine {
    date: String,
    processor: String,
    cores: usize,
    kernel: String,
    /// The cores of server and client, if there are two and programs can be bound to them.
    pins: Option<(String, String)>,
}

impl Machine {
    pub fn look() -> io::Result<Self> {
        let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output()?;
        let processor = fs::read_to_string("/proc/cpuinfo")?
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned());
        Ok(Self {
            date: String::from_utf8_lossy(&date.stdout).trim().to_owned(),
            processor,
            cores: std::thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            pins: pins()?,
        })
    }

    pub fn server(&self, program: &str) -> Command {
        command(program, self.pins.as_ref().map(|(server, _)| server))
    }

    pub fn client(&self, program: &str) -> Command {
        command(program, self.pins.as_ref().map(|(_, client)| client))
    }

    /// Whether server and client share the only core.
    pub fn is_shared(&self) -> bool {
        self.cores == 1
    }
}

fn command(program: &str, pin: Option<&String>) -> Command {
    let Some(core) = pin else {
        return Command::new(program);
    };
    let mut command = Command::new("taskset");
    command.args(["-c", core, program]);
    command
}

/// The first and the last core that we may use: the least likely to be two halves of one.
fn pins() -> io::Result<Option<(String, String)>> {
    if Command::new("taskset").arg("--version").output().is_err() {
        return Ok(None);
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let mut cores = allowed.unwrap_or_default().trim().split([',', '-']);
    let first = cores.next().unwrap_or_default();
    Ok(cores.next_back().map(|last| (first.to_owned(), last.to_owned())))
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            date,
            processor,
            cores,
            kernel,
            pins,
        } = self;
        write!(f, "{date}, {processor}, {cores} cores, Linux {kernel}")?;
        match pins {
            Some((server, client)) => write!(f, ", server on core {server}, client on core {client}"),
            None => write!(f, ", server and client not bound to cores"),
        }
    }
}
