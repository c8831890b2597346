//! Real servers, as processes of their own.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::{soon, until};

/// A message system's server on 127.0.0.1, with its data in a directory of its own. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    options: Vec<String>,
    port: u16,
    directory: TempDir,
    process: Option<Child>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Redis,
    Nats,
}

impl Server {
    /// A redis-server that has started. What it has acknowledged is on the disk.
    pub async fn redis() -> Self {
        Self::redis_with(&["--appendonly", "yes", "--appendfsync", "always"]).await
    }

    /// A redis-server that keeps nothing unless the options say so.
    pub async fn redis_with(options: &[&str]) -> Self {
        let mut server = Self::redis_stopped_with(options);
        server.start().await;
        server
    }

    /// One that has not started.
    pub fn redis_stopped() -> Self {
        Self::redis_stopped_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// One that has not started, with these options.
    pub fn redis_stopped_with(options: &[&str]) -> Self {
        Self::new(Kind::Redis, options)
    }

    /// A nats-server that has started.
    pub async fn nats() -> Self {
        Self::nats_with(&[]).await
    }

    /// A nats-server with more options; its working directory is its own.
    pub async fn nats_with(options: &[&str]) -> Self {
        let mut server = Self::new(Kind::Nats, options);
        server.start().await;
        server
    }

    /// One that has not started.
    pub fn nats_stopped() -> Self {
        Self::new(Kind::Nats, &[])
    }

    fn new(kind: Kind, options: &[&str]) -> Self {
        Self {
            kind,
            options: options.iter().map(ToString::to_string).collect(),
            port: free_port(),
            directory: TempDir::new().expect("a temporary directory"),
            process: None,
        }
    }

    /// Where it is, or will be.
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Redis => format!("redis://127.0.0.1:{}", self.port),
            Kind::Nats => format!("nats://127.0.0.1:{}", self.port),
        }
    }

    /// Its port, also while it is not running.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its data is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it, again on the same port and data, and waits until it serves.
    ///
    /// # Panics
    /// If it runs already, or does not start.
    pub async fn start(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let port = self.port.to_string();
        let mut command = match self.kind {
            Kind::Redis => {
                let mut command = Command::new("redis-server");
                command.args([
                    "--bind",
                    "127.0.0.1",
                    "--port",
                    &port,
                    "--save",
                    "",
                    "--daemonize",
                    "no",
                ]);
                command
            }
            Kind::Nats => {
                let mut command = Command::new("nats-server");
                command.args(["-a", "127.0.0.1", "-p", &port]);
                command
            }
        };
        let child = command
            .args(&self.options)
            .current_dir(self.directory())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{:?} does not start: {error}", command.get_program()));
        self.process = Some(child);
        soon(async {
            while !self.serves().await {
                let ended = self.process.as_mut().and_then(|child| child.try_wait().ok().flatten());
                assert!(ended.is_none(), "{:?} has ended: {ended:?}", self.kind);
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Whether it answers: one that reads its data back accepts already, but does not serve.
    async fn serves(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await else {
            return false;
        };
        let good: &[u8] = match self.kind {
            Kind::Redis => {
                let asked = tokio::io::AsyncWriteExt::write_all(&mut stream, b"PING\r\n").await;
                if asked.is_err() {
                    return false;
                }
                b"+PONG"
            }
            // It speaks first.
            Kind::Nats => b"INFO ",
        };
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.is_ok() && answer == *good
    }

    /// Kills it (SIGKILL), and waits for its end; its data stays.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill(&mut self) {
        let mut child = self.process.take().expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }

    /// Stops it where it is (SIGSTOP): its connections stay, and it says nothing.
    pub async fn pause(&self) {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.pid().as_raw_nonzero());
        // The state comes after the name.
        until(|| std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "))).await;
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.process.as_ref().expect("it runs"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}

/// A port that nothing uses, and that the system gives to nobody while the server is down: outside of the range for
/// connections, or a client that tries to reach it could find itself there.
fn free_port() -> u16 {
    (0..1000)
        .map(|_| 10_000 + u16::try_from(RandomState::new().hash_one(0) % 20_000).unwrap())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
