//! Messages queued, and written.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::Connection;
use crate::websocket::protocol::MAX_SLICES;

impl Connection {
    /// Takes over what handles elsewhere have sent.
    #[inline]
    pub(crate) fn collect(&mut self) {
        if self.link.has_mail() {
            self.link.collect(&mut self.protocol);
            self.told = true;
        }
    }

    /// Writes what is queued, as far as the transport takes it; returns whether the closure must be polled for that.
    pub(crate) fn write(&mut self, cx: &mut Context<'_>) -> bool {
        self.try_write(cx);
        let closed = self.is_closed();
        if self.told || self.told_closed != closed || self.link.has_writer() {
            let unsent = if self.can_deliver() { self.protocol.unsent() } else { 0 };
            self.link.written(unsent, closed);
            self.told = unsent > 0;
            self.told_closed = closed;
        }
        // Only whoever gets what it waits for: else the closure would be polled again and again.
        let met = if self.flushing {
            self.is_written()
        } else {
            self.has_room() || self.is_closed()
        };
        met && self.writer.wake()
    }

    pub(super) fn try_write(&mut self, cx: &mut Context<'_>) {
        self.collect();
        match self.poll_write(cx) {
            Poll::Pending => self.stalled(),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => self.write_failed = true,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.protocol.unsent() > 0 {
            let Some(io) = self.io.as_mut().filter(|_| !self.write_failed) else {
                return Poll::Ready(Ok(()));
            };
            let mut io = Pin::new(io);
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
            self.taken(written);
        }
        if self.unflushed {
            if let Some(io) = self.io.as_mut().filter(|_| !self.write_failed) {
                ready!(Pin::new(io).poll_flush(cx))?;
            }
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether there is something to do without waiting.
    pub(crate) fn can_write(&self) -> bool {
        self.can_deliver() && !self.write_blocked && (self.protocol.unsent() > 0 || self.link.has_mail())
    }
}
