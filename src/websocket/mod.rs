//! WebSockets (RFC 6455, over HTTP/2 RFC 8441): [`upgrade()`] and the [`WebSocket`] it opens.
//!
//! | | |
//! |---|---|
//! | [`upgrade()`], [`Upgrade`] | what a handler returns: the closure, and how its socket is to be |
//! | [`UpgradeLayer`], [`UpgradeService`] | what makes a `101` of it, around the routes |
//! | [`Handshake`], [`Origins`], [`Rejection`] | who asks, who may, and why not |
//! | [`WebSocket`], [`Message`], [`Error`] | what the closure works with |
//! | [`Sender`], [`SocketId`] | sends into a socket from anywhere |
//! | [`Sockets`], [`Drained`], [`Stats`] | all open sockets: count, reach, shut down |
#![cfg_attr(
    feature = "hub",
    doc = "| [`hub`] | rooms: broadcast, presence, history, several machines |"
)]
//! | [`Config`], [`KeepAlive`] | what a socket may cost, and how long a peer may take |
//!
//! # Example
//!
//! A server on hyper, and a client of tokio-tungstenite:
//!
//! ```
//! use futures_util::{SinkExt, StreamExt};
//! use http_body_util::Empty;
//! use hyper::{Request, Response, body::{Bytes, Incoming}, server::conn::http1, service::service_fn};
//! use hyper_util::rt::TokioIo;
//! use upsock::ws::{self, Message, UpgradeLayer, WebSocket};
//!
//! async fn shout(mut socket: WebSocket) -> Result<(), ws::Error> {
//!     while let Some(message) = socket.recv().await {
//!         if let Message::Text(text) = message? {
//!             socket.send(Message::text(text.to_uppercase())).await?;
//!         }
//!     }
//!     Ok(())
//! }
//!
//! async fn route(_: Request<Incoming>) -> Result<Response<Empty<Bytes>>, std::convert::Infallible> {
//!     Ok(ws::upgrade(shout).protocols(["shout"]).into_response())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let url = format!("ws://{}/", listener.local_addr()?);
//! tokio::spawn(async move {
//!     let service = UpgradeLayer::new().layer(service_fn(route));
//!     while let Ok((stream, _)) = listener.accept().await {
//!         let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
//!         tokio::spawn(connection.with_upgrades());
//!     }
//! });
//!
//! let (mut client, _) = tokio_tungstenite::connect_async(url).await?;
//! client.send(Message::text("hello")).await?;
//! assert_eq!(client.next().await.unwrap()?, Message::text("HELLO"));
//! client.close(None).await?;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "tokio-tungstenite")]
mod bridge;
#[cfg(feature = "deflate")]
mod compression;
mod config;
mod connection;
mod deadlines;
mod error;
mod handshake;
#[cfg(feature = "hub")]
pub mod hub;
#[cfg(feature = "json")]
mod json;
mod keep_alive;
mod lending;
mod link;
mod outcome;
mod protocol;
mod registry;
mod scratch;
mod sender;
mod session;
mod socket;
mod sockets;
mod stats;
mod sync;
mod upgrade;

use std::future::Future;

pub use tungstenite::protocol::CloseFrame;
pub use tungstenite::protocol::frame::coding::CloseCode;
pub use tungstenite::{Message, Utf8Bytes};

#[cfg(feature = "deflate")]
pub use self::compression::Compression;
pub use self::config::{Config, Flush};
pub use self::error::Error;
pub use self::handshake::{Handshake, Origins};
#[cfg(feature = "hub")]
#[doc(no_inline)]
pub use self::hub::{Hub, Lag, Membership, Relay};
pub use self::keep_alive::KeepAlive;
pub use self::outcome::Outcome;
pub use self::sender::{Sender, SocketId, TrySendError};
pub use self::socket::WebSocket;
pub use self::sockets::{Drained, Sockets};
pub use self::stats::{Stats, Traffic};
pub use self::upgrade::Upgrade;
pub use crate::{Rejection, UpgradeLayer, UpgradeService};

/// Answers a request with a WebSocket, and runs `closure` on it.
///
/// Return the [`Upgrade`] from any handler below [`UpgradeLayer`]. If the request is a valid handshake, the answer is
/// `101` (`200` over HTTP/2), and `closure` runs on the open socket, in a task of its own, as soon as the server has
/// handed over the connection. If not, the answer is a refusal ([`Rejection`]), and `closure` is dropped. See the
/// [module's example](self#example).
///
/// The closure's future may return `()` or a `Result<(), E>`: see [`Outcome`] for how the socket then closes. A panic
/// closes it with 1011.
pub fn upgrade<F, Fut>(closure: F) -> Upgrade
where
    F: FnOnce(WebSocket) -> Fut + Send + 'static,
    Fut: Future<Output: Outcome> + Send + 'static,
{
    Upgrade::new(closure)
}
