//! What is as large as a limit passes in any pieces, and what is larger is refused as early as it is known.

use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;
use tokio::time::sleep;
use upsock::ws::{self, Config, WebSocket};

use crate::peer::{BINARY, CLOSE, PONG, Server, endless, frame, header, in_memory, soon, watch};

/// Sends this to a handler that watches, then closes; returns what the handler saw and the Close frame that came.
async fn try_out(configure: fn(Config) -> Config, input: &[u8]) -> (Vec<String>, u16, String) {
    let (server, mut seen) = Server::watching(configure);
    let mut client = server.raw().await;
    client.write(input).await;
    client.shutdown_with_close().await;
    let close = client.frame().await;
    assert_eq!(close.opcode, CLOSE);
    client.expect_end().await;
    drop(client);
    let (code, reason) = close.payload.split_at(2);
    let code = u16::from_be_bytes([code[0], code[1]]);
    (
        soon(seen.recv()).await.expect("a report"),
        code,
        String::from_utf8(reason.to_vec()).expect("UTF-8"),
    )
}

async fn is_accepted(configure: fn(Config) -> Config, input: &[u8], expected: &str) {
    let (seen, code, _) = try_out(configure, input).await;
    assert_eq!((seen, code), (vec![expected.into(), "close 1000".into()], 1000));
}

async fn is_refused(configure: fn(Config) -> Config, input: &[u8], code: u16, reason: &str) {
    let (seen, found, why) = try_out(configure, input).await;
    assert_eq!((found, &*why), (code, reason));
    assert_eq!(seen, ["limit"]);
}

fn fragments(lengths: &[usize]) -> Vec<u8> {
    let last = lengths.len() - 1;
    let parts = lengths.iter().enumerate().map(|(i, &length)| {
        let first = if i == 0 { BINARY } else { 0 } | if i == last { 0x80 } else { 0 };
        frame(first, vec![b'x'; length])
    });
    parts.collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn a_message_in_one_frame() {
    let limit: fn(Config) -> Config = |config| config.max_message(1000);
    is_accepted(limit, &fragments(&[1000]), "binary 1000").await;
    is_refused(limit, &fragments(&[1001]), 1009, "message is too big").await;
    is_refused(limit, &header(0x82, 1001), 1009, "message is too big").await;
    is_refused(limit, &header(0x01, 100_000), 1009, "message is too big").await;
    is_accepted(|config| config.max_message(0), &fragments(&[0]), "binary 0").await;
    is_refused(
        |config| config.max_message(0),
        &header(0x81, 1),
        1009,
        "message is too big",
    )
    .await;
}

#[tokio::test]
async fn a_message_in_fragments_counts_as_their_sum() {
    let limit: fn(Config) -> Config = |config| config.max_message(1000);
    is_accepted(limit, &fragments(&[400, 400, 200]), "binary 1000").await;
    is_accepted(limit, &fragments(&[1000, 0, 0]), "binary 1000").await;
    is_refused(limit, &fragments(&[400, 400, 201]), 1009, "message is too big").await;
    // Before the third fragment's payload is there.
    let mut input = fragments(&[400, 400, 0]);
    input.truncate(input.len() - 6);
    input.extend(header(0x80, 201));
    is_refused(limit, &input, 1009, "message is too big").await;
    // A sum that would overflow.
    input.truncate(input.len() - 8);
    input.extend(header(0x80, u64::MAX >> 1));
    is_refused(limit, &input, 1009, "frame is too big").await;
    is_refused(
        |config| config.max_frame(usize::MAX),
        &input,
        1009,
        "message is too big",
    )
    .await;
    // The next message starts from nothing.
    let two = [fragments(&[600, 400]), fragments(&[600, 400])].concat();
    let (seen, ..) = try_out(limit, &two).await;
    assert_eq!(seen, ["binary 1000", "binary 1000", "close 1000"]);
}

#[tokio::test]
async fn a_frame() {
    let limit: fn(Config) -> Config = |config| config.max_frame(100);
    is_accepted(limit, &fragments(&[100, 100, 100]), "binary 300").await;
    is_refused(limit, &fragments(&[100, 101]), 1009, "frame is too big").await;
    is_refused(limit, &header(0x81, 101), 1009, "frame is too big").await;
    // Control frames have a limit of their own.
    let input = frame(0x80 | PONG, "y".repeat(125));
    is_accepted(
        |config| config.max_frame(0).max_message(0),
        &input,
        &format!("pong {}", "y".repeat(125)),
    )
    .await;
}

#[tokio::test]
async fn the_number_of_fragments() {
    let limit: fn(Config) -> Config = |config| config.max_fragments(3);
    is_accepted(limit, &fragments(&[1, 1, 1]), "binary 3").await;
    is_refused(limit, &fragments(&[1, 1, 1, 1]), 1008, "message has too many fragments").await;
    // Empty ones count.
    is_refused(limit, &fragments(&[0, 0, 0, 0]), 1008, "message has too many fragments").await;
    // Control frames between them do not.
    let mut input = Vec::new();
    for (first, payload) in [(0x02, "a"), (0x8a, "b"), (0x00, "c"), (0x8a, "d"), (0x80, "e")] {
        input.extend(frame(first, payload));
    }
    let (seen, ..) = try_out(limit, &input).await;
    assert_eq!(seen, ["pong b", "pong d", "binary 3", "close 1000"]);
    // Each message has as many.
    let two = [fragments(&[1, 1, 1]), fragments(&[1, 1, 1])].concat();
    assert_eq!(try_out(limit, &two).await.0, ["binary 3", "binary 3", "close 1000"]);

    is_accepted(|config| config, &fragments(&[1; 4096]), "binary 4096").await;
    is_refused(
        |config| config,
        &fragments(&[1; 4097]),
        1008,
        "message has too many fragments",
    )
    .await;
}

#[tokio::test]
async fn empty_fragments_are_legal() {
    for lengths in [&[0][..], &[0, 0], &[0, 0, 0, 5], &[5, 0, 0], &[0, 5, 0]] {
        let total = lengths.iter().sum::<usize>();
        is_accepted(|config| config, &fragments(lengths), &format!("binary {total}")).await;
    }
    let text = [frame(0x01, ""), frame(0x00, "é"), frame(0x00, ""), frame(0x80, "")].concat();
    is_accepted(|config| config, &text, "text é").await;
}

#[tokio::test]
async fn a_length_that_no_machine_has() {
    for length in [1 << 20 | 1, 1 << 32, 1 << 40, 1 << 62, u64::MAX >> 1] {
        is_refused(|config| config, &header(0x82, length), 1009, "frame is too big").await;
    }
    let (seen, code, reason) = try_out(|config| config, &header(0x82, 1 << 63)).await;
    assert_eq!(
        (seen, code, &*reason),
        (vec!["protocol".into()], 1002, "payload length has its top bit set")
    );
    // Without limits it is believed, but nothing is reserved for it.
    for first in [0x82, 0x02, 0x81] {
        let (server, mut seen) = Server::watching(|config| config.max_message(usize::MAX).max_frame(usize::MAX));
        let mut client = server.raw().await;
        client.ping_pong().await;
        let mut input = header(first, u64::MAX >> 1);
        input.resize(200_000, 0x37);
        if first == 0x81 {
            // Text has to be text.
            input = [
                header(first, u64::MAX >> 1),
                frame(0x80, "z".repeat(200_000)).split_off(14),
            ]
            .concat();
        }
        client.write(&input).await;
        client.shutdown().await;
        client.expect_end().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["ping are you there?", "abnormal"]);
    }
}

