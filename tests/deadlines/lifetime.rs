//! A socket with a maximum lifetime ends with 1001, whatever goes over it.

use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep};
use upsock::ws::{self, WebSocket};

use crate::peer::{CLOSE, PING, PONG, TEXT, in_memory, watch};
use crate::{assert_about, run};

const REASON: &str = "the socket has reached its maximum lifetime";

#[tokio::test(start_paused = true)]
async fn it_ends_idle_busy_and_with_a_handler_that_hangs() {
    for (moved, busy, hangs) in [
        (false, false, false),
        (true, false, false),
        (false, true, false),
        (true, true, false),
        (false, false, true),
        (false, true, true),
    ] {
        let (report, mut seen) = unbounded_channel();
        let mut client = in_memory(100_000, move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    if hangs {
                        sleep(Duration::from_secs(200)).await;
                    }
                    let _ = report.send(watch(&mut socket).await);
                })
            })
            .configure(|config| config.max_lifetime(Duration::from_secs(100)))
        })
        .await;
        let start = Instant::now();
        let close = loop {
            if busy {
                client.send(TEXT, "x").await;
            }
            if let Ok(frame) = tokio::time::timeout(Duration::from_secs(7), client.try_frame()).await {
                let frame = frame.unwrap().unwrap();
                match frame.opcode {
                    PING => client.send(PONG, frame.payload).await,
                    _ => break frame,
                }
            }
        };
        assert_about(start.elapsed().as_secs_f64(), 100.0);
        assert_eq!(close.opcode, CLOSE);
        assert_eq!(close.payload, [b"\x03\xe9", REASON.as_bytes()].concat());
        client.send(TEXT, "on its way").await;
        client.send_close(1001).await;
        client.expect_end().await;
        let seen = seen.recv().await.unwrap();
        assert_eq!(seen[seen.len() - 2..], ["text on its way", "close 1001"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_is_dropped() {
    let mut client = in_memory(1000, move || {
        ws::upgrade(|mut socket: WebSocket| async move {
            watch(&mut socket).await;
        })
        .configure(|config| config.max_lifetime(Duration::from_secs(10)))
    })
    .await;
    let (close, seconds) = client.timed_frame().await;
    assert_eq!(close.unwrap().opcode, CLOSE);
    assert_about(seconds, 10.0);
    let (end, seconds) = client.timed_frame().await;
    assert_eq!(end, None);
    assert_about(seconds, 5.0);
}

/// A handler that closes in time has its own word.
#[tokio::test(start_paused = true)]
async fn who_closes_first_says_why() {
    let mut client = in_memory(1000, move || {
        ws::upgrade(|socket: WebSocket| async move {
            sleep(Duration::from_secs(8)).await;
            drop(socket);
        })
        .configure(|config| config.max_lifetime(Duration::from_secs(10)))
    })
    .await;
    sleep(Duration::from_secs(11)).await;
    client.expect_close(1000, "").await;
    client.send_close(1000).await;
    client.expect_end().await;
}
