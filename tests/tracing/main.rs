//! What `tracing` is told: the session runs in the request's span, and each event has its fields.

#![cfg(all(feature = "websocket", feature = "tracing"))]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

mod listener;
#[path = "../peer/mod.rs"]
mod peer;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::sleep;
use tracing::{Level, info, info_span};
use upsock::ws::{self, CloseCode, Error, Origins, Upgrade, WebSocket};

use crate::listener::Listener;
use crate::peer::{CLOSE, PONG, Raw, TEXT, frame, in_memory, serve, watch};

/// Until the session, which ends with the connection, has ended.
async fn settle() {
    sleep(Duration::from_secs(3)).await;
}

struct SaysGoodbye;

impl Drop for SaysGoodbye {
    fn drop(&mut self) {
        info!(target: "test", "dropped");
    }
}

/// A request whose handler runs in a span.
async fn in_a_span(route: fn() -> Upgrade) -> Raw<DuplexStream> {
    in_memory(1000, move || info_span!("request").in_scope(route)).await
}

#[tokio::test(start_paused = true)]
async fn the_session_runs_in_the_requests_span() {
    let (listener, _guard) = Listener::start();
    let mut client = in_a_span(|| {
        info!(target: "test", "routed");
        ws::upgrade(|mut socket: WebSocket| {
            info!(target: "test", "called");
            async move {
                let _goodbye = SaysGoodbye;
                info!(target: "test", "polled");
                sleep(Duration::from_secs(1)).await;
                info!(target: "test", "slept");
                socket.recv().await.unwrap().unwrap();
                info!(target: "test", "received");
                watch(&mut socket).await;
            }
        })
    })
    .await;
    sleep(Duration::from_secs(2)).await;
    client.send(TEXT, "hello").await;
    client.leave().await;
    drop(client);
    settle().await;
    let told: Vec<_> = listener
        .all()
        .into_iter()
        .map(|told| (told.message().to_owned(), told.spans))
        .collect();
    let messages: Vec<&str> = told.iter().map(|(message, _)| &**message).collect();
    let expected = [
        "routed",
        "called",
        "WebSocket opened",
        "polled",
        "slept",
        "received",
        "dropped",
        "WebSocket closed",
    ];
    assert_eq!(messages, expected);
    for (message, spans) in told {
        assert_eq!(spans, ["request"], "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_span_is_no_span() {
    let (listener, _guard) = Listener::start();
    let mut client = in_memory(1000, || {
        ws::upgrade(|mut socket: WebSocket| async move {
            info!(target: "test", "polled");
            watch(&mut socket).await;
        })
    })
    .await;
    client.leave().await;
    settle().await;
    assert_eq!(listener.only("polled").spans, [""; 0]);
    assert_eq!(listener.only("WebSocket closed").spans, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn opened_and_closed_have_the_same_id_and_tell_it_all() {
    let (listener, _guard) = Listener::start();
    let mut client = in_a_span(|| {
        ws::upgrade(|mut socket: WebSocket| async move {
            let id = socket.sender().id();
            info!(target: "test", %id, "mine");
            while let Some(Ok(message)) = socket.recv().await {
                if message.is_text() {
                    socket.send("0123456789".into()).await.unwrap();
                    socket.send("0123456789".into()).await.unwrap();
                }
            }
        })
    })
    .await;
    sleep(Duration::from_secs(4)).await;
    for _ in 0..3 {
        client.send(TEXT, "abc").await;
    }
    client.send(PONG, "").await;
    for _ in 0..6 {
        client.expect(TEXT, "0123456789").await;
    }
    client.send(CLOSE, b"\x0f\xa0enough").await;
    client.expect_close(4000, "").await;
    client.expect_end().await;
    drop(client);
    settle().await;
    let id = &listener.only("mine").fields["id"];
    listener.only("WebSocket opened").assert(Level::DEBUG, &[("id", id)]);
    let closed = listener.only("WebSocket closed");
    closed.assert(
        Level::DEBUG,
        &[
            ("id", id),
            ("code", "4000"),
            ("reason", "enough"),
            ("by", "peer"),
            ("messages_received", "3"),
            ("messages_sent", "6"),
            // Three texts of 9 bytes each, with header and key; a pong; a Close frame of 8 and 6.
            ("bytes_received", &(3 * 9 + 6 + 14).to_string()),
            ("bytes_sent", &(6 * 12 + 4).to_string()),
        ],
    );
    let seconds: f64 = closed.fields["seconds"].parse().unwrap();
    assert!((4.0..=4.5).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn closed_says_who_began_and_why() {
    let cases: [(&[u8], &str, &str, &str); 6] = [
        (&frame(0x88, [0x03, 0xe9]), "1001", "", "peer"),
        // RFC 6455 §7.1.5: no code at all.
        (&frame(0x88, ""), "1005", "", "peer"),
        (&frame(0x81, "close"), "3001", "as you wish", "us"),
        (&frame(0x81, "return"), "1000", "", "us"),
        (&frame(0x83, ""), "1002", "reserved opcode", "us"),
        // Nothing, and then the end of the connection.
        (b"", "1006", "", "nobody"),
    ];
    for (input, code, reason, by) in cases {
        let (listener, _guard) = Listener::start();
        let mut client = in_a_span(|| {
            ws::upgrade(|mut socket: WebSocket| async move {
                let word = match socket.recv().await {
                    Some(Ok(message)) if message.is_text() => message.into_text().unwrap().to_string(),
                    _ => String::new(),
                };
                match &*word {
                    "close" => {
                        socket.close(CloseCode::Library(3001), "as you wish").await.unwrap();
                        watch(&mut socket).await;
                    }
                    "return" => {}
                    _ => {
                        watch(&mut socket).await;
                    }
                }
            })
        })
        .await;
        client.write(input).await;
        if input.is_empty() || by == "us" {
            client.shutdown_with_close_if(by == "us").await;
        }
        client.drain().await;
        drop(client);
        settle().await;
        listener
            .only("WebSocket closed")
            .assert(Level::DEBUG, &[("code", code), ("reason", reason), ("by", by)]);
    }
}

impl Raw<DuplexStream> {
    async fn shutdown_with_close_if(&mut self, close: bool) {
        if close {
            self.shutdown_with_close().await;
        } else {
            self.shutdown().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failed_handlers_are_reported() {
    let (listener, guard) = Listener::start();
    let mut client = in_a_span(|| {
        ws::upgrade(|_socket: WebSocket| async move { Err::<(), _>(std::io::Error::other("no database")) })
    })
    .await;
    client.expect_close(1011, "internal error").await;
    let failed = listener.only("a WebSocket handler returned an error");
    failed.assert(Level::WARN, &[("error", "no database")]);
    assert_eq!(failed.spans, ["request"]);
    drop(client);
    settle().await;
    drop(guard);

    // In the future, and in the closure itself.
    let routes: [fn() -> Upgrade; 2] = [
        || ws::upgrade(|_socket: WebSocket| async move { panic!("no luck") }),
        || {
            ws::upgrade(|socket: WebSocket| {
                assert!(socket.protocol().is_some(), "no luck");
                async move { drop(socket) }
            })
        },
    ];
    for route in routes {
        let (listener, _guard) = Listener::start();
        let mut client = in_a_span(route).await;
        client.expect_close(1011, "internal error").await;
        client.send_close(1011).await;
        drop(client);
        settle().await;
        let panicked = listener.only("a WebSocket handler panicked");
        panicked.assert(Level::ERROR, &[]);
        assert_eq!(panicked.spans, ["request"]);
        listener
            .only("WebSocket closed")
            .assert(Level::DEBUG, &[("code", "1011"), ("by", "us")]);
        assert_eq!(listener.all().len(), 3, "reported once");
    }
}

/// A peer that goes is no failure of the handler that says so.
#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_is_routine() {
    let (listener, _guard) = Listener::start();
    let client = in_a_span(|| {
        ws::upgrade(|mut socket: WebSocket| async move {
            while let Some(message) = socket.recv().await {
                message?;
            }
            Ok::<_, Error>(())
        })
    })
    .await;
    drop(client);
    settle().await;
    assert!(listener.all().iter().all(|told| told.level == Level::DEBUG));
    listener
        .only("WebSocket closed")
        .assert(Level::DEBUG, &[("by", "nobody")]);
}

#[tokio::test(start_paused = true)]
async fn refusals_say_why() {
    let requests = [
        ("", "Upgrade Required", "426"),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
            "Sec-WebSocket-Key must be 16 bytes in base64, once",
            "400",
        ),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://evil.example\r\n",
            "Origin not allowed",
            "403",
        ),
    ];
    for (headers, why, status) in requests {
        let (listener, _guard) = Listener::start();
        let (mut client, io) = duplex(1000);
        serve(
            io,
            Arc::new(|| ws::upgrade(|_socket: WebSocket| async {}).origins(Origins::same_host())),
        );
        let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, *format!("HTTP/1.1 {status}").as_bytes());
        let told = listener.all();
        if headers.is_empty() {
            // A plain request pays for nothing, not for an event either.
            assert!(told.is_empty(), "{told:?}");
        } else {
            listener
                .only("upgrade refused")
                .assert(Level::DEBUG, &[("rejection", why), ("status", status)]);
            assert_eq!(told.len(), 1, "{told:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failed_upgrades_are_reported() {
    for leaves in [true, false] {
        let (listener, _guard) = Listener::start();
        // Too small for the answer, which the client does not read.
        let (mut client, io) = duplex(16);
        serve(io, Arc::new(|| ws::upgrade(|_socket: WebSocket| async {})));
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        client.write_all(request.as_bytes()).await.unwrap();
        // The answer is on its way.
        sleep(Duration::from_millis(10)).await;
        if leaves {
            drop(client);
            settle().await;
            let failed = listener.only("the connection failed before it was handed over");
            failed.assert(Level::WARN, &[]);
            assert!(!failed.fields["error"].is_empty());
        } else {
            sleep(Duration::from_secs(11)).await;
            let failed = listener.only("the connection was not handed over in time");
            failed.assert(Level::WARN, &[]);
            assert!(failed.fields["id"].parse::<u64>().is_ok());
        }
        assert_eq!(listener.all().len(), 1);
    }
}
