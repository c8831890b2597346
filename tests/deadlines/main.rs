//! Nobody can hold a socket hostage: each deadline at its default, with tokio's clock paused.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

#[path = "../peer/mod.rs"]
mod peer;

mod closing;
mod lifetime;
mod messages;
mod starting;
mod writing;

use std::future::Future;

/// A handler as it is, and the same in a task that the closure does not wait for.
async fn run(moved: bool, handler: impl Future<Output = ()> + Send + 'static) {
    if moved {
        tokio::spawn(handler);
    } else {
        handler.await;
    }
}

/// As much later as the sweep's clock is coarse.
#[track_caller]
fn assert_about(seconds: f64, expected: f64) {
    let most = expected + 0.5;
    assert!((expected..=most).contains(&seconds), "{seconds}, not {expected}");
}
