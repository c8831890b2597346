//! A socket's handle, where it is used outside of the session's poll.

use std::task::{Context, Poll};

use tungstenite::Message;

use super::mailbox::{Item, Mailbox};
use super::{DROPPED, INBOX, Link, WRITER};
use crate::websocket::Error;
use crate::websocket::protocol::{Protocol, Unsendable};

impl Link {
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Item>> {
        let mut mailbox = self.lock();
        match self.pop(&mut mailbox) {
            Some(item) => {
                if std::mem::take(&mut mailbox.full) {
                    Self::wake_session(mailbox);
                }
                Poll::Ready(Some(item))
            }
            None if mailbox.ended => Poll::Ready(None),
            None => {
                mailbox.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ready when a message may be sent.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let mut mailbox = self.lock();
        if mailbox.closed {
            return Poll::Ready(Err(Error::closed()));
        }
        let ahead = if mailbox.outbox.is_turn() {
            0
        } else {
            mailbox.outbox.bytes()
        };
        if ahead + mailbox.unsent < self.high_water_mark() {
            mailbox.outbox.leave_line();
            return Poll::Ready(Ok(()));
        }
        mailbox.outbox.line_up();
        mailbox.writer = Some(cx.waker().clone());
        self.set(WRITER);
        Poll::Pending
    }

    pub(crate) fn send(&self, message: Message, compressible: bool) -> Result<(), Unsendable> {
        Protocol::check(&message)?;
        let mailbox = self.lock();
        if mailbox.closed {
            return Err(Unsendable::Closed);
        }
        self.accept(mailbox, message, compressible);
        Ok(())
    }

    /// Ready when all that was sent is written.
    pub(crate) fn poll_written(&self, cx: &Context<'_>) -> Poll<()> {
        let mut mailbox = self.lock();
        if mailbox.outbox.is_empty() && mailbox.unsent == 0 {
            return Poll::Ready(());
        }
        mailbox.writer = Some(cx.waker().clone());
        self.set(WRITER);
        Poll::Pending
    }

    /// The socket's handle is dropped.
    pub(crate) fn drop_handle(&self) {
        self.set(DROPPED);
        let mut mailbox = self.lock();
        // Nobody will take it, and a sender may be kept for long.
        let unread = std::mem::take(&mut mailbox.inbox);
        self.clear(INBOX);
        Self::wake_session(mailbox);
        drop(unread);
    }

    pub(super) fn pop(&self, mailbox: &mut Mailbox) -> Option<Item> {
        let item = mailbox.inbox.pop()?;
        if mailbox.inbox.is_empty() {
            self.clear(INBOX);
        }
        Some(item)
    }
}
