//! The transport and the protocol of one socket, joined.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;

use super::link::Link;
use super::protocol::{MAX_SLICES, Protocol};
use super::scratch::Scratch;
use super::{Config, Error};
use crate::Io;

type Item = Result<Message, Error>;

pub(crate) struct Connection {
    link: Arc<Link>,
    /// `None` when the connection is over.
    io: Option<Io>,
    protocol: Protocol,
    /// The session's: the only one that the transport ever sees, so that no half of a split socket can take the other's.
    waker: Waker,
    scratch: Option<Box<Scratch>>,
    /// Unparsed input, between two polls of the session.
    stash: Vec<u8>,
    /// A message that was read straight into its place.
    next: Option<Item>,
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
    reader: Parked,
    writer: Parked,
    high_water_mark: usize,
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
        *self = if waker.will_wake(session) { Self::Here } else { Self::Within(waker.clone()) };
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
    pub(crate) fn belongs_to(&self, link: &Arc<Link>) -> bool {
        Arc::ptr_eq(&self.link, link)
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
        if self.is_closed() {
            return Poll::Ready(Err(Error::closed()));
        }
        if self.protocol.unsent() < self.high_water_mark {
            return Poll::Ready(Ok(()));
        }
        self.writer.park(cx.waker(), &self.waker);
        Poll::Pending
    }

    #[inline]
    pub(crate) fn send(&mut self, message: Message) -> Result<(), Error> {
        if self.link.has_mail() {
            // What was sent from elsewhere goes first.
            self.collect();
        }
        if self.is_closed() {
            return Err(Error::closed());
        }
        Ok(self.protocol.send(message)?)
    }

    /// Ready when all that was sent is written.
    pub(crate) fn poll_written(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.can_deliver() || (self.protocol.unsent() == 0 && !self.unflushed) {
            return Poll::Ready(());
        }
        self.writer.park(cx.waker(), &self.waker);
        Poll::Pending
    }
}

