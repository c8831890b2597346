use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use upsock::ws::hub::{Hub, Membership, Position, Rejoined};
use upsock::ws::{Config, Message, Sender, WebSocket};

use crate::soon;

/// A socket in memory, and its client, which takes whatever comes.
#[derive(Debug)]
pub struct Visitor {
    socket: WebSocket,
    received: UnboundedReceiver<Message>,
    memberships: Vec<Membership>,
}

impl Default for Visitor {
    fn default() -> Self {
        Self::new()
    }
}

impl Visitor {
    /// One that is nowhere yet. It is never too slow: its outbox is large.
    pub fn new() -> Self {
        let (client, io) = tokio::io::duplex(1 << 16);
        let config = Config::new().outbox(1 << 30, 1 << 20).max_message(64 << 20);
        let socket = WebSocket::from_io(io, config);
        let (sender, received) = unbounded_channel();
        tokio::spawn(async move {
            let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
            while let Some(Ok(message)) = client.next().await {
                // Not the pings.
                let said = matches!(message, Message::Text(_) | Message::Binary(_));
                if said && sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self {
            socket,
            received,
            memberships: Vec::new(),
        }
    }

    /// One that has joined a room.
    pub fn of(hub: &Hub, room: &str) -> Self {
        let mut visitor = Self::new();
        visitor.join(hub, room);
        visitor
    }

    /// Its handle.
    pub fn sender(&self) -> Sender {
        self.socket.sender()
    }

    /// Joins a room, for as long as it lives.
    pub fn join(&mut self, hub: &Hub, room: &str) {
        self.memberships.push(hub.join(room, &self.sender()));
    }

    /// Comes back to a room; what [`Hub::join_since`] says of that.
    pub async fn join_since(&mut self, hub: &Hub, room: &str, seen: &[Position]) -> Rejoined {
        soon(hub.join_since(room, &self.sender(), seen)).await
    }

    /// Leaves all rooms that it has [joined](Self::join).
    pub fn leave(&mut self) {
        self.memberships.clear();
    }

    /// The next message that it has received.
    ///
    /// # Panics
    /// If none comes.
    pub async fn message(&mut self) -> Message {
        soon(self.received.recv()).await.expect("the socket is open")
    }

    /// The same, of a text.
    ///
    /// # Panics
    /// If none comes, or it is no text.
    pub async fn text(&mut self) -> String {
        let message = self.message().await;
        message.into_text().expect("a text").as_str().to_owned()
    }

    /// The next message is this text.
    ///
    /// # Panics
    /// If it is not.
    pub async fn expect(&mut self, text: &str) {
        assert_eq!(self.text().await, text);
    }

    /// Takes what it has received by now.
    pub fn received(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }

    /// Nothing comes for this long: what could is on its way by then.
    ///
    /// # Panics
    /// If something does.
    pub async fn silence(&mut self, period: Duration) {
        if let Ok(message) = timeout(period, self.received.recv()).await {
            panic!("there came {message:?}");
        }
    }
}