/// The first who waits for a whole header, or a whole frame, in one read loses.
#[tokio::test]
async fn a_byte_at_a_time() {
    let input = [
        frame(0x81, "hello"),
        frame(0x02, "a".repeat(126)),
        frame(0x89, "ping"),
        frame(0x00, "b".repeat(200)),
        frame(0x8a, ""),
        frame(0x80, ""),
        frame(0x82, "c".repeat(70_000)),
        frame(0x88, b"\x03\xe8bye"),
    ];
    let expected = [
        "text hello",
        "ping ping",
        "pong",
        "binary 326",
        "binary 70000",
        "close 1000 bye",
    ];
    let (report, mut seen) = unbounded_channel();
    let mut client = in_memory(1, move || {
        let report = report.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            let _ = report.send(watch(&mut socket).await);
        })
    })
    .await;
    client.write(&input[..3].concat()).await;
    client.expect(PONG, "ping").await;
    client.write(&input[3..].concat()).await;
    client.expect_close(1000, "").await;
    client.expect_end().await;
    let words: Vec<String> = soon(seen.recv())
        .await
        .unwrap()
        .iter()
        .map(|word| word.trim().into())
        .collect();
    assert_eq!(words, expected);

    // Over TCP, with a moment after each byte, up to the last long header.
    let (server, mut seen) = Server::watching(endless);
    let mut client = server.raw().await;
    let small = [&input[..6], &[header(0x82, 70_000)]].concat().concat();
    for byte in small {
        client.write(&[byte]).await;
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_millis(20)).await;
    client.write(&input[6][14..]).await;
    client.write(&input[7]).await;
    client.expect(PONG, "ping").await;
    client.expect_close(1000, "").await;
    client.expect_end().await;
    let words: Vec<String> = soon(seen.recv())
        .await
        .unwrap()
        .iter()
        .map(|word| word.trim().into())
        .collect();
    assert_eq!(words, expected);
}
