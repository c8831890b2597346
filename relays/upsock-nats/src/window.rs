//! What was taken from the hub, until the server is known to have it.

use std::collections::VecDeque;

use upsock::ws::hub::Publication;

/// So much is on its way at once, and not more: all that the client may hold in its queue.
const MAX_MESSAGES: usize = 4096;
const MAX_BYTES: usize = 2 << 20;

#[derive(Debug, Default)]
pub(crate) struct Window {
    publications: VecDeque<Publication>,
    bytes: usize,
    /// How many have left it in front, from the beginning.
    gone: u64,
    /// How many of those that are here were sent on this connection.
    sent: usize,
}

impl Window {
    pub(crate) fn is_empty(&self) -> bool {
        self.publications.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.publications.len() >= MAX_MESSAGES || self.bytes >= MAX_BYTES
    }

    pub(crate) fn push(&mut self, publication: Publication) {
        self.bytes += publication.payload().len();
        self.publications.push_back(publication);
    }

    /// Nothing of it was sent on a new connection.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// The next that is to be sent.
    pub(crate) fn next(&self) -> Option<&Publication> {
        self.publications.get(self.sent)
    }

    pub(crate) fn was_sent(&mut self) {
        self.sent += 1;
    }

    /// Gives up the next one.
    pub(crate) fn skip(&mut self) {
        if let Some(publication) = self.publications.remove(self.sent) {
            self.bytes -= publication.payload().len();
        }
    }

    /// How far it was sent: for [`acknowledge`](Self::acknowledge).
    pub(crate) fn mark(&self) -> u64 {
        self.gone + self.sent as u64
    }

    /// Whether any that was sent is not acknowledged.
    pub(crate) fn awaits(&self) -> bool {
        self.sent > 0
    }

    /// The server has all that was sent before this mark.
    pub(crate) fn acknowledge(&mut self, mark: u64) {
        while self.gone < mark && self.sent > 0 {
            let Some(publication) = self.publications.pop_front() else {
                return;
            };
            self.bytes -= publication.payload().len();
            self.gone += 1;
            self.sent -= 1;
            publication.acknowledge();
        }
        if self.publications.capacity() > 64 && self.publications.is_empty() {
            self.publications = VecDeque::new();
        }
    }
}
