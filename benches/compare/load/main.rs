//! A load generator for WebSocket servers on this machine: one thread, frames that are built and masked beforehand.
//!
//! ```text
//! load echo --address A --pid P [--size 20] [--kind binary|text|json|deflate] [--connections 16] [--inflight 64]
//!           [--warmup 0.2] [--seconds 1] [--sleep no|yes]
//! load idle --address A --pid P [--connections 5000] [--size 16384] [--kind …] [--settle 0.5]
//! ```
//!
//! `deflate` is the same JSON as `json`, compressed.
//!
//! `P` is the server's process. The results are printed as `name=value`, in one line.

mod batch;
mod deflate;
mod echo;
mod frame;
mod handshake;
mod idle;
mod json;
mod process;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use self::echo::Echo;
use self::frame::Kind;
use self::idle::Idle;
use self::process::Process;

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(results) => {
            println!("{results}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, Error> {
    compare::allow_many_files()?;
    let mut arguments = std::env::args().skip(1);
    let scenario = arguments.next().unwrap_or_default();
    let mut options = Options::parse(arguments)?;
    let address: SocketAddr = options.required("address")?;
    let server = Process(options.required("pid")?);
    match scenario.as_str() {
        "echo" => {
            let echo = Echo {
                size: options.or("size", 20)?,
                kind: options.or("kind", Kind::Binary)?,
                connections: options.or("connections", 16)?,
                inflight: options.or("inflight", 64)?,
                warmup: options.seconds("warmup", 0.2)?,
                duration: options.seconds("seconds", 1.0)?,
                sleep: options.or("sleep", "no".to_owned())? == "yes",
            };
            options.end()?;
            echo.run(address, &server)
        }
        "idle" => {
            let idle = Idle {
                connections: options.or("connections", 5000)?,
                size: options.or("size", 16 << 10)?,
                kind: options.or("kind", Kind::Binary)?,
                settle: options.seconds("settle", 0.5)?,
            };
            options.end()?;
            idle.run(address, &server)
        }
        other => Err(format!("no scenario {other:?}; there are echo and idle").into()),
    }
}

/// `--name value`, as often as needed.
struct Options(HashMap<String, String>);

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Error> {
        let mut options = HashMap::new();
        while let Some(name) = arguments.next() {
            let name = name.strip_prefix("--").ok_or_else(|| format!("{name} is no option"))?;
            let value = arguments.next().ok_or_else(|| format!("--{name} wants a value"))?;
            options.insert(name.to_owned(), value);
        }
        Ok(Self(options))
    }

    fn required<T: FromStr>(&mut self, name: &str) -> Result<T, Error> {
        let value = self.0.remove(name).ok_or_else(|| format!("--{name} is missing"))?;
        value
            .parse()
            .map_err(|_| format!("--{name} {value}: what is that?").into())
    }

    fn or<T: FromStr>(&mut self, name: &str, default: T) -> Result<T, Error> {
        if self.0.contains_key(name) {
            self.required(name)
        } else {
            Ok(default)
        }
    }

    fn seconds(&mut self, name: &str, default: f64) -> Result<Duration, Error> {
        Ok(Duration::try_from_secs_f64(self.or(name, default)?)?)
    }

    /// Nothing is left over.
    fn end(self) -> Result<(), Error> {
        match self.0.into_keys().next() {
            Some(name) => Err(format!("there is no option --{name}").into()),
            None => Ok(()),
        }
    }
}
