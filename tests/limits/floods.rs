//! Whoever sends without end fills a few messages' room, and then waits.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;
use upsock::ws::{self, WebSocket};

use crate::peer::{BINARY, CLOSE, PING, PONG, Raw, Server, TEXT, frame, in_memory, soon};

/// What a client, in a given way, can make the server take while the handler does nothing with it.
async fn volume(moved: bool, client: &mut Raw<tokio::io::DuplexStream>, input: &[u8]) -> usize {
    let volume = client.write_until_stalled(input).await;
    println!("moved: {moved}, {} bytes a message: {volume}", input.len());
    volume
}

#[tokio::test]
async fn a_busy_handler_holds_no_more_than_a_few_messages() {
    for moved in [false, true] {
        for length in [0, 10, 1000, 20_000, 300_000, 1 << 20] {
            let go = Arc::new(Notify::new());
            let wait = go.clone();
            let (report, mut seen) = unbounded_channel();
            let mut client = in_memory(1000, move || {
                let (wait, report) = (wait.clone(), report.clone());
                ws::upgrade(move |mut socket: WebSocket| async move {
                    let run = async move {
                        wait.notified().await;
                        while let Some(Ok(message)) = socket.recv().await {
                            if message.is_close() {
                                break;
                            }
                            assert_eq!(message.len(), length);
                            let _ = report.send(());
                        }
                    };
                    if moved {
                        tokio::spawn(run);
                    } else {
                        run.await;
                    }
                })
            })
            .await;
            let message = frame(0x80 | BINARY, vec![b'x'; length]);
            let volume = volume(moved, &mut client, &message).await;
            // The transport; the inbox with a message beyond, and one more in the making; one read.
            let most = 1000 + 16 * 1024 + 2 * message.len() + 64 * 1024;
            assert!(volume <= most, "{volume} of {most}");
            // It was not lost, and there is more where it came from.
            go.notify_one();
            client.write(&message[volume % message.len()..]).await;
            for _ in 0..=volume / message.len() {
                soon(seen.recv()).await.unwrap();
            }
            client.leave().await;
            assert!(
                seen.recv().now_or_never().is_none_or(|item| item.is_none()),
                "one too many"
            );
        }
    }
}

/// RFC 6455 §5.5.3: only the latest ping needs an answer. A server that queues them all grows by gigabytes.
#[tokio::test]
async fn a_peer_that_pings_and_does_not_read() {
    for moved in [false, true] {
        for reading in [false, true] {
            let server = Server::with_buffers(Some(16 * 1024), move || {
                ws::upgrade(move |mut socket: WebSocket| async move {
                    let run = async move {
                        if reading {
                            while let Some(Ok(_)) = socket.recv().await {}
                        } else {
                            std::future::pending::<()>().await;
                        }
                        drop(socket);
                    };
                    if moved {
                        tokio::spawn(run);
                    } else {
                        run.await;
                    }
                })
                .configure(|config| config.max_control_frames(usize::MAX))
            });
            let mut client = server.raw_with_buffers(16 * 1024).await;
            let ping = frame(0x80 | PING, "x".repeat(120));
            let volume = client.write_until_stalled(&ping).await;
            println!("moved: {moved}, reading: {reading}: {volume} bytes");
            assert!(volume < 2 << 20, "{volume}");
            if !reading {
                continue;
            }
            // It goes on as soon as the peer reads, and the latest ping is answered.
            let mut rest = ping[volume % ping.len()..].to_vec();
            rest.extend(frame(0x80 | PING, "the latest"));
            let (mut client, mut writer) = client.into_split();
            let written = tokio::spawn(async move {
                writer.write(&rest).await.unwrap();
                writer
            });
            let mut pongs = 0;
            loop {
                let pong = client.frame().await;
                assert_eq!(pong.opcode, PONG);
                pongs += 1;
                if pong.payload == b"the latest" {
                    break;
                }
                assert_eq!(pong.payload, [b'x'; 120]);
            }
            assert!(pongs <= volume / ping.len() + 2);
            let mut writer = soon(written).await.unwrap();
            writer.write(&frame(0x80 | CLOSE, "")).await.unwrap();
            client.expect(CLOSE, "").await;
            client.expect_end().await;
        }
    }
}

#[tokio::test]
async fn pings_between_messages_are_bounded_too() {
    // Each message is echoed: the output fills with what the handler sends, not with pongs.
    let server = Server::with_buffers(Some(16 * 1024), || {
        ws::upgrade(|mut socket: WebSocket| async move {
            while let Some(Ok(message)) = socket.recv().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    break;
                }
            }
        })
    });
    let mut client = server.raw_with_buffers(16 * 1024).await;
    let both = [frame(0x80 | PING, "x".repeat(100)), frame(0x80 | TEXT, "y".repeat(100))].concat();
    let volume = client.write_until_stalled(&both).await;
    println!("{volume} bytes");
    assert!(volume < 2 << 20, "{volume}");
}
