//! Each row of the closing table: what is on the wire, and what the handler sees.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

mod peer;

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, pending};
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;
use upsock::ws::{self, CloseCode, Config, Error, Message, WebSocket};

use crate::peer::{
    BINARY, CLOSE, PING, Raw, Server, TEXT, describe, endless, frame, header, in_memory, short, soon, watch,
};

/// The server closes: its Close frame, silence while it waits for the answer, and after that the end.
async fn closes_and_waits(server: &Server, code: u16, reason: &str) {
    let mut client = server.raw().await;
    client.expect_close(code, reason).await;
    client.expect_silence().await;
    client.send_close(code).await;
    client.expect_end().await;
}

// The closure returns.

#[tokio::test]
async fn a_closure_that_returns_closes_with_1000() {
    let server = Server::new(|| ws::upgrade(|_socket| async {}).configure(endless));
    closes_and_waits(&server, 1000, "").await;
    let server = Server::new(|| ws::upgrade(|_socket| async { Ok::<_, Error>(()) }).configure(endless));
    closes_and_waits(&server, 1000, "").await;
}

#[tokio::test]
async fn what_was_sent_before_the_return_arrives_before_the_close() {
    let server = Server::new(|| {
        ws::upgrade(|mut socket: WebSocket| async move {
            for i in 0..3 {
                socket.send(format!("{i}").into()).await?;
            }
            socket.send(vec![7; 1 << 20].into()).await
        })
    });
    let mut client = server.raw().await;
    for i in 0..3 {
        client.expect(TEXT, format!("{i}")).await;
    }
    assert_eq!(client.frame().await.payload, vec![7; 1 << 20]);
    client.expect_close(1000, "").await;
}

#[tokio::test]
async fn an_error_closes_with_1011() {
    let server = Server::new(|| ws::upgrade(|_socket| async { Err("a secret") }).configure(endless));
    closes_and_waits(&server, 1011, "internal error").await;
    let server = Server::new(|| ws::upgrade(|_socket| async { Err(std::io::Error::other("a secret")) }));
    closes_and_waits(&server, 1011, "internal error").await;
}

#[derive(Debug)]
struct Wrapped(Box<dyn StdError + Send + Sync>);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl StdError for Wrapped {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

#[tokio::test]
async fn an_error_with_a_code_closes_with_that() {
    fn error() -> Error {
        Error::close(CloseCode::Policy, "no cats")
    }
    type Boxed = Box<dyn StdError + Send + Sync>;
    let server = Server::new(|| ws::upgrade(|_socket| async { Err(error()) }).configure(endless));
    closes_and_waits(&server, 1008, "no cats").await;
    let server = Server::new(|| ws::upgrade(|_socket| async { Err(Boxed::from(error())) }));
    closes_and_waits(&server, 1008, "no cats").await;
    let server = Server::new(|| ws::upgrade(|_socket| async { Err(Wrapped(error().into())) }));
    closes_and_waits(&server, 1008, "no cats").await;
    let server =
        Server::new(|| ws::upgrade(|_socket| async { Err(Boxed::from(Wrapped(Wrapped(error().into()).into()))) }));
    closes_and_waits(&server, 1008, "no cats").await;
    let code = CloseCode::Library(4321);
    let server =
        Server::new(move || ws::upgrade(move |_socket| async move { Err(Error::close(code, "é".repeat(100))) }));
    closes_and_waits(&server, 4321, &"é".repeat(61)).await;
}

const RESERVED: [u16; 9] = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000];

#[tokio::test]
async fn an_error_with_a_reserved_code_closes_with_1011() {
    let next = AtomicUsize::new(0);
    let server = Server::new(move || {
        let code = CloseCode::from(RESERVED[next.fetch_add(1, Ordering::Relaxed)]);
        ws::upgrade(move |_socket| async move { Err(Error::close(code, "reason")) })
    });
    for code in RESERVED {
        let frame = server.raw().await.frame().await;
        assert_eq!(
            (frame.opcode, &frame.payload[..2]),
            (CLOSE, &1011u16.to_be_bytes()[..]),
            "{code}"
        );
    }
}

// The closure panics.

/// Panics when it is dropped; as a future it is ready at once.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

