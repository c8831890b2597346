//! Messages that come back, batch after batch: what each costs in the server's processor time.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Error;
use crate::frame::{self, Kind};
use crate::handshake::open;
use crate::process::Process;

pub struct Echo {
    pub size: usize,
    pub kind: Kind,
    pub connections: usize,
    /// So many messages go out at once; when all are back, the next.
    pub inflight: usize,
    pub warmup: Duration,
    pub duration: Duration,
    /// Whether to sleep while there is nothing to do.
    ///
    /// On one machine, whoever sends pays for waking the receiver: a server whose clients are elsewhere does not. So
    /// this client stays awake, unless it has to share its processor with the server.
    pub sleep: bool,
}

/// What one connection sends at once, and what it gets for that.
struct Batch {
    requests: Vec<u8>,
    replies: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    sent: usize,
    received: usize,
    /// The first batch is compared, byte by byte; later ones by their length.
    verified: bool,
}

impl Echo {
    pub fn run(&self, address: SocketAddr, server: &Process) -> Result<String, Error> {
        let batch = self.batch();
        let mut poll = Poll::new()?;
        let mut connections = Vec::new();
        for index in 0..self.connections {
            let stream = open(address)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(index), interest)?;
            connections.push(Connection {
                stream,
                sent: 0,
                received: 0,
                verified: false,
            });
        }

        let mut exchange = Exchange {
            poll: &mut poll,
            timeout: if self.sleep {
                Duration::from_millis(50)
            } else {
                Duration::ZERO
            },
            events: Events::with_capacity(1024),
            buffer: vec![0; 256 << 10],
            batch: &batch,
            connections: &mut connections,
        };
        exchange.run(self.warmup)?;
        if let Some(index) = exchange.connections.iter().position(|connection| !connection.verified) {
            return Err(format!("connection {index} has no echo after {:?}", self.warmup).into());
        }

        let (start, cpu) = (Instant::now(), server.cpu()?);
        let messages = exchange.run(self.duration)? * self.inflight;
        let (elapsed, cpu) = (start.elapsed(), server.cpu()? - cpu);
        if messages == 0 {
            return Err("the server has stopped to answer".into());
        }
        Ok(format!(
            "cpu_ns={:.1} per_second={:.0}",
            cpu.as_nanos() as f64 / messages as f64,
            messages as f64 / elapsed.as_secs_f64(),
        ))
    }

    fn batch(&self) -> Batch {
        let payload = frame::payload(self.size);
        let (mut requests, mut replies) = (Vec::new(), Vec::new());
        for index in 0..self.inflight {
            let key = (0x9e37_79b9_u32.wrapping_mul(index as u32 + 1)).to_be_bytes();
            frame::request(&mut requests, self.kind, &payload, key);
            frame::reply(&mut replies, self.kind, &payload);
        }
        Batch { requests, replies }
    }
}

struct Exchange<'a> {
    poll: &'a mut Poll,
    timeout: Duration,
    events: Events,
    buffer: Vec<u8>,
    batch: &'a Batch,
    connections: &'a mut [Connection],
}

impl Exchange<'_> {
    /// Goes on for this time: the number of batches that were answered.
    fn run(&mut self, duration: Duration) -> Result<usize, Error> {
        let end = Instant::now() + duration;
        let mut batches = 0;
        while Instant::now() < end {
            self.poll.poll(&mut self.events, Some(self.timeout))?;
            for event in &self.events {
                batches += self.connections[event.token().0].exchange(self.batch, &mut self.buffer)?;
            }
        }
        Ok(batches)
    }
}

impl Connection {
    /// Writes and reads until the kernel has no more: the number of batches that were answered.
    ///
    /// The poll tells of changes only, so nothing may be left behind.
    fn exchange(&mut self, batch: &Batch, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut batches = 0;
        loop {
            self.write(&batch.requests)?;
            let length = match self.stream.read(buffer) {
                Ok(0) => return Err("the server has closed a connection".into()),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(batches),
                Err(error) => return Err(error.into()),
            };
            let Some(expected) = batch.replies.get(self.received..self.received + length) else {
                return Err("more has come back than was sent".into());
            };
            if !self.verified && *expected != buffer[..length] {
                return Err("a wrong echo".into());
            }
            self.received += length;
            if self.received == batch.replies.len() {
                batches += 1;
                (self.sent, self.received, self.verified) = (0, 0, true);
                self.write(&batch.requests)?;
            }
            // A short read has emptied the socket: what comes later is a change.
            if length < buffer.len() {
                return Ok(batches);
            }
        }
    }

    /// Writes what the kernel takes.
    fn write(&mut self, requests: &[u8]) -> Result<(), Error> {
        while self.sent < requests.len() {
            match self.stream.write(&requests[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
