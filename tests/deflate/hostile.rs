//! What a compressed stream can do to a server: each is ended, by the right code.

use upsock::ws::{Compression, Config};

use crate::peer::{BINARY, CONTINUATION, PING, Server, TEXT, endless, frame, soon};
use crate::{COMPRESSED, deflated, offer};

const MEBIBYTE: usize = 1 << 20;

/// Sends this, expects this Close frame, and that the handler sees one error of this kind.
async fn violate(configure: fn(Config) -> Config, input: &[u8], code: u16, reason: &str, seen_as: &str) {
    let (server, mut seen) = Server::watching(configure);
    let (mut client, answer) = offer(&server, "permessage-deflate").await;
    assert!(answer.is_some());
    // What has been said before does not matter.
    client.write(&frame(0x80 | COMPRESSED | TEXT, deflated("fine"))).await;
    client.write(input).await;
    client.expect_close(code, reason).await;
    client.expect_end().await;
    drop(client);
    assert_eq!(soon(seen.recv()).await.unwrap(), ["text fine", seen_as]);
}

fn on(config: Config) -> Config {
    endless(config).compression(Compression::on())
}

fn message(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x80 | COMPRESSED | opcode, payload)
}

#[tokio::test]
async fn rsv1_where_it_means_nothing() {
    let reason = "reserved bit set without an extension";
    let start = frame(COMPRESSED | TEXT, deflated("Hello"));
    for input in [
        [start.clone(), frame(0x80 | COMPRESSED | CONTINUATION, "")].concat(),
        [frame(TEXT, "Hello"), frame(0x80 | COMPRESSED | CONTINUATION, "")].concat(),
        message(PING, ""),
        [start, message(PING, "")].concat(),
        // The other bits mean nothing still.
        frame(0xe1, deflated("Hello")),
        frame(0x91, "Hello"),
    ] {
        violate(on, &input, 1002, reason, "protocol").await;
    }
}

#[tokio::test]
async fn broken_streams() {
    let whole = deflated("a text that is long enough to be cut in the middle of a word or two".repeat(20));
    for payload in [
        // Reserved block type; lengths of a stored block that do not match; a distance beyond the beginning.
        vec![0x06],
        vec![0, 5, 0, 0, 0, b'H'],
        vec![0xf2, 0x00, 0x11, 0x00, 0x00],
        // Garbage behind a final block.
        [&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..], &[0xff; 20]].concat(),
        // Cut off.
        whole[..whole.len() / 2].to_vec(),
        whole[..1].to_vec(),
        // A stored block that lacks its end.
        vec![0, 5, 0, 0xfa, 0xff, b'H'],
    ] {
        violate(
            on,
            &message(BINARY, &payload),
            1002,
            "compressed data is broken",
            "protocol",
        )
        .await;
        let (a, b) = payload.split_at(payload.len() / 2);
        let input = [frame(COMPRESSED | BINARY, a), frame(0x80, b)].concat();
        violate(on, &input, 1002, "compressed data is broken", "protocol").await;
    }
}

#[tokio::test]
async fn text_that_is_none() {
    for bad in [
        &b"\xff"[..],
        &[b"x".repeat(100), b"\xed\xa0\x80".to_vec()].concat(),
        b"\xe2\x82",
    ] {
        violate(on, &message(TEXT, deflated(bad)), 1007, "text is not UTF-8", "utf8").await;
    }
    // At once: the message is not at its end.
    let bad = [vec![0xc0], vec![b'x'; 1000]].concat();
    violate(
        on,
        &frame(COMPRESSED | TEXT, deflated(bad)),
        1007,
        "text is not UTF-8",
        "utf8",
    )
    .await;
}

/// The limit is on what a message becomes, to the byte.
#[tokio::test]
async fn bombs() {
    let bomb = deflated(vec![b'x'; MEBIBYTE + 1]);
    assert!(bomb.len() < 1100);
    for opcode in [TEXT, BINARY] {
        violate(on, &message(opcode, &bomb), 1009, "message is too big", "limit").await;
        // Long before its end.
        let bomb = deflated(vec![b'x'; 64 * MEBIBYTE]);
        violate(
            on,
            &frame(COMPRESSED | opcode, &bomb[..8000]),
            1009,
            "message is too big",
            "limit",
        )
        .await;
    }
    // One in another is only as long as the outer one.
    let (server, mut seen) = Server::watching(on);
    let (mut client, _) = offer(&server, "permessage-deflate").await;
    let nested = deflated(deflated(vec![0; 100 * MEBIBYTE]));
    client.write(&message(BINARY, nested)).await;
    client.write(&message(TEXT, deflated(vec![b'x'; MEBIBYTE]))).await;
    client.leave().await;
    let seen = soon(seen.recv()).await.unwrap();
    assert_eq!(
        (seen[0].len() < 20, seen[1].len(), &*seen[2]),
        (true, MEBIBYTE + 5, "close 1000")
    );
}

#[tokio::test]
async fn a_guard_of_the_ratio() {
    let guarded: fn(Config) -> Config = |config| endless(config).compression(Compression::on().max_ratio(100));
    let zeros = |length| message(BINARY, deflated(vec![0; length]));
    violate(
        guarded,
        &zeros(128 * 1024),
        1009,
        "message is compressed too much",
        "limit",
    )
    .await;
    let (server, mut seen) = Server::watching(guarded);
    let (mut client, _) = offer(&server, "permessage-deflate").await;
    // Too short to be judged; and of a ratio below the limit.
    client.write(&zeros(64 * 1024)).await;
    let numbers: String = (0..50_000).map(|number| format!("{number} ")).collect();
    client.write(&message(TEXT, deflated(&numbers))).await;
    client.leave().await;
    let seen = soon(seen.recv()).await.unwrap();
    assert_eq!(seen[0], "binary 65536");
    assert_eq!(seen[1].len(), 5 + numbers.len());
}

/// Blocks that hold nothing are counted as they come.
#[tokio::test]
async fn blocks_that_hold_nothing() {
    for block in [&[0, 0, 0, 0xff, 0xff][..], &[3, 0]] {
        let fragment = block.repeat(60_000 / block.len());
        let mut input = frame(COMPRESSED | BINARY, &fragment);
        // An eighth more than the limit.
        for _ in 0..21 {
            input.extend(frame(CONTINUATION, &fragment));
        }
        violate(on, &input, 1009, "message is too big", "limit").await;
        // In one message that is no longer than that, they are legal, and nothing.
        let (server, mut seen) = Server::watching(on);
        let (mut client, _) = offer(&server, "permessage-deflate").await;
        client.write(&message(BINARY, fragment)).await;
        client.leave().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["binary 0", "close 1000"]);
    }
}

/// Compressed or not, a header that declares too much is refused by itself.
#[tokio::test]
async fn a_header_that_declares_too_much() {
    let length = (MEBIBYTE + MEBIBYTE / 8 + 65) as u64;
    violate(
        on,
        &crate::peer::header(0xc2, length),
        1009,
        "frame is too big",
        "limit",
    )
    .await;
}