impl Future for Bomb {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

#[tokio::test]
async fn a_panic_closes_with_1011_and_harms_nobody_else() {
    let count = AtomicUsize::new(0);
    let server = Server::new(move || match count.fetch_add(1, Ordering::Relaxed) {
        1 => ws::upgrade(|_socket| -> std::future::Ready<()> { panic!("in the closure") }),
        2 => ws::upgrade(|socket| async move { assert!(socket.handshake().is_none(), "in the future") }),
        3 => ws::upgrade(|_socket| async {
            sleep(Duration::from_millis(10)).await;
            assert_eq!(1, 2, "in the future, later");
        }),
        4 => ws::upgrade(|mut socket: WebSocket| async move {
            let _bomb = Bomb;
            let _ = socket.send("before".into()).await;
        }),
        5 => ws::upgrade(|_socket| Bomb),
        _ => ws::upgrade(echo),
    });
    let mut other = server.client().await;
    for number in 1..=5 {
        let mut client = server.raw().await;
        if number == 4 {
            client.expect(TEXT, "before").await;
        }
        client.expect_close(1011, "internal error").await;
        client.send_close(1011).await;
        client.expect_end().await;
        other.send("still here".into()).await.unwrap();
        assert_eq!(soon(other.next()).await.unwrap().unwrap(), "still here".into());
    }
}

/// `panic_any` takes anything, also what panics when it is thrown away.
#[tokio::test]
async fn a_panic_with_a_payload_that_panics_closes_with_1011() {
    let server = Server::new(|| {
        ws::upgrade(|_socket| async {
            if true {
                panic_any(Bomb)
            }
        })
    });
    closes_and_waits(&server, 1011, "internal error").await;
}

#[tokio::test]
async fn a_panic_in_the_error_that_was_returned_closes_with_1011() {
    struct Bad(&'static str);
    impl fmt::Debug for Bad {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }
    impl fmt::Display for Bad {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            assert_ne!(self.0, "display");
            f.write_str(self.0)
        }
    }
    impl StdError for Bad {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            assert_ne!(self.0, "source");
            None
        }
    }
    impl Drop for Bad {
        fn drop(&mut self) {
            assert_ne!(self.0, "drop");
        }
    }
    for part in ["display", "source", "drop"] {
        let server = Server::new(move || ws::upgrade(move |_socket| async move { Err(Bad(part)) }));
        closes_and_waits(&server, 1011, "internal error").await;
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_text() || message.is_binary() {
            let _ = socket.send(message).await;
        }
    }
}

// The peer closes.

const SENDABLE: [u16; 15] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4999,
];

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

// The peer breaks the protocol.

/// Sends this, expects this Close frame, and returns what the handler saw.
async fn violate(input: &[u8], code: u16, reason: &str) -> Vec<String> {
    let (server, mut seen) = Server::watching(endless);
    let mut client = server.raw().await;
    client.send(TEXT, "fine").await;
    client.write(input).await;
    client.expect_close(code, reason).await;
    client.expect_end().await;
    drop(client);
    soon(seen.recv()).await.unwrap()
}

#[tokio::test]
async fn protocol_errors_close_with_1002_and_are_one_error() {
    let two = |a: Vec<u8>, b: Vec<u8>| [a, b].concat();
    let mut cases = vec![
        (vec![0x81, 0x01, b'a'], "frame is not masked"),
        (frame(0xc1, "a"), "reserved bit set without an extension"),
        (frame(0xa1, "a"), "reserved bit set without an extension"),
        (frame(0x91, "a"), "reserved bit set without an extension"),
        (
            vec![0x82, 0xfe, 0, 5, 0, 0, 0, 0],
            "payload length is not in its shortest form",
        ),
        (
            vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0],
            "payload length is not in its shortest form",
        ),
        (header(0x82, 1 << 63), "payload length has its top bit set"),
        (frame(0x89, "x".repeat(126)), "control frame longer than 125 bytes"),
        (frame(0x8a, "x".repeat(126)), "control frame longer than 125 bytes"),
        (frame(0x88, "x".repeat(126)), "control frame longer than 125 bytes"),
        (frame(0x09, "a"), "control frame is fragmented"),
        (frame(0x80, "a"), "continuation without a message"),
        (frame(0x00, "a"), "continuation without a message"),
        (
            two(frame(0x01, "a"), frame(0x81, "b")),
            "new message inside a fragmented one",
        ),
        (
            two(frame(0x02, "a"), frame(0x02, "b")),
            "new message inside a fragmented one",
        ),
        (frame(0x88, "x"), "close frame with a body of one byte"),
    ];
    cases.extend([3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(|opcode| (frame(0x80 | opcode, ""), "reserved opcode")));
    cases.extend(RESERVED.map(|code| (frame(0x88, code.to_be_bytes()), "close code that must not be sent")));
    for (input, reason) in cases {
        assert_eq!(
            violate(&input, 1002, reason).await,
            ["text fine", "protocol"],
            "{input:x?}"
        );
    }
}

