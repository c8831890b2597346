//! Joins the hubs of several processes through [NATS](https://nats.io): what one process sends to a room, the members in
//! all processes get.
//!
//! It uses NATS core: the lowest latency, and nothing is stored. What is lost is told.
//!
//! ```no_run
//! use upsock::ws::hub::{Event, Hub};
//! use upsock_nats::Nats;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let hub: Hub = Hub::builder().relay(Nats::new("nats://127.0.0.1:4222")?.prefix("chat")).build();
//!
//! // For a client that is to know that it has missed something.
//! let mut events = hub.events();
//! tokio::spawn(async move {
//!     while let Some(event) = events.recv().await {
//!         if let Event::Gap { room, missed } = event {
//!             eprintln!("lost in {room:?}: {missed:?}");
//!         }
//!     }
//! });
//!
//! // At once to the members here; the future is ready when the server has it for the others.
//! hub.publish("lobby", "hello").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! | | |
//! |---|---|
//! | members in the same process | get each message at once, whether NATS is there or not |
//! | delivery to others | at most once: those that are connected and subscribed when the server has the message |
//! | order | of each process in each room; none between processes |
//! | duplicates | none: what is sent again after an interruption is known by its position |
//! | `publish` is ready | when the server has the message and has given it to its subscribers' connections; not when other processes have it |
//! | an interruption | what is sent waits in the hub's [backlog](upsock::ws::hub::HubBuilder::backlog); what the server was not known to have is sent again |
//! | the server restarts | it keeps nothing: what it had not handed on is lost |
//! | losses | each process tells `Event::Gap` without a room after an interruption, and how many messages of which room are missing when the next one comes |
//! | a slow process | messages beyond [`capacity`](Nats::capacity) in a room are lost, and told as a gap; one that the server itself finds slow is disconnected by it, which is an interruption |
//! | a message beyond the server's `max_payload` | is given up: `publish` says so, and others are told a gap with the next one |
//! | a server that stands still | is noticed within about [`timeout`](Nats::timeout), which is an interruption |
//! | a [history](upsock::ws::hub::HubBuilder::history) | is each process's own: what it has heard since the room began there |
//!
//! After an interruption what has waited is held back for a second ([`settle`](Nats::settle)), so that processes that lost
//! the server together find each other again first. What is still missed then is told.
//!
//! # What it costs
//!
//! One connection for each process. At most 4,096 messages or 2 MiB are on their way to the server at once; all else
//! waits in the hub. A process that sends to a room in which it has members itself hears its own messages again, and
//! passes them over: by a mark that comes back in the same way it knows how far the server is. A room that somebody is in
//! takes about 5 KiB, most of it the client's queue.
//!
//! The client's own reconnecting is not used, since what is left in its queue would overtake what has to be sent again.
//! Servers that a cluster announces are therefore not tried: [`Nats::new`] takes several URLs.
//!
//! Connections that fail, and what a server refuses, are events of `tracing`.
//!
//! TLS is by rustls, with the process's own provider if it has installed one, else with *ring*. The feature `nkeys` adds
//! nkeys and JWT credentials to [`ConnectOptions`].

mod client;
mod connection;
mod nats;
mod run;
mod subject;
mod window;

pub use async_nats::ConnectOptions;

pub use self::nats::{BadUrl, Nats};
