//! Rooms: what is sent to one goes to all its members. Feature `hub`, a default one; `examples/chat` is a whole server.
//!
//! | | |
//! |---|---|
//! | [`Hub`], [`HubBuilder`] | the rooms of a server, by their keys |
//! | [`Membership`], [`Rejoined`] | a socket's place in a room, and one that it comes back to |
//! | [`Lag`] | what becomes of slow members |
//! | [`History`], [`Position`] | what was sent, for those who come back |
//! | [`Event`], [`Events`], [`Member`] | who comes and goes |
//! | [`Relay`], [`Port`], [`Command`] | other processes |
//!
//! # What is promised
//!
//! - Sending waits for nobody. A message is encoded once, whatever the number of members, and lies in memory once.
//! - All members in a process get the messages of a room in the same order, each once. What members in other processes
//!   send comes in the order of each process.
//! - A slow member changes nothing for the others; what becomes of it is a matter of [`Lag`].
//! - Memory is bounded: by each socket's [outbox](super::Config::outbox), the [`History`], and the
//!   [backlog](HubBuilder::backlog) for a relay. A room without members ends, unless its history is kept.
//!
//! # Example
//!
//! A room that everybody is in, and in which everybody hears everybody. A client that was away says where it was:
//!
//! ```
//! use futures_util::{SinkExt, StreamExt};
//! use http_body_util::Empty;
//! use hyper::{Request, Response, body::{Bytes, Incoming}, server::conn::http1, service::service_fn};
//! use hyper_util::rt::TokioIo;
//! use upsock::ws::hub::{History, Hub, Position};
//! use upsock::ws::{self, Error, Message, UpgradeLayer, WebSocket};
//!
//! async fn visit(mut socket: WebSocket, hub: Hub, seen: Option<Position>) -> Result<(), Error> {
//!     let rejoined = hub.join_since("lobby", &socket.sender(), seen.as_slice()).await;
//!     if !rejoined.complete {
//!         socket.send("some of what you have missed is lost".into()).await?;
//!     }
//!     while let Some(message) = socket.recv().await {
//!         if let Message::Text(text) = message? {
//!             hub.broadcast_at("lobby", |position| Message::text(format!("{position} {text}")));
//!         }
//!     }
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::builder().history(History::new()).build();
//! let route = move |request: Request<Incoming>| {
//!     let seen = request.uri().query().and_then(|query| query.parse().ok());
//!     let hub = hub.clone();
//!     let upgrade = ws::upgrade(move |socket| visit(socket, hub, seen));
//!     async { Ok::<Response<Empty<Bytes>>, std::convert::Infallible>(upgrade.into_response()) }
//! };
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
//! let (mut client, _) = tokio_tungstenite::connect_async(&url).await?;
//! client.send(Message::text("hello")).await?;
//! let hello = client.next().await.unwrap()?.into_text()?;
//! let (seen, text) = hello.split_once(' ').unwrap();
//! assert_eq!(text, "hello");
//! client.send(Message::text("anybody here?")).await?;
//! client.next().await.unwrap()?;
//! client.close(None).await?;
//!
//! // Later, or on another connection: only what came after what it had seen.
//! let (mut client, _) = tokio_tungstenite::connect_async(format!("{url}?{seen}")).await?;
//! assert!(client.next().await.unwrap()?.into_text()?.ends_with("anybody here?"));
//! # Ok(())
//! # }
//! ```

mod builder;
mod events;
mod handle;
mod history;
#[cfg(all(test, shuttle))]
mod interleavings;
mod lag;
mod member;
mod position;
mod relay;
mod relayed;
mod room;
mod shared;

pub use self::builder::HubBuilder;
pub use self::events::{Event, Events};
pub use self::handle::{Broadcast, Hub, Rejoined};
pub use self::history::History;
pub use self::lag::{Conflate, Lag};
pub use self::member::{Member, Membership};
pub use self::position::{ParsePositionError, Position};
pub use self::relay::{Command, Malformed, Port, Publication, Relay, RelayState, Unrelayed};
