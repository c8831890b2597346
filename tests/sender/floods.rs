//! A hundred tasks flood a slow peer: what waits is bounded, nothing is lost or doubled, nobody is passed over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};
use upsock::ws::{self, Config, WebSocket};

use crate::open;
use crate::peer::{BINARY, TEXT, in_memory};

const TASKS: usize = 100;
const EACH: usize = 20;
const LENGTH: usize = 5000;

#[tokio::test(start_paused = true)]
async fn a_hundred_tasks_flood_a_slow_peer_within_the_bounds() {
    const OUTBOX: usize = 100_000;
    const MARK: usize = 10_000;
    const TRANSPORT: usize = 4096;
    let (socket, mut peer) = open(TRANSPORT, Config::new().outbox(OUTBOX, 1024).high_water_mark(MARK));
    let accepted = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for origin in 0..TASKS {
        let (sender, accepted) = (socket.sender(), accepted.clone());
        tasks.spawn(async move {
            for number in 0..EACH {
                let mut data = vec![0; LENGTH];
                (data[0], data[1]) = (origin as u8, number as u8);
                sender.send(data.into()).await.unwrap();
                accepted.fetch_add(LENGTH, Ordering::Relaxed);
            }
        });
    }
    let mut next = [0; TASKS];
    for read in 0..TASKS * EACH {
        // It passes when nobody else has anything left to do.
        if read < 100 {
            sleep(Duration::from_millis(1)).await;
            let waiting = accepted.load(Ordering::Relaxed) - read * LENGTH;
            // What the transport and the test hold besides.
            let bound = OUTBOX + MARK + LENGTH + TRANSPORT + TRANSPORT;
            assert!(waiting <= bound, "{waiting} bytes wait");
            assert!(waiting > OUTBOX / 3, "only {waiting} bytes wait");
        }
        let frame = peer.frame().await;
        assert_eq!((frame.opcode, frame.payload.len()), (BINARY, LENGTH));
        let next = &mut next[usize::from(frame.payload[0])];
        assert_eq!(frame.payload[1], *next);
        *next += 1;
    }
    assert_eq!(next, [EACH as u8; TASKS]);
    tasks.join_all().await;
    drop(socket);
    peer.expect_close(1000, "").await;
}

/// What the server's handler does while a hundred tasks flood its socket.
async fn answer(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_socket_itself_has_its_turn_while_senders_flood() {
    for (elsewhere, outbox, messages) in [(false, 1 << 20, 200), (false, 0, 1), (true, 1 << 20, 200), (true, 0, 1)] {
        let mut peer = in_memory(4096, move || {
            ws::upgrade(move |socket: WebSocket| async move {
                for _ in 0..TASKS {
                    let sender = socket.sender();
                    tokio::spawn(async move { while sender.send(vec![0; LENGTH].into()).await.is_ok() {} });
                }
                if elsewhere {
                    drop(tokio::spawn(answer(socket)));
                } else {
                    answer(socket).await;
                }
            })
            .configure(move |config| config.outbox(outbox, messages))
        })
        .await;
        peer.send(TEXT, "my turn").await;
        for passed in 0.. {
            let frame = peer.frame().await;
            if frame.opcode == TEXT {
                break;
            }
            // Those in the outbox and below the mark go first, and no others.
            assert!(passed < 400, "the answer does not come: {elsewhere} {messages}");
        }
    }
}