/// What the session does.
impl Connection {
    pub(crate) fn new(io: Io, config: &Config, link: Arc<Link>) -> Self {
        Self {
            link,
            io: Some(io),
            protocol: Protocol::new(config.limits()),
            waker: Waker::noop().clone(),
            scratch: None,
            stash: Vec::new(),
            next: None,
            starved: true,
            failure: None,
            ended: false,
            write_failed: false,
            read_blocked: false,
            write_blocked: false,
            unflushed: false,
            told: false,
            reader: Parked::No,
            writer: Parked::No,
            high_water_mark: config.high_water_mark,
        }
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
            self.stash = scratch.window[scratch.unparsed.clone()].to_vec();
        }
        scratch.give_back();
    }

    /// The next message, out of what has been read.
    #[inline]
    fn decode(&mut self) -> Option<Item> {
        if let Some(item) = self.next.take() {
            return Some(item);
        }
        if self.ended {
            return None;
        }
        if self.starved {
            let error = self.failure.take()?;
            self.ended = true;
            return Some(Err(error.into()));
        }
        let scratch = load(&mut self.scratch, &mut self.stash);
        let (taken, item) = self.protocol.receive(&mut scratch.window[scratch.unparsed.clone()]);
        scratch.unparsed.start += taken;
        self.starved = item.is_none();
        match item? {
            Ok(message) => {
                self.ended = message.is_close();
                Some(Ok(message))
            }
            Err(violation) => {
                self.ended = true;
                Some(Err(violation.into()))
            }
        }
    }

    /// Reads, if the handler waits for a message or one more may wait for it.
    ///
    /// Returns whether there is something new to decode.
    pub(crate) fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let wanted = self.starved && !self.ended && self.next.is_none() && self.io.is_some() && !self.read_blocked;
        // A peer that sends pings and does not read the pongs has to wait (RFC 6455 §5.5.3 asks for the latest only).
        if !wanted || self.protocol.owes_pong() {
            return false;
        }
        if matches!(self.reader, Parked::No) && !self.link.is_dropped() && !self.link.has_room() {
            return false;
        }
        match self.poll_read(cx) {
            Poll::Pending => {
                self.read_blocked = true;
                false
            }
            Poll::Ready(Ok(())) => {
                self.starved = false;
                true
            }
            Poll::Ready(Err(error)) => {
                self.fail(error);
                true
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(io) = &mut self.io else {
            return Poll::Pending;
        };
        let mut io = Pin::new(io);
        while let Some(mut place) = self.protocol.direct() {
            let length = ready!(pin!(io.read_buf(&mut place)).poll(cx))?;
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            if let Some(item) = self.protocol.received_directly(length) {
                self.ended = item.is_err();
                self.next = Some(item.map_err(Error::from));
                return Poll::Ready(Ok(()));
            }
        }
        let scratch = load(&mut self.scratch, &mut self.stash);
        scratch.compact();
        let mut buffer = ReadBuf::new(&mut scratch.window[scratch.unparsed.end..]);
        ready!(io.as_mut().poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        scratch.unparsed.end += buffer.filled().len();
        Poll::Ready(Ok(()))
    }

    /// Lets the waiting handler have what was read; returns whether the closure must be polled for that.
    pub(crate) fn wake_reader(&mut self) -> bool {
        (self.has_input() || self.ended) && self.reader.wake()
    }

    /// Decodes ahead of a handler that is busy or elsewhere, so that pings are answered and a Close is seen.
    pub(crate) fn decode_ahead(&mut self) {
        if !matches!(self.reader, Parked::No) {
            return;
        }
        let dropped = self.link.is_dropped();
        while self.has_input() && (dropped || self.link.has_room()) {
            match self.decode() {
                Some(item) if !dropped => self.link.deliver(item),
                Some(_) => {}
                None => break,
            }
        }
        if self.ended && self.next.is_none() {
            self.link.end();
        }
    }

    /// Whether `decode` has something to give, or a partial frame to look at.
    fn has_input(&self) -> bool {
        self.next.is_some() || !self.ended && (!self.starved || self.failure.is_some())
    }

    /// Takes over what handles elsewhere have sent.
    pub(crate) fn collect(&mut self) {
        if self.link.has_mail() {
            self.link.collect(&mut self.protocol);
            self.told = true;
        }
    }

    /// Writes what is queued, as far as the transport takes it; returns whether the closure must be polled for that.
    pub(crate) fn write(&mut self, cx: &mut Context<'_>) -> bool {
        match self.poll_write(cx) {
            Poll::Pending => self.write_blocked = true,
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => self.write_failed = true,
        }
        if self.told || self.link.has_writer() {
            let unsent = if self.can_deliver() { self.protocol.unsent() } else { 0 };
            self.link.written(unsent, self.is_closed());
            self.told = unsent > 0;
        }
        let room = self.protocol.unsent() < self.high_water_mark || self.is_closed();
        room && self.writer.wake()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(io) = self.io.as_mut().filter(|_| !self.write_failed) else {
            return Poll::Ready(Ok(()));
        };
        let mut io = Pin::new(io);
        while self.protocol.unsent() > 0 {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.protocol.slices(&mut slices);
            let written = if count > 1 && io.is_write_vectored() {
                ready!(io.as_mut().poll_write_vectored(cx, &slices[..count]))?
            } else {
                ready!(io.as_mut().poll_write(cx, &slices[0]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.protocol.advance(written);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(io.poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether there is something to do without waiting.
    pub(crate) fn can_write(&self) -> bool {
        self.can_deliver() && !self.write_blocked && (self.protocol.unsent() > 0 || self.link.has_mail())
    }

    /// Queues a Close frame, the last, unless one is queued.
    pub(crate) fn close(&mut self, frame: CloseFrame) {
        self.protocol.close(Some(frame));
    }

    /// Nothing can be sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        !self.can_deliver() || self.protocol.close_sent()
    }

    /// The transport takes what is queued.
    pub(crate) fn can_deliver(&self) -> bool {
        self.io.is_some() && !self.write_failed
    }

    pub(crate) fn close_sent(&self) -> bool {
        self.protocol.close_sent()
    }

    /// Both Close frames have passed, or one that fails the connection: the last byte is written.
    pub(crate) fn is_finished(&self) -> bool {
        let protocol = &self.protocol;
        protocol.close_sent() && protocol.close_received() && protocol.unsent() == 0 && !self.unflushed
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

    /// Reads and drops some input: its length, or `None` at its end.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        self.stash = Vec::new();
        let scratch = load(&mut self.scratch, &mut self.stash);
        scratch.unparsed = 0..0;
        let Some(io) = &mut self.io else {
            return Poll::Ready(None);
        };
        let mut buffer = ReadBuf::new(&mut scratch.window);
        let result = ready!(Pin::new(io).poll_read(cx, &mut buffer));
        let length = buffer.filled().len();
        Poll::Ready(if result.is_ok() && length > 0 { Some(length) } else { None })
    }

    /// The connection is over: a failure, for the handler, unless it has seen the end already.
    pub(crate) fn fail(&mut self, error: io::Error) {
        self.io = None;
        self.failure = Some(error);
    }
}

/// The scratch, with the stash in its window.
fn load<'a>(scratch: &'a mut Option<Box<Scratch>>, stash: &mut Vec<u8>) -> &'a mut Scratch {
    let scratch = scratch.get_or_insert_with(Scratch::take);
    if !stash.is_empty() {
        scratch.window[..stash.len()].copy_from_slice(stash);
        scratch.unparsed = 0..stash.len();
        *stash = Vec::new();
    }
    scratch
}

impl Drop for Connection {
    /// Handles elsewhere hear of the end, also when the session is dropped with its runtime.
    fn drop(&mut self) {
        self.link.end();
        self.link.written(0, true);
    }
}
