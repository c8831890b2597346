//! What the tests of the socket share: a server with one route, and clients for it.

#![allow(dead_code, unreachable_pub)]

mod frame;
mod raw;
mod server;

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use upsock::ws::{Config, Error, Message, WebSocket};

#[allow(unused_imports, reason = "each test crate uses a part")]
pub use frame::*;
pub use raw::Raw;
#[allow(unused_imports, reason = "each test crate uses a part")]
pub use server::{Server, in_memory, serve};

/// What no wait may take, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Panics, with the caller's place, if the future takes too long.
#[track_caller]
pub fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = Location::caller();
    async move {
        match timeout(PATIENCE, future).await {
            Ok(output) => output,
            Err(_) => panic!("{place}: still waiting after {PATIENCE:?}"),
        }
    }
}

/// What the future gives, and how many seconds it took by tokio's clock, which a test may have paused.
pub async fn timed<F: Future>(future: F) -> (F::Output, f64) {
    const A_DAY: Duration = Duration::from_secs(86_400);
    let start = Instant::now();
    let output = timeout(A_DAY, future).await.expect("something within a day");
    (output, start.elapsed().as_secs_f64())
}

/// Times that a test can wait for.
pub fn short(config: Config) -> Config {
    config
        .close_timeout(Duration::from_millis(200))
        .linger(Duration::from_millis(200))
}

/// Times that no test lives to see: what comes in spite of them did not wait for them.
pub fn endless(config: Config) -> Config {
    config
        .close_timeout(Duration::from_secs(600))
        .linger(Duration::from_secs(600))
}

/// Receives until the end, and once more.
pub async fn watch(socket: &mut WebSocket) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(item) = socket.recv().await {
        seen.push(describe(&item));
    }
    assert!(socket.recv().await.is_none(), "the end lasts");
    seen
}

/// An item in a word or two.
pub fn describe(item: &Result<Message, Error>) -> String {
    match item {
        Ok(Message::Text(text)) => format!("text {text}"),
        Ok(Message::Binary(data)) => format!("binary {}", data.len()),
        Ok(Message::Ping(data)) => format!("ping {}", String::from_utf8_lossy(data)),
        Ok(Message::Pong(data)) => format!("pong {}", String::from_utf8_lossy(data)),
        Ok(Message::Close(Some(frame))) => format!("close {} {}", u16::from(frame.code), frame.reason)
            .trim()
            .into(),
        Ok(Message::Close(None)) => "close".into(),
        Ok(Message::Frame(_)) => "raw frame".into(),
        Err(error) if error.is_abnormal() => "abnormal".into(),
        Err(error) if error.is_protocol() => "protocol".into(),
        Err(error) if error.is_utf8() => "utf8".into(),
        Err(error) if error.is_limit() => "limit".into(),
        Err(error) => format!("error {error}"),
    }
}
