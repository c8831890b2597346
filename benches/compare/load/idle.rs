//! Connections that wait: what each costs in the server's memory, before and after it has echoed something.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use crate::Error;
use crate::frame::{self, Kind};
use crate::handshake::open;
use crate::process::Process;

pub struct Idle {
    pub connections: usize,
    pub size: usize,
    /// Before memory is looked at, the server gets this time to come to rest.
    pub settle: Duration,
}

impl Idle {
    pub fn run(&self, address: SocketAddr, server: &Process) -> Result<String, Error> {
        let payload = frame::payload(self.size);
        let (mut request, mut expected) = (Vec::new(), Vec::new());
        frame::request(&mut request, Kind::Binary, &payload, [0x37, 0xfa, 0x21, 0x3d]);
        frame::reply(&mut expected, Kind::Binary, &payload);

        let before = server.resident()?;
        let per_connection = || -> Result<f64, Error> {
            sleep(self.settle);
            Ok((server.resident()? as f64 - before as f64) / self.connections as f64)
        };

        let mut streams = Vec::new();
        for _ in 0..self.connections {
            streams.push(open(address)?);
        }
        let opened = per_connection()?;

        let mut reply = vec![0; expected.len()];
        for stream in &mut streams {
            stream.write_all(&request)?;
            stream.read_exact(&mut reply)?;
            if reply != expected {
                return Err("a wrong echo".into());
            }
        }
        let used = per_connection()?;
        Ok(format!("kib_opened={opened:.2} kib_used={used:.2}"))
    }
}
