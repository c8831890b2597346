//! No wake-up is lost, whoever runs on which thread: each test hangs if one is.

use futures_util::StreamExt;
use tokio::task::JoinSet;
use upsock::ws::{CloseCode, Config, Message};

use crate::open;
use crate::peer::{CLOSE, TEXT, soon};

/// Every message is waited for by somebody: for room, for the session, or for the transport.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn senders_and_a_peer_that_wait_for_each_other_all_the_time_come_to_the_end() {
    for (mark, messages, transport) in [(1, 1, 16), (1, 2, 4096), (64, 4, 64), (1 << 16, 1, 1 << 16)] {
        const TASKS: usize = 4;
        const EACH: usize = 1500;
        let (socket, mut peer) = open(transport, Config::new().outbox(1 << 20, messages).high_water_mark(mark));
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let sender = socket.sender();
            tasks.spawn(async move {
                for _ in 0..EACH {
                    sender.send("a message".into()).await.unwrap();
                }
            });
        }
        for _ in 0..TASKS * EACH {
            peer.expect(TEXT, "a message").await;
        }
        soon(tasks.join_all()).await;
        drop(socket);
        peer.expect_close(1000, "").await;
    }
}

/// Handles and senders on other threads than the session, which ends under them in one of five ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn whoever_waits_for_a_socket_hears_of_its_end() {
    for round in 0..1000 {
        let (socket, mut peer) = open(64, Config::new().outbox(1 << 20, 2).high_water_mark(1));
        let (sender, closer) = (socket.sender(), socket.sender());
        let (sink, stream) = socket.split();
        let mut tasks = JoinSet::new();
        for _ in 0..2 {
            let sender = sender.clone();
            tasks.spawn(async move { while sender.send("from elsewhere".into()).await.is_ok() {} });
        }
        tasks.spawn(async move { sender.closed().await });
        // An echo in halves; after `dropped` messages both are dropped.
        let turns = 1 + round % 11;
        let dropped = if round % 5 == 0 { round % turns } else { usize::MAX };
        tasks.spawn(async move {
            let echo = stream.take(dropped).filter(|item| {
                let data = matches!(item, Ok(Message::Text(_)));
                async move { data }
            });
            let _ = echo.forward(sink).await;
        });
        tasks.spawn(async move {
            for _ in 0..turns {
                peer.send(TEXT, "echo me").await;
            }
            let mut frames = 0;
            loop {
                match peer.try_frame().await {
                    Ok(Some(frame)) if frame.opcode == CLOSE => {
                        peer.shutdown_with_close().await;
                    }
                    Ok(Some(_)) => frames += 1,
                    _ => break,
                }
                if frames == turns {
                    match round % 5 {
                        1 => peer.shutdown_with_close().await,
                        2 => break,
                        3 => drop(closer.close(CloseCode::Away, "")),
                        4 => {
                            peer.shutdown().await;
                            break;
                        }
                        _ => {}
                    }
                }
            }
        });
        soon(async { while tasks.join_next().await.transpose().unwrap().is_some() {} }).await;
    }
}
