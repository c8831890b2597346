//! In preparation.

mod client;
mod connection;
mod nats;
mod run;
mod subject;
mod window;

pub use async_nats::ConnectOptions;

pub use self::nats::{BadUrl, Nats};
