//! Bytes read, and decoded.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tungstenite::Message;

use super::{Connection, Parked};
use crate::websocket::Error;
use crate::websocket::link::mailbox::Item;
use crate::websocket::protocol::Violation;
use crate::websocket::scratch::Scratch;

impl Connection {
    /// The next message, out of what has been read.
    #[inline]
    pub(super) fn decode(&mut self) -> Option<Item> {
        if let Some(item) = self.next.take() {
            return Some(*item);
        }
        if self.ended {
            return None;
        }
        while !self.starved {
            let scratch = load(&mut self.scratch, &mut self.stash);
            let (taken, item) = self.protocol.receive(&mut scratch.window[scratch.unparsed.clone()]);
            scratch.unparsed.start += taken;
            match item {
                None => self.starved = true,
                Some(Ok(Message::Pong(payload))) if self.is_pong_of_ours(&payload) => self.note_complete(),
                Some(item) => return Some(self.decoded(item)),
            }
        }
        let error = self.failure.take()?;
        self.ended = true;
        Some(Err(error.into()))
    }

    #[inline]
    fn decoded(&mut self, item: Result<Message, Violation>) -> Item {
        self.note_complete();
        match &item {
            Ok(Message::Close(_)) | Err(_) => {
                self.ended = true;
                self.answer(&item);
            }
            Ok(message) => self.link.count_received(message),
        }
        item.map_err(Error::from)
    }

    /// Answers the last item. What was accepted before the Close frame goes first.
    pub(super) fn answer(&mut self, last: &Result<Message, Violation>) {
        if !self.protocol.close_sent() {
            self.link.seal(&mut self.protocol);
        }
        self.protocol.answer(last);
    }

    /// Reads, if the handler waits for a message or one more may wait for it.
    ///
    /// Returns whether there is something new to decode.
    pub(crate) fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let wanted = self.starved && !self.ended && self.next.is_none() && self.io.is_some() && !self.read_blocked;
        // A peer that sends pings and does not read the pongs has to wait (RFC 6455 §5.5.3 asks for the latest only). If
        // none can be written any more, only reading tells that it is gone.
        if !wanted || self.protocol.owes_pong() && !self.write_failed {
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
        while let (Some(mut place), Some(io)) = (self.protocol.direct(), &mut self.io) {
            let length = ready!(pin!(io.read_buf(&mut place)).poll(cx))?;
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let item = self.protocol.received_directly(length);
            self.heard(length);
            if let Some(item) = item {
                self.next = Some(Box::new(self.decoded(item)));
                return Poll::Ready(Ok(()));
            }
        }
        let scratch = load(&mut self.scratch, &mut self.stash);
        scratch.compact();
        let mut buffer = ReadBuf::new(&mut scratch.window[scratch.unparsed.end..]);
        let Some(io) = &mut self.io else {
            return Poll::Pending;
        };
        ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
        let length = buffer.filled().len();
        if length == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        scratch.unparsed.end += length;
        self.heard(length);
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

    /// Whether nothing that has been received waits for a handle.
    pub(crate) fn is_delivered(&self) -> bool {
        self.link.is_dropped() || !self.has_input()
    }

    /// Whether `decode` has something to give, or a partial frame to look at.
    fn has_input(&self) -> bool {
        self.next.is_some() || !self.ended && (!self.starved || self.failure.is_some())
    }

    /// Reads and drops some input: its length, or `None` at its end.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        self.stash = Box::default();
        let scratch = load(&mut self.scratch, &mut self.stash);
        scratch.unparsed = 0..0;
        let Some(io) = &mut self.io else {
            return Poll::Ready(None);
        };
        let mut buffer = ReadBuf::new(&mut scratch.window);
        let result = ready!(Pin::new(io).poll_read(cx, &mut buffer));
        let length = buffer.filled().len();
        Poll::Ready(if result.is_ok() && length > 0 {
            Some(length)
        } else {
            None
        })
    }
}

/// The scratch, with the stash in its window.
fn load<'a>(scratch: &'a mut Option<Box<Scratch>>, stash: &mut Box<[u8]>) -> &'a mut Scratch {
    let scratch = scratch.get_or_insert_with(Scratch::take);
    if !stash.is_empty() {
        scratch.window[..stash.len()].copy_from_slice(stash);
        scratch.unparsed = 0..stash.len();
        *stash = Box::default();
    }
    scratch
}
