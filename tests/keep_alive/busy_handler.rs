//! The handler is behind, or hangs: its peer is not blamed for that, and still hears from us.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, duplex};
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep};
use upsock::ws::{self, Config, Sockets, WebSocket};

use crate::peer::{CLOSE, PING, Raw, TEXT, in_memory, timed, watch};
use crate::{PONG, run};

#[tokio::test(start_paused = true)]
async fn pings_go_on_while_the_handler_hangs() {
    for moved in [false, true] {
        let mut client = in_memory(1000, move || {
            ws::upgrade(move |socket: WebSocket| {
                run(moved, async move {
                    sleep(Duration::from_secs(3600)).await;
                    drop(socket);
                })
            })
        })
        .await;
        assert_eq!(client.answer_pings(3590).await, 142);
        let (close, seconds) = client.timed_frame().await;
        assert_eq!(close.unwrap().opcode, CLOSE);
        assert!((9.0..11.0).contains(&seconds), "{seconds}");
    }
}

/// More messages than wait for a handler, of which it takes none for long. The peer's pongs wait behind them, so it
/// seems silent; and it must hear from us, or a proxy between us would end the connection.
#[tokio::test(start_paused = true)]
async fn a_peer_whose_bytes_are_not_read_is_not_gone() {
    for moved in [false, true] {
        // Two are in the handler's inbox; 17 fill it; the rest is not even parsed.
        for count in [2, 16, 17, 18, 40, 300] {
            let go = Arc::new(Notify::new());
            let wait = go.clone();
            let (report, mut seen) = unbounded_channel();
            let mut client = in_memory(10_000, move || {
                let (wait, report) = (wait.clone(), report.clone());
                ws::upgrade(move |mut socket: WebSocket| {
                    run(moved, async move {
                        wait.notified().await;
                        let _ = report.send(watch(&mut socket).await);
                    })
                })
            })
            .await;
            for i in 0..count {
                client.send(TEXT, i.to_string()).await;
            }
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(400) {
                let (frame, seconds) = client.timed_frame().await;
                assert!(seconds < 50.0, "{count}, moved: {moved}: silent for {seconds} s");
                let frame = frame.unwrap_or_else(|| panic!("{count}, moved: {moved}: the end"));
                assert_eq!(frame.opcode, PING);
                client.send(PONG, frame.payload).await;
            }
            go.notify_one();
            client.leave().await;
            let mut expected: Vec<String> = (0..count).map(|i| format!("text {i}")).collect();
            expected.push("close 1000".into());
            assert_eq!(seen.recv().await.unwrap(), expected, "{count}, moved: {moved}");
        }
    }
}

/// It is judged again when the handler has caught up.
#[tokio::test(start_paused = true)]
async fn a_peer_that_went_meanwhile_is_noticed_afterwards() {
    for moved in [false, true] {
        let (report, mut seen) = unbounded_channel();
        let mut client = in_memory(10_000, move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    sleep(Duration::from_secs(1000)).await;
                    let _ = report.send(watch(&mut socket).await);
                })
            })
        })
        .await;
        for i in 0..40 {
            client.send(TEXT, i.to_string()).await;
        }
        let (report, seconds) = timed(async {
            tokio::select! {
                report = seen.recv() => report.unwrap(),
                () = async { while client.try_frame().await.unwrap().is_some() {} } => seen.recv().await.unwrap(),
            }
        })
        .await;
        assert_eq!(report.len(), 41);
        assert_eq!(report[40], "abnormal");
        // What was read last may have been decoded only now, but it came long ago.
        assert!((1000.0..=1046.0).contains(&seconds), "{seconds}");
    }
}

/// A ping that lies behind data, which the peer reads slowly, has asked nothing yet.
#[tokio::test(start_paused = true)]
async fn a_ping_behind_data_is_judged_from_when_it_leaves() {
    for pieces in 20..30 {
        let (mut client, io) = duplex(64);
        let mut socket = Sockets::new().open(io, Config::new()).unwrap();
        let handler = tokio::spawn(async move {
            socket.send("x".repeat(pieces * 64 - 4).into()).await.unwrap();
            watch(&mut socket).await
        });
        for _ in 0..pieces {
            sleep(Duration::from_secs(9)).await;
            client.read_exact(&mut [0; 64]).await.unwrap();
        }
        let mut client = Raw::new(client);
        let (ping, seconds) = client.timed_frame().await;
        assert!(seconds < 0.01, "it was sent long ago");
        // Late, but not too late.
        sleep(Duration::from_secs(19)).await;
        client.send(PONG, ping.unwrap().payload).await;
        client.leave().await;
        assert_eq!(handler.await.unwrap(), ["close 1000"], "{pieces}");
    }
}
