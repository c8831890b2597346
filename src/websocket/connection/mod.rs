//! The transport and the protocol of one socket, joined.

mod input;
mod output;
mod time;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::AsyncWrite;
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;

use super::deadlines::Deadlines;
use super::link::Link;
use super::link::mailbox::Item;
use super::protocol::{Extensions, Protocol, Unsendable};
use super::registry::Member;
use super::scratch::Scratch;
use super::{Config, Error};
use crate::{Io, trace};

pub(crate) struct Connection {
    link: Member,
    /// `None` when the connection is over.
    io: Option<Io>,
    protocol: Protocol,
    /// The session's: the only one that the transport ever sees, so that no half of a split socket can take the other's.
    waker: Waker,
    scratch: Option<Box<Scratch>>,
    /// Unparsed input, between two polls of the session.
    stash: Box<[u8]>,
    /// A message that was read straight into its place.
    next: Option<Box<Item>>,
    /// There is no whole message in the unparsed input.
    starved: bool,
    /// Why no more input will come, until the handler is told.
    failure: Option<io::Error>,
    /// No message will follow `next`.
    ended: bool,
    /// The transport takes no more; what the peer sent before may still be read.
    write_failed: bool,
    read_blocked: bool,
    write_blocked: bool,
    /// Written, but not flushed through the transport.
    unflushed: bool,
    /// The link has been told of unsent bytes, and waits to hear that there are none.
    told: bool,
    /// The link has been told that nothing can be sent any more.
    told_closed: bool,
    /// The handle in the closure waits for room, behind what senders had sent by then.
    lined_up: bool,
    /// Waits for a message.
    reader: Parked,
    /// Waits for room to send, or until all is written: one at a time, since a `Sink` is used by one.
    writer: Parked,
    flushing: bool,
    deadlines: Deadlines,
    /// When the ping of the keep-alive was sent whose answer is to be timed, in nanoseconds of the registry's time.
    ping: u64,
    /// The transport has taken bytes since the session has last asked.
    progress: bool,
}

/// A handle that waits, inside the session's own poll.
enum Parked {
    No,
    /// The session's own waker: polling the closure is enough.
    Here,
    /// Some executor within the closure (`FuturesUnordered`, say) wants to hear of it.
    Within(Waker),
}

impl Parked {
    fn park(&mut self, waker: &Waker, session: &Waker) {
        *self = if waker.will_wake(session) {
            Self::Here
        } else {
            Self::Within(waker.clone())
        };
    }

    /// Returns whether the closure must be polled.
    fn wake(&mut self) -> bool {
        match std::mem::replace(self, Self::No) {
            Self::No => return false,
            Self::Here => {}
            Self::Within(waker) => waker.wake(),
        }
        true
    }
}

/// What the handle in the closure does, while the connection is lent to it.
impl Connection {
    pub(crate) fn belongs_to(&self, link: &Link) -> bool {
        std::ptr::eq(&**self.link, link)
    }

    #[inline]
    pub(crate) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Item>> {
        if self.link.has_inbox() {
            if let Some(item) = self.link.take_received() {
                return Poll::Ready(Some(item));
            }
        }
        match self.decode() {
            Some(item) => Poll::Ready(Some(item)),
            None if self.ended => Poll::Ready(None),
            None => {
                self.reader.park(cx.waker(), &self.waker);
                Poll::Pending
            }
        }
    }

    #[inline]
    pub(crate) fn poll_ready(&mut self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        // What was sent from elsewhere goes first, but not what has come since this waits: it would wait for ever.
        if !(self.lined_up && self.link.is_turn()) {
            self.collect();
        }
        if self.is_closed() {
            return Poll::Ready(Err(Error::closed()));
        }
        if self.has_room() {
            if std::mem::take(&mut self.lined_up) {
                self.link.leave_line();
            }
            return Poll::Ready(Ok(()));
        }
        if !std::mem::replace(&mut self.lined_up, true) {
            self.link.line_up();
        }
        self.flushing = false;
        self.writer.park(cx.waker(), &self.waker);
        Poll::Pending
    }

    #[inline]
    pub(crate) fn send(&mut self, message: Message, compressible: bool) -> Result<(), Unsendable> {
        if self.is_closed() {
            return Err(Unsendable::Closed);
        }
        if message.is_close() {
            Protocol::check(&message)?;
            self.link.seal(&mut self.protocol);
        }
        self.link.count_sent(&message);
        self.protocol.send(message, compressible)
    }

