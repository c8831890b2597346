//! Control frames and empty fragments cost a peer little: so many in a quarter of a second, and then data.

use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::sleep;
use upsock::ws::{self, Config, WebSocket};

use crate::peer::{BINARY, CLOSE, PING, PONG, Raw, TEXT, frame, in_memory, watch};

const REASON: &str = "too many control frames or empty fragments without data";

/// With the clock paused no quarter of a second passes by itself.
async fn watched(configure: fn(Config) -> Config) -> (Raw<DuplexStream>, UnboundedReceiver<Vec<String>>) {
    let (report, seen) = unbounded_channel();
    let client = in_memory(1 << 20, move || {
        let report = report.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            let _ = report.send(watch(&mut socket).await);
        })
        .configure(configure)
    })
    .await;
    (client, seen)
}

fn as_is(config: Config) -> Config {
    config
}

/// The server takes it all: what the handler has seen before the Close frame.
async fn passes(configure: fn(Config) -> Config, input: &[u8]) -> usize {
    let (mut client, mut seen) = watched(configure).await;
    client.write(input).await;
    client.send_close(1000).await;
    loop {
        let frame = client.frame().await;
        if frame.opcode == CLOSE {
            assert_eq!(frame.payload, 1000u16.to_be_bytes());
            break;
        }
    }
    client.expect_end().await;
    seen.recv().await.unwrap().len() - 1
}

/// The same with one more is refused.
async fn is_refused(configure: fn(Config) -> Config, input: &[u8]) {
    let (mut client, mut seen) = watched(configure).await;
    client.write(input).await;
    loop {
        let frame = client.frame().await;
        if frame.opcode == CLOSE {
            assert_eq!(frame.payload, [b"\x03\xf0", REASON.as_bytes()].concat());
            break;
        }
    }
    client.expect_end().await;
    assert_eq!(seen.recv().await.unwrap().pop().unwrap(), "limit");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_and_twenty_four_at_a_time() {
    let ping = frame(0x80 | PING, "");
    let pong = frame(0x80 | PONG, "x".repeat(100));
    let start = frame(BINARY, "");
    let middle = frame(0x00, "");
    for control in [&ping, &pong] {
        let many = control.repeat(1024);
        assert_eq!(passes(as_is, &many).await, 1024);
        is_refused(as_is, &[&many, &control[..]].concat()).await;
    }
    // The empty ones of a message, the first among them.
    let many = [&start, &middle.repeat(1023)[..]].concat();
    assert_eq!(passes(as_is, &[&many, &frame(0x80, "")[..]].concat()).await, 1);
    is_refused(as_is, &[&many, &middle[..]].concat()).await;
    // All together.
    let mixed = [&start, &[&ping[..], &pong, &middle].concat().repeat(341)[..]].concat();
    assert_eq!(passes(as_is, &[&mixed, &frame(0x80, "")[..]].concat()).await, 683);
    is_refused(as_is, &[&mixed, &middle[..]].concat()).await;
}

#[tokio::test(start_paused = true)]
async fn data_begins_the_count_anew() {
    let pings = frame(0x80 | PING, "").repeat(1024);
    let message = frame(0x80 | TEXT, "data");
    // An empty message is a message.
    for data in [
        message,
        frame(0x80 | TEXT, ""),
        frame(0x80 | BINARY, vec![0; 100_000]),
        [frame(TEXT, "a"), frame(0x80, "")].concat(),
    ] {
        let input = [&pings, &data[..], &pings, &data, &pings].concat();
        assert_eq!(passes(as_is, &input).await, 3 * 1024 + 2);
        is_refused(as_is, &[&input, &frame(0x80 | PING, "")[..]].concat()).await;
    }
    // Also in the midst of a message.
    let input = [
        &pings,
        &frame(TEXT, "a")[..],
        &pings,
        &frame(0x00, "b"),
        &pings,
        &frame(0x80, ""),
    ]
    .concat();
    assert_eq!(passes(as_is, &input).await, 3 * 1024 + 1);
}

#[tokio::test(start_paused = true)]
async fn time_begins_the_count_anew() {
    let (mut client, mut seen) = watched(as_is).await;
    for _ in 0..5 {
        client.write(&frame(0x80 | PONG, "").repeat(1024)).await;
        sleep(Duration::from_millis(251)).await;
    }
    client.leave().await;
    assert_eq!(seen.recv().await.unwrap().len(), 5 * 1024 + 1);
}

#[tokio::test(start_paused = true)]
async fn other_numbers() {
    let ping = frame(0x80 | PING, "");
    assert_eq!(passes(|config| config.max_control_frames(3), &ping.repeat(3)).await, 3);
    is_refused(|config| config.max_control_frames(3), &ping.repeat(4)).await;
    is_refused(|config| config.max_control_frames(0), &ping).await;
    is_refused(|config| config.max_control_frames(0), &frame(TEXT, "")).await;
    assert_eq!(passes(|config| config.max_control_frames(0), &frame(0x81, "")).await, 1);
    let many = ping.repeat(20_000);
    assert_eq!(
        passes(|config| config.max_control_frames(usize::MAX), &many).await,
        20_000
    );
}

/// Below the limit nothing is lost: each ping of a burst is answered, in order.
#[tokio::test(start_paused = true)]
async fn each_ping_of_a_burst_is_answered() {
    let (mut client, mut seen) = watched(as_is).await;
    for round in 0..3 {
        let pings: Vec<u8> = (0..600u16).flat_map(|i| frame(0x80 | PING, i.to_be_bytes())).collect();
        client.write(&pings).await;
        for i in 0..600u16 {
            let pong = client.frame().await;
            assert_eq!((pong.opcode, pong.payload), (PONG, i.to_be_bytes().to_vec()), "{round}");
        }
        client.send(TEXT, "data").await;
    }
    client.leave().await;
    assert_eq!(seen.recv().await.unwrap().len(), 3 * 601 + 1);
}
