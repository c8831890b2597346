//! The peer closes: it is answered at once with its own code, and the handler hears of it once.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::oneshot;
use tokio::time::sleep;
use upsock::ws::{self, CloseCode, WebSocket};

use crate::SENDABLE;
use crate::peer::{CLOSE, PING, Server, TEXT, endless, frame, soon, watch};

#[tokio::test]
async fn a_close_is_answered_with_its_code_when_the_handler_breaks_out_of_its_loop() {
    let server = Server::new(|| {
        ws::upgrade(|mut socket: WebSocket| async move {
            while let Some(Ok(message)) = socket.next().await {
                if message.is_close() {
                    break;
                }
            }
        })
        .configure(endless)
    });
    for code in SENDABLE {
        let mut client = server.raw().await;
        client.send(CLOSE, [&code.to_be_bytes()[..], b"bye"].concat()).await;
        client.expect_close(code, "").await;
        client.expect_end().await;
    }
    let mut client = server.raw().await;
    client.send(CLOSE, "").await;
    client.expect(CLOSE, "").await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_close_is_delivered_and_then_comes_none() {
    let (server, mut seen) = Server::watching(endless);
    for (body, expected) in [
        (&b"\x03\xe9going"[..], "close 1001 going"),
        (b"\x0f\xa0", "close 4000"),
        (b"", "close"),
    ] {
        let mut client = server.raw().await;
        client.send(TEXT, "a").await;
        client.send(CLOSE, body).await;
        client.expect(CLOSE, &body[..body.len().min(2)]).await;
        client.expect_end().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["text a", expected]);
    }
}

#[tokio::test]
async fn the_close_frame_can_be_asked_for() {
    let (report, mut seen) = unbounded_channel();
    let server = Server::new(move || {
        let report = report.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            assert!(socket.close_frame().is_none());
            watch(&mut socket).await;
            let _ = report.send(socket.close_frame().cloned());
        })
    });
    let mut client = server.raw().await;
    client.send(CLOSE, b"\x03\xe9going").await;
    let close = soon(seen.recv()).await.unwrap().unwrap();
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Away, "going"));
}

#[tokio::test]
async fn a_close_is_answered_at_once_though_the_handler_never_reads_again() {
    for unread in [0, 1, 15] {
        let (done, mut is_done) = unbounded_channel::<()>();
        let round = AtomicUsize::new(0);
        let server = Server::new(move || {
            let done = done.clone();
            let round = round.fetch_add(1, Ordering::Relaxed);
            ws::upgrade(move |mut socket: WebSocket| async move {
                match round {
                    0 => {}
                    // Waits for a message first, and turns to something else.
                    1 => {
                        let recv = Box::pin(socket.recv());
                        let other = Box::pin(sleep(Duration::from_millis(20)));
                        assert!(matches!(select(recv, other).await, Either::Right(_)));
                    }
                    // Reads once.
                    2 => assert!(socket.recv().await.is_some()),
                    // Waits in another task.
                    _ => {
                        tokio::spawn(async move {
                            let _socket = socket;
                            pending::<()>().await;
                        });
                        return pending().await;
                    }
                }
                let (_sender, receiver) = oneshot::channel::<()>();
                let _ = receiver.await;
                drop((socket, done));
            })
            .configure(endless)
        });
        for round in 0..4 {
            let mut client = server.raw().await;
            if round == 1 {
                sleep(Duration::from_millis(40)).await;
            }
            for i in 0..unread + usize::from(round == 2) {
                client.send(TEXT, format!("{i}")).await;
            }
            client.send_close(4001).await;
            client.expect_close(4001, "").await;
            // The write side at least has ended.
            client.expect_end().await;
        }
        assert!(is_done.try_recv().is_err());
    }
}

#[tokio::test]
async fn sixteen_unread_messages_do_not_hide_a_close() {
    let server = Server::new(|| {
        ws::upgrade(|socket| async move {
            let _socket = socket;
            pending::<()>().await;
        })
    });
    let mut client = server.raw().await;
    let mut input: Vec<u8> = (0..16).flat_map(|_| frame(0x80 | TEXT, "small")).collect();
    input.extend(frame(0x80 | CLOSE, 1000u16.to_be_bytes()));
    client.write(&input).await;
    client.expect_close(1000, "").await;
    client.expect_end().await;
}

#[tokio::test]
async fn what_follows_a_close_is_ignored() {
    let (server, mut seen) = Server::watching(endless);
    let mut client = server.raw().await;
    let input = [
        frame(0x80 | TEXT, "before"),
        frame(0x80 | CLOSE, 1000u16.to_be_bytes()),
        frame(0x80 | TEXT, "after"),
        frame(0x80 | PING, "after"),
        vec![0xff; 1000],
    ];
    client.write(&input.concat()).await;
    client.expect_close(1000, "").await;
    client.expect_end().await;
    assert_eq!(soon(seen.recv()).await.unwrap(), ["text before", "close 1000"]);
}

#[tokio::test]
async fn a_peer_may_shut_its_side_after_its_close() {
    let (server, mut seen) = Server::watching(endless);
    for _ in 0..20 {
        let mut client = server.raw().await;
        client.send_close(1000).await;
        client.shutdown().await;
        client.expect_close(1000, "").await;
        client.expect_end().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["close 1000"]);
    }
}

#[tokio::test]
async fn after_a_close_was_received_nothing_can_be_sent() {
    let (report, mut seen) = unbounded_channel();
    let count = AtomicUsize::new(0);
    let server = Server::new(move || {
        let report = report.clone();
        let moved = count.fetch_add(1, Ordering::Relaxed) > 0;
        ws::upgrade(move |mut socket: WebSocket| async move {
            let run = async move {
                watch(&mut socket).await;
                let sent = socket.send("late".into()).await;
                let closed = socket.close(CloseCode::Normal, "").await;
                let _ = report.send((sent, closed));
            };
            if moved {
                tokio::spawn(run);
            } else {
                run.await;
            }
        })
        .configure(endless)
    });
    for moved in [false, true] {
        for _ in 0..10 {
            let server = &server;
            let mut client = server.raw().await;
            client.send_close(1000).await;
            client.expect_close(1000, "").await;
            client.expect_end().await;
            let (sent, closed) = soon(seen.recv()).await.unwrap();
            assert!(sent.is_err_and(|error| error.is_closed()), "moved: {moved}");
            assert!(closed.is_err_and(|error| error.is_closed()), "moved: {moved}");
            if !moved {
                break;
            }
        }
    }
}
