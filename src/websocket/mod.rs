//! WebSockets (RFC 6455): [`upgrade`] and the [`WebSocket`] it opens.

mod config;
mod connection;
mod error;
mod handshake;
mod lending;
mod link;
mod outcome;
mod protocol;
mod scratch;
mod session;
mod socket;
mod upgrade;

use std::future::Future;

pub use tungstenite::protocol::CloseFrame;
pub use tungstenite::protocol::frame::coding::CloseCode;
pub use tungstenite::{Message, Utf8Bytes};

pub use self::config::Config;
pub use self::error::Error;
pub use self::handshake::{Handshake, Origins};
pub use self::outcome::Outcome;
pub use self::socket::WebSocket;
pub use self::upgrade::Upgrade;
pub use crate::{Rejection, UpgradeLayer, UpgradeService};

/// Answers a request with a WebSocket, and runs `closure` on it.
pub fn upgrade<F, Fut>(closure: F) -> Upgrade
where
    F: FnOnce(WebSocket) -> Fut + Send + 'static,
    Fut: Future<Output: Outcome> + Send + 'static,
{
    Upgrade::new(closure)
}
