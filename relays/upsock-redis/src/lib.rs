//! Joins hubs through Redis Streams. In preparation.

mod entry;
mod error;
mod id;
mod interest;
mod past;
mod publish;
mod read;
mod relay;
mod settings;
mod shard;

pub use self::error::Error;
pub use self::settings::Redis;
