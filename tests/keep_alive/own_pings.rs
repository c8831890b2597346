//! The answers to the keep-alive's pings are its own; those to the handler's pings are the handler's.

use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;
use tokio::time::sleep;
use upsock::ws::{self, Message, WebSocket};

use crate::peer::{PING, TEXT, in_memory, watch};
use crate::{PONG, run, watched};

#[tokio::test(start_paused = true)]
async fn answers_are_not_delivered() {
    for moved in [false, true] {
        let (mut client, mut seen) = watched(moved, |config| config).await;
        for _ in 0..3 {
            let payload = client.expect_ping_after(25.0).await;
            client.send(PONG, payload).await;
        }
        // Late, after another sign of life and the next ping.
        let late = client.expect_ping_after(25.0).await;
        client.send(TEXT, "busy").await;
        let next = client.expect_ping_after(25.0).await;
        assert_ne!(late, next);
        client.send(PONG, late).await;
        client.send(PONG, next).await;
        // What only looks like one.
        client.send(PONG, [0; 8]).await;
        client.send(PONG, "").await;
        client.leave().await;
        let expected = ["text busy", "pong \0\0\0\0\0\0\0\0", "pong ", "close 1000"];
        assert_eq!(seen.recv().await.unwrap(), expected, "moved: {moved}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_handlers_own_pings_are_its_own() {
    for moved in [false, true] {
        let (report, mut seen) = unbounded_channel();
        let mut client = in_memory(1000, move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    socket.send(Message::Ping("mine".into())).await.unwrap();
                    let _ = report.send(watch(&mut socket).await);
                })
            })
        })
        .await;
        client.expect(PING, "mine").await;
        let payload = client.expect_ping_after(25.0).await;
        client.send(PONG, payload).await;
        client.send(PONG, "mine").await;
        client.leave().await;
        assert_eq!(seen.recv().await.unwrap(), ["pong mine", "close 1000"]);
    }
}

#[tokio::test(start_paused = true)]
async fn they_tell_the_round_trip() {
    for moved in [false, true] {
        let (report, mut senders) = unbounded_channel();
        let mut client = in_memory(1000, move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    let _ = report.send(socket.sender());
                    watch(&mut socket).await;
                })
            })
        })
        .await;
        let sender = senders.recv().await.unwrap();
        client.send(PONG, "no answer").await;
        let mut known = None;
        for millis in [70, 1, 3000, 19_000, 0] {
            assert_eq!(sender.round_trip(), known);
            let payload = client.expect_ping_after(25.0).await;
            sleep(Duration::from_millis(millis)).await;
            client.send(PONG, &payload).await;
            // Until the session has read it.
            sleep(Duration::from_millis(1)).await;
            let found = sender.round_trip().unwrap();
            let exact = Duration::from_millis(millis);
            assert!(found >= exact && found <= exact + Duration::from_millis(2), "{found:?}");
            known = Some(found);
            // Once more is no answer to anything.
            sleep(Duration::from_millis(500)).await;
            client.send(PONG, payload).await;
        }
    }
}
