//! A peer that does not read makes sending wait, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::sleep;
use upsock::ws::{self, WebSocket};

use crate::peer::{Server, TEXT, describe, endless, in_memory, soon};
use crate::run;

/// Sends numbers and counts them, as fast as the socket takes them.
async fn pour(mut socket: WebSocket, count: usize, accepted: Arc<AtomicUsize>) {
    for i in 0..count {
        socket.send(format!("{i:0>100}").into()).await.unwrap();
        accepted.fetch_add(1, Ordering::SeqCst);
    }
}

/// Waits until the count stays where it is.
async fn settled(count: &AtomicUsize) -> usize {
    let mut last = 0;
    soon(async {
        loop {
            sleep(Duration::from_millis(200)).await;
            let now = count.load(Ordering::SeqCst);
            if now > 0 && now == last {
                return now;
            }
            last = now;
        }
    })
    .await
}

#[tokio::test]
async fn sending_waits_for_a_peer_that_does_not_read() {
    for moved in [false, true] {
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let mut client = in_memory(1000, move || {
            let count = count.clone();
            ws::upgrade(move |socket| run(moved, pour(socket, 200, count)))
                .configure(|config| endless(config).high_water_mark(2000))
        })
        .await;
        // What the transport holds, what the client has read behind the response, what is below the mark, one message.
        let most = (1000 + 64 + 2000) / 102 + 1;
        let stalled = settled(&accepted).await;
        assert!(stalled <= most, "{stalled} of {most}, moved: {moved}");
        // Not sent one by one, either.
        assert!(stalled >= 1000 / 102 + 5, "{stalled}");
        for i in 0..200 {
            client.expect(TEXT, format!("{i:0>100}")).await;
        }
        client.expect_close(1000, "").await;
        assert_eq!(accepted.load(Ordering::SeqCst), 200);
    }
}

#[tokio::test]
async fn sending_waits_for_a_peer_that_does_not_read_from_tcp() {
    const COUNT: usize = 50_000;
    // Above the loopback's segments of 64 KiB: below, the kernel probes the window in steps of 200 ms.
    const BUFFER: usize = 128 * 1024;
    for moved in [false, true] {
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let server = Server::with_buffers(Some(BUFFER), move || {
            let count = count.clone();
            ws::upgrade(move |socket| run(moved, pour(socket, COUNT, count))).configure(endless)
        });
        let mut client = server.raw_with_buffers(BUFFER).await;
        let stalled = settled(&accepted).await;
        assert!(stalled * 102 < 2 << 20, "{stalled}");
        for i in 0..COUNT {
            client.expect(TEXT, format!("{i:0>100}")).await;
        }
        client.expect_close(1000, "").await;
    }
}

/// A handler that waits for room still hears what the peer says, in its other half.
#[tokio::test]
async fn a_full_output_does_not_stop_the_input() {
    for name in ["join", "sink moved", "stream moved", "FuturesUnordered"] {
        let (report, mut seen) = unbounded_channel();
        let mut client = in_memory(1000, move || {
            let report = report.clone();
            ws::upgrade(move |socket: WebSocket| async move {
                let (mut sink, mut stream) = socket.split();
                let write = async move {
                    for _ in 0..100 {
                        sink.send("x".repeat(1000).into()).await.unwrap();
                    }
                };
                let read = async move {
                    while let Some(item) = stream.next().await {
                        let _ = report.send(describe(&item));
                    }
                };
                match name {
                    "join" => {
                        join(write, read).await;
                    }
                    "sink moved" => {
                        tokio::spawn(write);
                        read.await;
                    }
                    "stream moved" => {
                        tokio::spawn(read);
                        write.await;
                    }
                    _ => {
                        let mut all: FuturesUnordered<_> = [write.boxed(), read.boxed()].into_iter().collect();
                        while all.next().await.is_some() {}
                    }
                }
            })
            .configure(|config| endless(config).high_water_mark(1))
        })
        .await;
        for i in 0..100 {
            let text = format!("{i}");
            client.send(TEXT, &text).await;
            assert_eq!(soon(seen.recv()).await.unwrap(), format!("text {i}"), "{name}");
        }
        for _ in 0..100 {
            client.expect(TEXT, "x".repeat(1000)).await;
        }
        client.leave().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), "close 1000");
    }
}