#[tokio::test]
async fn bad_utf8_closes_with_1007_and_is_one_error() {
    let reason = "text is not UTF-8";
    let mut within = header(0x81, 1000);
    within.extend(
        b"abc\xff"
            .iter()
            .zip([0x37, 0xfa, 0x21, 0x3d])
            .map(|(byte, key)| byte ^ key),
    );
    let cases = [
        frame(0x81, b"abc\xff"),
        // Cut within a character.
        frame(0x81, "€".as_bytes().split_at(2).0),
        // As early as it is certain: in a frame, and in a message, of which more is to come.
        within,
        frame(0x01, b"\xed\xa0"),
        [frame(0x01, b"\xe2\x82"), frame(0x00, b"a")].concat(),
        // The reason of a Close frame is text as well.
        frame(0x88, b"\x03\xe8\xff"),
    ];
    for input in cases {
        assert_eq!(violate(&input, 1007, reason).await, ["text fine", "utf8"], "{input:x?}");
    }
    // A character in two fragments is none of these.
    let (server, mut seen) = Server::watching(endless);
    let mut client = server.raw().await;
    client
        .write(&[frame(0x01, b"\xe2\x82"), frame(0x80, b"\xac")].concat())
        .await;
    client.send_close(1000).await;
    client.expect_close(1000, "").await;
    assert_eq!(soon(seen.recv()).await.unwrap(), ["text €", "close 1000"]);
}

#[tokio::test]
async fn too_big_closes_with_1009_by_the_header_alone() {
    let one_more = header(0x82, (1 << 20) + 1);
    assert_eq!(
        violate(&one_more, 1009, "frame is too big").await,
        ["text fine", "limit"]
    );
}

#[tokio::test]
async fn a_violation_closes_though_the_handler_never_reads() {
    let server = Server::new(|| {
        ws::upgrade(|socket| async move {
            let _socket = socket;
            pending::<()>().await;
        })
        .configure(endless)
    });
    let mut client = server.raw().await;
    client.write(&frame(0x81, b"\xff")).await;
    client.expect_close(1007, "text is not UTF-8").await;
    client.expect_end().await;
}

#[tokio::test]
async fn after_a_violation_nothing_can_be_sent() {
    let (report, mut seen) = unbounded_channel();
    let server = Server::new(move || {
        let report = report.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            let error = socket.recv().await.unwrap().unwrap_err();
            assert_eq!(error.close_code(), Some(CloseCode::Protocol));
            let _ = report.send(socket.send("late".into()).await);
            // The code on the wire is the one of the violation.
            Err(error)
        })
    });
    let mut client = server.raw().await;
    client.write(&frame(0x83, "")).await;
    client.expect_close(1002, "reserved opcode").await;
    client.expect_end().await;
    assert!(soon(seen.recv()).await.unwrap().is_err_and(|error| error.is_closed()));
}

/// Dropped at once, with input unread, the connection would be reset, and the Close frame lost.
#[tokio::test]
async fn a_close_arrives_though_megabytes_of_input_are_in_flight() {
    let (server, mut seen) = Server::watching(|config| config);
    for round in 0..20 {
        let (mut reader, mut writer) = server.raw().await.into_split();
        let flood = tokio::spawn(async move {
            let mut input = header(0x82, 8 << 20);
            input.resize(4 << 20, 0x55);
            let written = writer.write(&input).await;
            (writer, written)
        });
        if round % 2 == 0 {
            // A client that reads only when it has written all.
            let (_writer, written) = soon(flood).await.unwrap();
            written.expect("no reset");
            reader.expect_close(1009, "frame is too big").await;
            reader.expect_end().await;
        } else {
            reader.expect_close(1009, "frame is too big").await;
            reader.expect_end().await;
            let (_writer, written) = soon(flood).await.unwrap();
            written.expect("no reset");
        }
        assert_eq!(soon(seen.recv()).await.unwrap(), ["limit"]);
    }
}

#[tokio::test]
async fn lingering_ends() {
    let (server, mut seen) = Server::watching(short);
    let mut client = server.raw().await;
    client.write(&frame(0x83, "")).await;
    client.expect_close(1002, "reserved opcode").await;
    client.expect_end().await;
    assert_eq!(soon(seen.recv()).await.unwrap(), ["protocol"]);
    client.expect_dropped().await;
}

