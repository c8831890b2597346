//! Connections that wait: what each costs in the server's memory, before and after it has echoed something.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use crate::Error;
use crate::batch::{Batch, Replies};
use crate::frame::Kind;
use crate::handshake::open;
use crate::process::Process;

pub struct Idle {
    pub connections: usize,
    pub size: usize,
    pub kind: Kind,
    /// Before memory is looked at, the server gets this time to come to rest.
    pub settle: Duration,
}

impl Idle {
    pub fn run(&self, address: SocketAddr, server: &Process) -> Result<String, Error> {
        let batch = Batch::new(self.kind, self.size, 1)?;
        let before = server.resident()?;
        let per_connection = || -> Result<f64, Error> {
            sleep(self.settle);
            Ok((server.resident()? as f64 - before as f64) / self.connections as f64)
        };

        let mut streams = Vec::new();
        for _ in 0..self.connections {
            streams.push(open(address, self.kind == Kind::Deflate)?);
        }
        let opened = per_connection()?;

        let mut buffer = vec![0; 256 << 10];
        for stream in &mut streams {
            stream.write_all(&batch.requests)?;
            let mut replies = Replies::default();
            loop {
                let length = stream.read(&mut buffer)?;
                if length == 0 {
                    return Err("the server has closed a connection".into());
                }
                if replies.take(&batch, &buffer[..length])? {
                    break;
                }
            }
        }
        let used = per_connection()?;
        Ok(format!("kib_opened={opened:.2} kib_used={used:.2}"))
    }
}
