//! What the tests and benches of all relays share: servers that can be killed, and sockets that are members.

// A test's helpers panic where the test fails.
#![allow(clippy::unwrap_used)]

pub mod latency;
mod server;
mod visitor;
mod wire;

use std::future::Future;
use std::time::Duration;

pub use self::server::Server;
pub use self::visitor::Visitor;
pub use self::wire::Wire;

/// Waits for what is to happen soon.
///
/// # Panics
/// If it takes 30 s: it will not happen.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("it has not happened within 30 s")
}

/// Waits for what will be the case.
///
/// # Panics
/// If it takes 30 s: it will not be.
pub async fn until(mut what: impl FnMut() -> bool) {
    soon(async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
