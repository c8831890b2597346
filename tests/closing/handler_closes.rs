//! The handler closes: its code and reason are the last that it sends, and what comes is still received.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::SinkExt;
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;
use upsock::ws::{self, CloseCode, Message, WebSocket};

use crate::peer::{CLOSE, PING, Server, TEXT, endless, soon, watch};
use crate::{RESERVED, SENDABLE, closes_and_waits, echo};

#[tokio::test]
async fn what_the_peer_sent_before_its_close_is_still_received() {
    let (report, mut seen) = unbounded_channel();
    let server = Server::new(move || {
        let report = report.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            socket.send("last words".into()).await.unwrap();
            socket.close(CloseCode::Restart, "see you").await.unwrap();
            let _ = report.send(watch(&mut socket).await);
        })
        .configure(endless)
    });
    let mut client = server.raw().await;
    client.expect(TEXT, "last words").await;
    client.expect_close(1012, "see you").await;
    for text in ["a", "b", "c"] {
        client.send(TEXT, text).await;
    }
    client.send(PING, "no pong").await;
    client.send_close(1012).await;
    client.expect_end().await;
    assert_eq!(
        soon(seen.recv()).await.unwrap(),
        ["text a", "text b", "text c", "ping no pong", "close 1012"]
    );
}

#[tokio::test]
async fn a_long_reason_is_cut_between_characters() {
    let server = Server::new(|| {
        ws::upgrade(|mut socket: WebSocket| async move { socket.close(CloseCode::Normal, "x€".repeat(50)).await })
    });
    let expected = "x€".repeat(30) + "x";
    assert!(expected.len() <= 123 && expected.len() + "€".len() > 123);
    closes_and_waits(&server, 1000, &expected).await;
    let server = Server::new(|| {
        ws::upgrade(|mut socket: WebSocket| async move { socket.close(CloseCode::Normal, "x".repeat(124)).await })
    });
    closes_and_waits(&server, 1000, &"x".repeat(123)).await;
}

#[tokio::test]
async fn reserved_codes_are_refused_and_the_socket_stays_open() {
    let count = AtomicUsize::new(0);
    let server = Server::new(move || {
        let moved = count.fetch_add(1, Ordering::Relaxed) > 0;
        ws::upgrade(move |mut socket: WebSocket| async move {
            let run = async move {
                for code in RESERVED {
                    let error = socket.close(CloseCode::from(code), "").await.unwrap_err();
                    assert!(error.is_unsendable() && !error.is_closed(), "{code}: {error:?}");
                    socket.send(format!("{code}").into()).await.unwrap();
                }
                echo(socket).await;
            };
            if moved {
                tokio::spawn(run);
            } else {
                run.await;
            }
        })
    });
    for _ in 0..2 {
        let mut client = server.raw().await;
        for code in RESERVED {
            client.expect(TEXT, format!("{code}")).await;
        }
        client.send(TEXT, "usable").await;
        client.expect(TEXT, "usable").await;
        client.send_close(1000).await;
        client.expect_close(1000, "").await;
        client.expect_end().await;
    }
}

#[tokio::test]
async fn all_other_codes_can_be_sent() {
    let next = AtomicUsize::new(0);
    let server = Server::new(move || {
        let code = SENDABLE[next.fetch_add(1, Ordering::Relaxed)];
        ws::upgrade(move |mut socket: WebSocket| async move { socket.close(code.into(), "").await })
    });
    for code in SENDABLE {
        closes_and_waits(&server, code, "").await;
    }
}

#[tokio::test]
async fn nothing_follows_our_close() {
    let (report, mut seen) = unbounded_channel();
    let count = AtomicUsize::new(0);
    let server = Server::new(move || {
        let report = report.clone();
        let moved = count.fetch_add(1, Ordering::Relaxed) > 0;
        ws::upgrade(move |mut socket: WebSocket| async move {
            let run = async move {
                socket.close(CloseCode::Normal, "").await.unwrap();
                for message in [
                    Message::text("late"),
                    Message::Ping("late".into()),
                    Message::Close(None),
                ] {
                    let error = socket.send(message).await.unwrap_err();
                    assert!(error.is_closed() && !error.is_unsendable());
                }
                assert!(socket.close(CloseCode::Away, "").await.unwrap_err().is_closed());
                let _ = report.send(watch(&mut socket).await);
                assert!(socket.send("late".into()).await.unwrap_err().is_closed());
            };
            if moved {
                tokio::spawn(run);
            } else {
                run.await;
            }
        })
    });
    for _ in 0..2 {
        let mut client = server.raw().await;
        client.expect_close(1000, "").await;
        client.send(PING, "no pong").await;
        client.expect_silence().await;
        client.send_close(1000).await;
        client.expect_end().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["ping no pong", "close 1000"]);
    }
}

#[tokio::test]
async fn a_sink_closes_with_1000() {
    let server = Server::new(|| {
        ws::upgrade(|mut socket: WebSocket| async move {
            socket.feed("a".into()).await?;
            SinkExt::close(&mut socket).await?;
            // Closing again changes nothing.
            SinkExt::close(&mut socket).await?;
            watch(&mut socket).await;
            SinkExt::close(&mut socket).await
        })
        .configure(endless)
    });
    let mut client = server.raw().await;
    client.expect(TEXT, "a").await;
    client.expect_close(1000, "").await;
    client.expect_silence().await;
    client.send_close(1000).await;
    client.expect_end().await;
}

#[tokio::test]
async fn both_close_at_once() {
    let (go, server) = {
        let go = Arc::new(Notify::new());
        let wait = go.clone();
        let server = Server::new(move || {
            let wait = wait.clone();
            ws::upgrade(move |mut socket: WebSocket| async move {
                wait.notified().await;
                let _ = socket.close(CloseCode::Away, "").await;
                watch(&mut socket).await;
            })
            .configure(endless)
        });
        (go, server)
    };
    for _ in 0..20 {
        let mut client = server.raw().await;
        go.notify_one();
        client.send_close(1000).await;
        let frame = client.frame().await;
        let code = u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
        assert!(frame.opcode == CLOSE && (code == 1000 || code == 1001), "{frame:?}");
        client.expect_end().await;
    }
}