// The peer vanishes.

#[tokio::test]
async fn an_end_without_a_close_is_one_abnormal_error() {
    let cut_off = [
        vec![],
        vec![0x81],
        frame(0x81, "abc")[..7].to_vec(),
        frame(0x01, "abc"),
        header(0x82, 1 << 20),
    ];
    for rest in cut_off {
        let (server, mut seen) = Server::watching(endless);
        let mut client = server.raw().await;
        client.send(TEXT, "a").await;
        client.write(&rest).await;
        client.shutdown().await;
        client.expect_end().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["text a", "abnormal"], "{rest:x?}");
    }
}

#[tokio::test]
async fn a_reset_is_one_abnormal_error() {
    let (server, mut seen) = Server::watching(endless);
    let mut client = server.raw().await;
    client.ping_pong().await;
    client.reset();
    assert_eq!(soon(seen.recv()).await.unwrap(), ["ping are you there?", "abnormal"]);
}

#[tokio::test]
async fn a_reset_ends_what_a_handler_waits_for() {
    // Twice in the closure, twice in another task.
    for round in 0..4 {
        let (report, mut seen) = unbounded_channel();
        let server = Server::new(move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| async move {
                let run = async move {
                    if round % 2 == 0 {
                        while socket.send(vec![0; 100_000].into()).await.is_ok() {}
                    } else {
                        let _ = socket.send(vec![0; 20_000_000].into()).await;
                        let _ = socket.close(CloseCode::Normal, "").await;
                    }
                    let _ = report.send(());
                };
                if round < 2 {
                    run.await;
                } else {
                    tokio::spawn(run).await.unwrap();
                }
            })
            .configure(endless)
        });
        let client = server.raw().await;
        sleep(Duration::from_millis(50)).await;
        client.reset();
        soon(seen.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn an_end_without_a_close_ends_the_connection_though_the_handler_never_reads() {
    let server = Server::new(|| {
        ws::upgrade(|socket| async move {
            let _socket = socket;
            pending::<()>().await;
        })
        .configure(endless)
    });
    let mut client = server.raw().await;
    client.send(TEXT, "unread").await;
    client.shutdown().await;
    client.expect_end().await;
}

// The peer does not do its part.

#[tokio::test]
async fn a_peer_that_never_answers_is_dropped_after_the_close_timeout() {
    let server = Server::new(|| ws::upgrade(|_socket| async {}).configure(short));
    let mut client = server.raw().await;
    let start = Instant::now();
    client.expect_close(1000, "").await;
    client.expect_end().await;
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_peer_that_talks_on_is_dropped_after_the_close_timeout() {
    let server = Server::new(|| ws::upgrade(|_socket| async {}).configure(short));
    let mut client = server.raw().await;
    client.expect_close(1000, "").await;
    let (_reader, mut writer) = client.into_split();
    let message = frame(0x80 | TEXT, "x".repeat(1000));
    soon(async { while writer.write(&message).await.is_ok() {} }).await;
}

#[tokio::test]
async fn a_handler_hears_that_the_peer_did_not_answer() {
    let (report, mut seen) = unbounded_channel();
    let count = AtomicUsize::new(0);
    let server = Server::new(move || {
        let report = report.clone();
        let moved = count.fetch_add(1, Ordering::Relaxed) > 0;
        ws::upgrade(move |mut socket: WebSocket| async move {
            let run = async move {
                socket.close(CloseCode::Away, "bye").await.unwrap();
                let _ = report.send(watch(&mut socket).await);
            };
            if moved {
                tokio::spawn(run);
            } else {
                run.await;
            }
        })
        .configure(short)
    });
    for _ in 0..2 {
        let mut client = server.raw().await;
        client.expect_close(1001, "bye").await;
        client.send(TEXT, "what?").await;
        client.expect_end().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["text what?", "abnormal"]);
    }
}

/// Also more than may wait for a handler is not lost when the connection ends under it.
#[tokio::test]
async fn what_has_arrived_outlives_the_connection() {
    for moved in [false, true] {
        let (report, mut seen) = unbounded_channel();
        let server = Server::new(move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| async move {
                let run = async move {
                    socket.close(CloseCode::Away, "").await.unwrap();
                    // Longer than the close timeout.
                    sleep(Duration::from_millis(600)).await;
                    let _ = report.send(watch(&mut socket).await);
                };
                if moved {
                    tokio::spawn(run);
                } else {
                    run.await;
                }
            })
            .configure(short)
        });
        let mut client = server.raw().await;
        client.expect_close(1001, "").await;
        let input: Vec<u8> = (0..40).flat_map(|i| frame(0x80 | TEXT, i.to_string())).collect();
        client.write(&input).await;
        client.expect_end().await;
        let mut expected: Vec<String> = (0..40).map(|i| format!("text {i}")).collect();
        expected.push("abnormal".into());
        assert_eq!(soon(seen.recv()).await.unwrap(), expected, "moved: {moved}");
    }
}

