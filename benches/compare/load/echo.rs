//! Messages that come back, batch after batch: what each costs in the server's processor time.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Error;
use crate::batch::{Batch, Replies};
use crate::frame::Kind;
use crate::handshake::open;
use crate::process::Process;

/// A connection without an echo for so long has none.
const PATIENCE: Duration = Duration::from_secs(10);

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

struct Connection {
    stream: TcpStream,
    sent: usize,
    replies: Replies,
}

impl Echo {
    pub fn run(&self, address: SocketAddr, server: &Process) -> Result<String, Error> {
        let batch = Batch::new(self.kind, self.size, self.inflight)?;
        let mut poll = Poll::new()?;
        let mut connections = Vec::new();
        for index in 0..self.connections {
            let stream = open(address, self.kind == Kind::Deflate)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(index), interest)?;
            connections.push(Connection {
                stream,
                sent: 0,
                replies: Replies::default(),
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
        let end = Instant::now() + PATIENCE;
        loop {
            exchange.run(self.warmup)?;
            let missing = exchange
                .connections
                .iter()
                .position(|connection| !connection.replies.verified);
            match missing {
                None => break,
                Some(index) if Instant::now() > end => {
                    return Err(format!("connection {index} has no echo after {PATIENCE:?}").into());
                }
                Some(_) => {}
            }
        }

        let (start, cpu) = (Instant::now(), server.cpu()?);
        let messages = exchange.run(self.duration)? * self.inflight;
        let (elapsed, cpu) = (start.elapsed(), server.cpu()? - cpu);
        if messages == 0 {
            return Err("the server has stopped to answer".into());
        }
        Ok(format!(
            "cpu_ns={:.1} per_second={:.0} reply_bytes={:.1}",
            cpu.as_nanos() as f64 / messages as f64,
            messages as f64 / elapsed.as_secs_f64(),
            connections[0].replies.first as f64 / self.inflight as f64,
        ))
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
            if self.replies.take(batch, &buffer[..length])? {
                batches += 1;
                self.sent = 0;
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
