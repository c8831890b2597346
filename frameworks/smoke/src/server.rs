use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Less than the servers' deadlines; Rocket takes 2 s or more if a connection is slow to end, actix-web always.
const SOON: Duration = Duration::from_secs(10);

/// A program that serves, until this is dropped.
pub struct Server {
    process: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts it, on a port that is free.
    pub fn start(program: &str) -> Self {
        let mut process = Command::new(program)
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("a program");
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().expect("its output"));
        stdout.read_line(&mut line).expect("its first line");
        let address = line.trim().strip_prefix("http://").expect("its address");
        Self {
            address: address.parse().expect("its address"),
            process,
        }
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let kill = Command::new("kill").arg(self.process.id().to_string()).status();
        assert!(kill.expect("the command `kill`").success());
    }

    pub(crate) fn assert_runs(&mut self) {
        assert_eq!(self.process.try_wait().expect("a process"), None);
    }

    /// Asserts that it ends by itself, soon and with status 0.
    pub(crate) fn assert_ends(&mut self) {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("a process") {
                assert!(status.success(), "{status}");
                return;
            }
            assert!(begin.elapsed() < SOON, "it does not end");
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