/// Says that the handler is at its end, whichever that is.
struct Ended(UnboundedSender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// How a handler may end with more unsent than the peer, which does not read, lets the kernel take.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Return,
    Error,
    Panic,
    Close,
    SinkClose,
}

#[tokio::test]
async fn a_peer_that_never_reads_holds_nothing_beyond_the_close_timeout() {
    for moved in [false, true] {
        for ending in [
            Ending::Return,
            Ending::Error,
            Ending::Panic,
            Ending::Close,
            Ending::SinkClose,
        ] {
            let (report, mut seen) = unbounded_channel();
            let server = Server::new(move || {
                let report = report.clone();
                ws::upgrade(move |mut socket: WebSocket| async move {
                    let run = async move {
                        let _ended = Ended(report);
                        socket.send(vec![0; 20_000_000].into()).await?;
                        match ending {
                            Ending::Return => Ok(()),
                            Ending::Error => Err(Error::close(CloseCode::Again, "")),
                            Ending::Panic => panic!("of the test"),
                            Ending::Close => socket.close(CloseCode::Normal, "").await,
                            Ending::SinkClose => SinkExt::close(&mut socket).await,
                        }
                    };
                    if moved {
                        tokio::spawn(run).await.unwrap_or(Ok(()))
                    } else {
                        run.await
                    }
                })
                .configure(short)
            });
            let mut client = server.raw().await;
            println!("{ending:?}, moved: {moved}");
            soon(seen.recv()).await.unwrap();
            client.expect_dropped().await;
        }
    }
}

#[tokio::test]
async fn a_peer_that_never_reads_cannot_hold_a_session_with_halves_in_both_places() {
    let server = Server::new(|| {
        ws::upgrade(|mut socket: WebSocket| async move {
            socket.send(vec![0; 20_000_000].into()).await.unwrap();
            tokio::spawn(async move {
                let _ = futures_util::FutureExt::now_or_never(socket.send("one more".into()));
            });
        })
        .configure(|config| short(config).high_water_mark(1000))
    });
    let mut client = server.raw().await;
    client.expect_dropped().await;
}

// The handler closes.

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

// Where the socket goes.

#[tokio::test]
async fn a_socket_that_is_dropped_stays_open_while_the_closure_runs() {
    let go = Arc::new(Notify::new());
    let wait = go.clone();
    let server = Server::new(move || {
        let wait = wait.clone();
        ws::upgrade(move |socket| async move {
            drop(socket);
            wait.notified().await;
        })
    });
    let mut client = server.raw().await;
    for i in 0..40 {
        client.send(TEXT, format!("{i}")).await;
    }
    client.ping_pong().await;
    client.expect_silence().await;
    go.notify_one();
    client.expect_close(1000, "").await;
    client.send_close(1000).await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_socket_that_was_moved_stays_open_when_the_closure_has_returned() {
    let go = Arc::new(Notify::new());
    let wait = go.clone();
    let server = Server::new(move || {
        let wait = wait.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            tokio::spawn(async move {
                let message = socket.recv().await.unwrap().unwrap();
                socket.send(message).await.unwrap();
                wait.notified().await;
            });
        })
        .configure(endless)
    });
    let mut client = server.raw().await;
    client.expect_silence().await;
    client.send(TEXT, "hello").await;
    client.expect(TEXT, "hello").await;
    client.ping_pong().await;
    client.expect_silence().await;
    go.notify_one();
    client.expect_close(1000, "").await;
    client.send_close(1000).await;
    client.expect_end().await;
}

#[tokio::test]
async fn both_halves_keep_a_socket_open() {
    let go = Arc::new(Notify::new());
    let wait = go.clone();
    let server = Server::new(move || {
        let wait = wait.clone();
        ws::upgrade(move |socket: WebSocket| async move {
            let (mut sink, stream) = socket.split();
            drop(stream);
            let wait = wait.clone();
            tokio::spawn(async move {
                wait.notified().await;
                sink.send("late".into()).await.unwrap();
            });
        })
    });
    let mut client = server.raw().await;
    client.ping_pong().await;
    client.expect_silence().await;
    go.notify_one();
    client.expect(TEXT, "late").await;
    client.expect_close(1000, "").await;
}

