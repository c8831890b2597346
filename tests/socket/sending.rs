//! What is sent leaves, complete and in order; what cannot be sent harms nothing.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::{Mutex, oneshot};
use tokio::task::yield_now;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite;
use upsock::ws::{self, Message, WebSocket};

use crate::peer::{self, BINARY, PING, PONG, Raw, Server, TEXT, frame, in_memory, soon};
use crate::{run, with_recv};

#[tokio::test]
async fn what_was_sent_leaves_whatever_the_handler_waits_for() {
    async fn wait(number: usize) {
        let mutex = Arc::new(Mutex::new(()));
        let _guard = mutex.lock().await;
        let (_sender, receiver) = oneshot::channel::<()>();
        match number % 5 {
            0 => sleep(Duration::from_secs(600)).await,
            1 => drop(receiver.await),
            2 => drop(mutex.lock().await),
            3 => pending().await,
            // Never ready, never quiet.
            _ => loop {
                yield_now().await;
            },
        }
    }
    for moved in [false, true] {
        for feed in [false, true] {
            let number = AtomicUsize::new(0);
            let server = Server::new(move || {
                let number = number.fetch_add(1, Ordering::Relaxed);
                ws::upgrade(move |mut socket: WebSocket| {
                    run(moved, async move {
                        if feed {
                            socket.feed("at once".into()).await.unwrap();
                        } else {
                            socket.send("at once".into()).await.unwrap();
                        }
                        wait(number).await;
                        drop(socket);
                    })
                })
            });
            for _ in 0..5 {
                server.raw().await.expect(TEXT, "at once").await;
            }
        }
    }
}

#[tokio::test]
async fn a_burst_arrives_complete_and_in_order() {
    for moved in [false, true] {
        let server = Server::new(move || {
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    for i in 0..1000 {
                        // Short and long ones take different ways through the encoder.
                        let padding = "x".repeat(if i % 50 == 0 { 10_000 } else { i % 7 });
                        socket.send(format!("{i} {padding}").into()).await.unwrap();
                    }
                })
            })
        });
        let mut client = server.client().await;
        for i in 0..1000 {
            let message = soon(client.next()).await.unwrap().unwrap();
            let text = message.to_text().unwrap();
            assert_eq!(text.split(' ').next(), Some(&*i.to_string()));
            assert_eq!(
                text.trim_end_matches('x').len() + if i % 50 == 0 { 10_000 } else { i % 7 },
                text.len()
            );
        }
        assert!(soon(client.next()).await.unwrap().unwrap().is_close());
    }
}

/// Counts the writes that reach the transport.
struct Counting(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counting {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_burst_is_one_write() {
    let (client, server) = tokio::io::duplex(1 << 20);
    let writes = Arc::new(AtomicUsize::new(0));
    peer::serve(
        Counting(server, writes.clone()),
        Arc::new(|| {
            ws::upgrade(|mut socket: WebSocket| async move {
                while let Some(Ok(message)) = socket.next().await {
                    for _ in 0..10 {
                        socket.send(message.clone()).await.unwrap();
                    }
                }
            })
        }),
    );
    let mut client = Raw::handshake(client).await;
    let before = writes.load(Ordering::SeqCst);
    let burst: Vec<u8> = (0..10).flat_map(|_| frame(0x80 | TEXT, "a")).collect();
    client.write(&burst).await;
    for _ in 0..100 {
        client.expect(TEXT, "a").await;
    }
    assert_eq!(writes.load(Ordering::SeqCst) - before, 1);
}

#[tokio::test]
async fn order_is_kept_when_a_half_moves_back_and_forth() {
    for (transport, high_water_mark) in [(1 << 16, 1 << 16), (100, 1000), (1, 1)] {
        let mut client = in_memory(transport, move || {
            ws::upgrade(|socket: WebSocket| async move {
                let (mut sink, _stream) = socket.split();
                for i in 0..50 {
                    let message = |part| Message::text(format!("{i} {part} {}", "x".repeat(200)));
                    sink.send(message("closure")).await.unwrap();
                    let (first, second) = (message("first"), message("second"));
                    sink = tokio::spawn(async move {
                        sink.send(first).await.unwrap();
                        sink.send(second).await.unwrap();
                        sink
                    })
                    .await
                    .unwrap();
                }
            })
            .configure(|config| config.high_water_mark(high_water_mark))
        })
        .await;
        for i in 0..50 {
            for part in ["closure", "first", "second"] {
                client.expect(TEXT, format!("{i} {part} {}", "x".repeat(200))).await;
            }
        }
        client.expect_close(1000, "").await;
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_the_socket_stays_open() {
    for moved in [false, true] {
        let server = Server::new(move || {
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    let raw = tungstenite::protocol::frame::Frame::ping("raw");
                    for message in [
                        Message::Frame(raw),
                        Message::Ping(vec![0; 126].into()),
                        Message::Pong(vec![0; 126].into()),
                        Message::Ping(vec![0; 100_000].into()),
                    ] {
                        let error = socket.send(message).await.unwrap_err();
                        assert!(
                            error.is_unsendable() && !error.is_closed() && !error.is_abnormal(),
                            "{error:?}"
                        );
                    }
                    socket.send(Message::Ping(vec![b'x'; 125].into())).await.unwrap();
                    socket.send(Message::Pong("unasked".into())).await.unwrap();
                    with_recv(socket).await;
                })
            })
        });
        let mut client = server.raw().await;
        client.expect(PING, "x".repeat(125)).await;
        client.expect(PONG, "unasked").await;
        client.send(TEXT, "usable").await;
        client.expect(TEXT, "usable").await;
        client.leave().await;
    }
}

#[tokio::test]
async fn large_messages_both_ways() {
    const LARGE: usize = 16 << 20;
    for moved in [false, true] {
        let server = Server::new(move || {
            ws::upgrade(move |socket| run(moved, with_recv(socket)))
                .configure(|config| config.max_message(LARGE).max_frame(LARGE))
        });
        let mut client = server.raw().await;
        let data: Vec<u8> = (0..LARGE).map(|i| (i % 251) as u8).collect();
        client.send(BINARY, &data).await;
        let answer = client.frame().await;
        assert!(answer.opcode == BINARY && answer.payload == data);
        // Text, in fragments that cut its characters.
        let text = "aé€😀".repeat(LARGE / 10);
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(1_000_003).collect();
        for (i, piece) in pieces.iter().enumerate() {
            let first = u8::from(i == 0) | if i + 1 == pieces.len() { 0x80 } else { 0 };
            client.write(&frame(first, piece)).await;
        }
        let answer = client.frame().await;
        assert!(answer.opcode == TEXT && answer.payload == text.as_bytes());
        client.leave().await;
    }
}

#[tokio::test]
async fn a_mebibyte_passes_by_default_and_a_byte_more_does_not() {
    let server = Server::new(|| ws::upgrade(with_recv));
    let mut client = server.raw().await;
    client.send(BINARY, vec![1; 1 << 20]).await;
    assert_eq!(client.frame().await.payload, vec![1; 1 << 20]);
    client.send(BINARY, vec![1; (1 << 20) + 1]).await;
    client.expect_close(1009, "frame is too big").await;
    client.expect_end().await;
}
