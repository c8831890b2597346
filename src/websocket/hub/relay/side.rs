//! A hub's end of a relay.

use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use super::backlog::Backlog;
use super::{Port, RelayState, Rooms, envelope};
use crate::websocket::hub::{History, Position};
use crate::websocket::protocol::SharedFrame;

pub(crate) struct Side {
    backlog: Arc<Backlog>,
    node: u64,
    keeps_history: bool,
    history: Option<History>,
}

impl Side {
    pub(crate) fn new(
        node: u64,
        keeps_history: bool,
        history: Option<History>,
        (messages, bytes): (usize, usize),
    ) -> Self {
        Self {
            backlog: Arc::new(Backlog::new(messages, bytes, keeps_history && history.is_some())),
            node,
            keeps_history,
            history,
        }
    }

    pub(crate) fn port(&self, rooms: Weak<dyn Rooms>) -> Port {
        Port {
            backlog: self.backlog.clone(),
            rooms,
            node: self.node,
            history: self.history,
        }
    }

    pub(crate) fn keeps_history(&self) -> bool {
        self.keeps_history
    }

    pub(crate) fn interest(&self, topic: &Arc<str>, wanted: bool) {
        self.backlog.interest(topic, wanted);
    }

    /// Returns whether it will be relayed.
    pub(crate) fn publish(
        &self,
        topic: &Arc<str>,
        position: Position,
        frame: &SharedFrame,
        receipt: Option<oneshot::Sender<()>>,
    ) -> bool {
        let payload = envelope::seal(self.node, position, frame);
        self.backlog.push(topic, payload, receipt)
    }

    pub(crate) fn state(&self) -> RelayState {
        self.backlog.state()
    }

    pub(crate) fn close(&self) {
        self.backlog.close();
    }
}
