//! What the hubs have sent last leaves before the process does: that the people of this node have left.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use upsock::ws::hub::{Hub, HubBuilder, Port, Relay};

const GRACE: Duration = Duration::from_secs(3);

/// Knows when the relays are done: they are, some time after their hubs are gone.
pub(crate) struct Farewell {
    relays: mpsc::Sender<()>,
    done: mpsc::Receiver<()>,
}

/// A relay that tells its end.
struct Told<R> {
    relay: R,
    _relays: mpsc::Sender<()>,
}

impl Farewell {
    pub(crate) fn new() -> Self {
        let (relays, done) = mpsc::channel(1);
        Self { relays, done }
    }

    /// A hub that is joined with others by this relay.
    pub(crate) fn hub(&self, relay: impl Relay) -> HubBuilder {
        let _relays = self.relays.clone();
        Hub::builder().relay(Told { relay, _relays })
    }

    /// Waits until all relays are done, or the message system does not take it.
    pub(crate) async fn said(self) {
        let Self { relays, mut done } = self;
        drop(relays);
        let _ = timeout(GRACE, done.recv()).await;
    }
}

impl<R: Relay> Relay for Told<R> {
    async fn run(self, port: Port) {
        let Self { relay, _relays } = self;
        relay.run(port).await;
    }

    fn keeps_history(&self) -> bool {
        self.relay.keeps_history()
    }
}