    /// Writes what was sent, and is ready when all of it is written.
    pub(crate) fn poll_written(&mut self, cx: &Context<'_>) -> Poll<()> {
        let session = self.waker.clone();
        self.try_write(&mut Context::from_waker(&session));
        if self.is_written() {
            return Poll::Ready(());
        }
        self.flushing = true;
        self.writer.park(cx.waker(), &self.waker);
        Poll::Pending
    }
}

/// What the session does: see also `input` and `output`.
impl Connection {
    pub(crate) fn new(io: Io, config: &Config, extensions: &Extensions, link: Member) -> Self {
        trace::opened(&link.id());
        let deadlines = Deadlines::new(config, link.registry().now());
        let mut connection = Self {
            link,
            io: Some(io),
            protocol: Protocol::new(config.limits(), extensions),
            waker: Waker::noop().clone(),
            scratch: None,
            stash: Box::default(),
            next: None,
            starved: true,
            failure: None,
            ended: false,
            write_failed: false,
            read_blocked: false,
            write_blocked: false,
            unflushed: false,
            told: false,
            told_closed: false,
            lined_up: false,
            reader: Parked::No,
            writer: Parked::No,
            flushing: false,
            deadlines,
            ping: 0,
            progress: false,
        };
        connection.set_alarm();
        connection
    }

    /// The session is polled.
    pub(crate) fn begin(&mut self, waker: &Waker) {
        if !self.waker.will_wake(waker) {
            self.waker = waker.clone();
            self.link.set_session(waker);
        }
        let mut scratch = Scratch::take();
        self.protocol.lend(&mut scratch.output);
        self.scratch = Some(scratch);
        self.read_blocked = false;
        self.write_blocked = false;
    }

    /// The session's poll is over: the thread gets its buffers back, and what is in them an allocation of its own size.
    pub(crate) fn finish(&mut self) {
        let Some(mut scratch) = self.scratch.take() else {
            return;
        };
        self.protocol.reclaim(&mut scratch.output);
        if !scratch.unparsed.is_empty() {
            self.stash = scratch.window[scratch.unparsed.clone()].into();
        }
        scratch.give_back();
        self.note_partial();
    }

    /// Queues a Close frame, the last, unless one is queued or the connection is over. What was accepted before it goes
    /// first.
    pub(crate) fn close(&mut self, frame: &CloseFrame) {
        if !self.protocol.close_sent() && !self.is_over() {
            self.link.seal(&mut self.protocol);
            self.protocol.close(Some(frame));
        }
    }

    /// Nothing can be sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        !self.can_deliver() || self.protocol.close_sent()
    }

    /// Nothing is left to write, or nothing can be.
    fn is_written(&self) -> bool {
        !self.can_deliver() || (self.protocol.unsent() == 0 && !self.unflushed)
    }

    fn has_room(&self) -> bool {
        self.protocol.unsent() < self.link.high_water_mark()
    }

    /// The transport takes what is queued.
    pub(crate) fn can_deliver(&self) -> bool {
        self.io.is_some() && !self.write_failed
    }

    pub(crate) fn close_sent(&self) -> bool {
        self.protocol.close_sent()
    }

    /// Gives the transport away, with what was read; `None` if some of that has been parsed, or anything been sent.
    #[cfg(feature = "tokio-tungstenite")]
    pub(crate) fn give_away(&mut self) -> Option<(Io, Vec<u8>)> {
        let scratch = self.scratch.get_or_insert_with(Scratch::take);
        let mut early = self.stash.to_vec();
        early.extend_from_slice(&scratch.window[scratch.unparsed.clone()]);
        let traffic = self.link.traffic();
        if traffic.bytes_received != early.len() as u64 || traffic.bytes_sent > 0 || self.protocol.unsent() > 0 {
            return None;
        }
        let io = self.io.take()?;
        self.ended = true;
        Some((io, early))
    }

    /// Both Close frames have passed, or one that fails the connection: the last byte is written.
    pub(crate) fn is_finished(&self) -> bool {
        self.protocol.close_sent() && self.protocol.close_received() && self.is_written()
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn is_over(&self) -> bool {
        self.io.is_none()
    }

    /// Shuts the transport's write side down.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.io {
            Some(io) => Pin::new(io).poll_shutdown(cx).map(drop),
            None => Poll::Ready(()),
        }
    }

    /// The connection is over: a failure, for the handler, unless it has seen the end already.
    pub(crate) fn fail(&mut self, error: io::Error) {
        self.io = None;
        self.failure = Some(error);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if trace::ENABLED {
            self.report();
        }
    }
}
