//! A peer that is gone is noticed, one that lives is not taken for gone, and an idle socket stays up.
//!
//! All with tokio's paused clock, on transports in memory, but for `runtimes`.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

#[path = "../peer/mod.rs"]
mod peer;

mod busy_handler;
mod gone;
mod idle;
mod own_pings;
mod runtimes;
mod silence;

use std::future::Future;
use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use upsock::ws::{self, Config, WebSocket};

use crate::peer::{PING, PONG, Raw, TEXT, in_memory, watch};

/// A handler as it is, and the same in a task that the closure does not wait for.
async fn run(moved: bool, handler: impl Future<Output = ()> + Send + 'static) {
    if moved {
        tokio::spawn(handler);
    } else {
        handler.await;
    }
}

/// A client, and what the handler, which watches, has seen at the end.
async fn watched(
    moved: bool,
    configure: impl Fn(Config) -> Config + Send + Sync + 'static,
) -> (Raw<DuplexStream>, UnboundedReceiver<Vec<String>>) {
    let (report, seen) = unbounded_channel();
    let configure = Arc::new(configure);
    let client = in_memory(1000, move || {
        let report = report.clone();
        let configure = configure.clone();
        ws::upgrade(move |mut socket: WebSocket| {
            run(moved, async move {
                let _ = report.send(watch(&mut socket).await);
            })
        })
        .configure(move |config| configure(config))
    })
    .await;
    (client, seen)
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Raw<S> {
    /// The next frame is a ping, after as many seconds as these, within half a second more: its payload.
    async fn expect_ping_after(&mut self, seconds: f64) -> Vec<u8> {
        let (frame, found) = self.timed_frame().await;
        assert!((seconds..=seconds + 0.5).contains(&found), "{frame:?} after {found} s");
        let frame = frame.expect("not the end");
        assert_eq!(frame.opcode, PING);
        frame.payload
    }

    async fn expect_end_after(&mut self, seconds: f64) {
        let (frame, found) = self.timed_frame().await;
        assert_eq!(frame, None, "after {found} s");
        assert!((seconds..=seconds + 0.5).contains(&found), "{found} s");
    }

    /// Answers pings for as many seconds as these: how many there were.
    async fn answer_pings(&mut self, seconds: u64) -> usize {
        let mut pings = 0;
        let _ = tokio::time::timeout(std::time::Duration::from_secs(seconds), async {
            loop {
                let frame = self.try_frame().await.unwrap().expect("not the end");
                assert_eq!(frame.opcode, PING);
                self.send(PONG, frame.payload).await;
                pings += 1;
            }
        })
        .await;
        pings
    }
}