/// What a moved half has sent goes before a Close that the closure makes.
#[tokio::test]
async fn a_close_does_not_overtake_what_was_sent_from_elsewhere() {
    for fail in [false, true] {
        let mut client = in_memory(100, move || {
            ws::upgrade(move |mut socket: WebSocket| async move {
                // More than the transport takes, so that what follows waits in different places.
                socket.send(vec![0; 5000].into()).await?;
                let mut socket = tokio::spawn(async move {
                    socket.start_send_unpin("elsewhere".into()).expect("an open socket");
                    socket
                })
                .await
                .expect("no panic");
                if fail {
                    return Err(Error::close(CloseCode::Again, ""));
                }
                socket.close(CloseCode::Again, "").await
            })
            .configure(|config| config.high_water_mark(1000))
        })
        .await;
        assert_eq!(client.frame().await.opcode, BINARY);
        client.expect(TEXT, "elsewhere").await;
        client.expect_close(1013, "").await;
    }
}

#[tokio::test]
async fn a_handle_in_another_runtime_hears_of_the_end_of_the_sessions() {
    let (give, mut take) = unbounded_channel();
    let server = Server::new(move || {
        let give = give.clone();
        ws::upgrade(move |socket: WebSocket| async move {
            let _ = give.send(socket);
        })
    });
    let mut client = server.raw().await;
    let mut idle = soon(take.recv()).await.unwrap();
    client.send(TEXT, "hello").await;
    assert_eq!(describe(&soon(idle.recv()).await.unwrap()), "text hello");
    let _other = server.raw().await;
    let mut waiting = soon(take.recv()).await.unwrap();
    let waiting = tokio::spawn(async move { watch(&mut waiting).await });
    tokio::task::yield_now().await;
    server.stop();
    let seen = soon(waiting).await.unwrap();
    assert!(seen.is_empty() || seen == ["abnormal"], "{seen:?}");
    let seen = soon(watch(&mut idle)).await;
    assert!(seen.is_empty() || seen == ["abnormal"], "{seen:?}");
    assert!(soon(idle.send("late".into())).await.unwrap_err().is_closed());
    assert!(soon(idle.close(CloseCode::Normal, "")).await.unwrap_err().is_closed());
}

/// The session has not even seen what was sent when its runtime goes.
#[tokio::test]
async fn a_close_ends_though_the_session_never_runs() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (_client, io) = tokio::io::duplex(1000);
    let guard = runtime.enter();
    let mut socket = WebSocket::from_io(io, Config::new());
    drop(guard);
    socket.send("a".into()).await.unwrap();
    let close = tokio::spawn(async move {
        let _ = socket.close(CloseCode::Normal, "").await;
        watch(&mut socket).await
    });
    tokio::task::yield_now().await;
    runtime.shutdown_background();
    let seen = soon(close).await.unwrap();
    assert!(seen.is_empty() || seen == ["abnormal"], "{seen:?}");
}

#[tokio::test]
async fn a_socket_on_any_byte_stream() {
    let (client, io) = tokio::io::duplex(100);
    let mut client = Raw::new(client);
    let mut socket = WebSocket::from_io(io, Config::new());
    assert!(socket.handshake().is_none() && socket.protocol().is_none());
    client.send(TEXT, "to").await;
    assert_eq!(describe(&soon(socket.recv()).await.unwrap()), "text to");
    soon(socket.send("fro".into())).await.unwrap();
    client.expect(TEXT, "fro").await;
    client.ping_pong().await;
    assert_eq!(describe(&soon(socket.recv()).await.unwrap()), "ping are you there?");
    drop(socket);
    client.expect_close(1000, "").await;
    client.send_close(1000).await;
    client.expect_end().await;

    let (client, io) = tokio::io::duplex(100);
    let mut client = Raw::new(client);
    let mut socket = WebSocket::from_io(io, endless(Config::new()));
    soon(socket.close(CloseCode::Away, "bye")).await.unwrap();
    client.expect_close(1001, "bye").await;
    client.send_close(1001).await;
    client.expect_end().await;
    assert_eq!(soon(watch(&mut socket)).await, ["close 1001"]);

    let (client, io) = tokio::io::duplex(100);
    let mut socket = WebSocket::from_io(io, Config::new());
    drop(client);
    assert_eq!(soon(watch(&mut socket)).await, ["abnormal"]);
}
