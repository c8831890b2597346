//! The peer breaks the protocol: a Close frame that says how arrives, and the handler sees one error.

use std::future::pending;

use tokio::sync::mpsc::unbounded_channel;
use upsock::ws::{self, CloseCode, WebSocket};

use crate::RESERVED;
use crate::peer::{Server, TEXT, endless, frame, header, short, soon};

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
