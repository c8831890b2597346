//! A room: what one of its members sends goes to all of them, and what each copy costs in the server's processor time.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Error;
use crate::batch::{Batch, Replies};
use crate::frame;
use crate::handshake::open_at;
use crate::process::Process;
use crate::socket_io;

/// A room in which nothing happens for so long has failed.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Rooms {
    pub size: usize,
    pub members: usize,
    /// So many messages go out at once; when all members have got all of them, the next.
    pub burst: usize,
    pub socket_io: bool,
    pub warmup: Duration,
    pub duration: Duration,
    /// As in [`Echo`](crate::echo::Echo).
    pub sleep: bool,
}

struct Member {
    stream: TcpStream,
    replies: Replies,
    /// How many bursts it has got.
    bursts: usize,
}

impl Rooms {
    pub fn run(&self, address: SocketAddr, server: &Process) -> Result<String, Error> {
        let batch = self.batch();
        let poll = Poll::new()?;
        let mut members = Vec::new();
        for index in 0..self.members {
            let stream = self.join(address)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(index), interest)?;
            members.push(Member {
                stream,
                replies: Replies::default(),
                bursts: 0,
            });
        }
        // A handshake's answer may come before its member is in the room.
        std::thread::sleep(Duration::from_millis(100));

        let mut room = Room {
            poll,
            timeout: if self.sleep { PATIENCE } else { Duration::ZERO },
            events: Events::with_capacity(1024),
            buffer: vec![0; 256 << 10],
            batch,
            members,
            bursts: 0,
        };
        room.run(self.warmup)?;
        let (start, cpu) = (Instant::now(), server.cpu()?);
        let deliveries = room.run(self.duration)? * self.burst * self.members;
        let (elapsed, cpu) = (start.elapsed(), server.cpu()? - cpu);
        Ok(format!(
            "cpu_ns={:.1} per_second={:.0}",
            cpu.as_nanos() as f64 / deliveries as f64,
            deliveries as f64 / elapsed.as_secs_f64(),
        ))
    }

    fn join(&self, address: SocketAddr) -> Result<std::net::TcpStream, Error> {
        if !self.socket_io {
            return open_at(address, "/fanout", false);
        }
        let mut stream = open_at(address, socket_io::PATH, false)?;
        socket_io::connect(&mut stream)?;
        Ok(stream)
    }

    fn batch(&self) -> Batch {
        let text = |number| {
            let text = document(self.size, number);
            if self.socket_io { socket_io::event(&text) } else { text }
        };
        Batch::texts((0..self.burst).map(text))
    }
}

/// A document of this length: no two of a burst are alike.
fn document(size: usize, number: usize) -> String {
    let around = format!(r#"{{"id":{:03},"text":""}}"#, 100 + number);
    let letters = frame::payload(size.saturating_sub(around.len()));
    around.replace(r#""""#, &format!("{:?}", String::from_utf8_lossy(&letters)))
}

struct Room {
    poll: Poll,
    timeout: Duration,
    events: Events,
    buffer: Vec<u8>,
    batch: Batch,
    members: Vec<Member>,
    /// How many bursts were sent.
    bursts: usize,
}

impl Room {
    /// Goes on for this time, and until all is delivered: the number of bursts.
    fn run(&mut self, duration: Duration) -> Result<usize, Error> {
        let end = Instant::now() + duration;
        let mut bursts = 0;
        while Instant::now() < end {
            self.burst()?;
            bursts += 1;
        }
        Ok(bursts)
    }

    /// The first member sends, all receive.
    fn burst(&mut self) -> Result<(), Error> {
        self.bursts += 1;
        let (mut sent, mut missing) = (0, self.members.len());
        let mut progress = Instant::now();
        while missing > 0 {
            if sent < self.batch.requests.len() {
                sent += self.members[0].write(&self.batch.requests[sent..])?;
            }
            self.poll.poll(&mut self.events, Some(self.timeout))?;
            for event in self.events.iter().filter(|event| event.is_readable()) {
                let member = &mut self.members[event.token().0];
                missing -= member.read(&self.batch, self.bursts, &mut self.buffer)?;
                progress = Instant::now();
            }
            if progress.elapsed() >= PATIENCE {
                return Err(format!("{missing} members do not get what was sent").into());
            }
        }
        Ok(())
    }
}

impl Member {
    /// Reads until the kernel has no more: how many bursts are now complete. These are as many as there can be.
    fn read(&mut self, batch: &Batch, bursts: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        let before = self.bursts;
        loop {
            let length = match self.stream.read(buffer) {
                Ok(0) => return Err("the server has closed a connection".into()),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(self.bursts - before),
                Err(error) => return Err(error.into()),
            };
            if self.bursts == bursts {
                return Err("more has come than was sent".into());
            }
            self.bursts += usize::from(self.replies.take(batch, &buffer[..length])?);
            // A short read has emptied the socket: what comes later is a change.
            if length < buffer.len() {
                return Ok(self.bursts - before);
            }
        }
    }

    /// Writes what the kernel takes.
    fn write(&mut self, requests: &[u8]) -> Result<usize, Error> {
        match self.stream.write(requests) {
            Ok(length) => Ok(length),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}
