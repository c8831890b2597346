//! A message has 60 s from its first byte to its last.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};
use upsock::ws::{self, Config, KeepAlive, WebSocket};

use crate::peer::{BINARY, CLOSE, PING, PONG, Raw, TEXT, frame, header, in_memory, watch};
use crate::{assert_about, run};

async fn watched(
    moved: bool,
    configure: fn(Config) -> Config,
) -> (Raw<DuplexStream>, UnboundedReceiver<Vec<String>>, Arc<Notify>) {
    let (report, seen) = unbounded_channel();
    let go = Arc::new(Notify::new());
    let wait = go.clone();
    let client = in_memory(100_000, move || {
        let (report, wait) = (report.clone(), wait.clone());
        ws::upgrade(move |mut socket: WebSocket| {
            run(moved, async move {
                wait.notified().await;
                let _ = report.send(watch(&mut socket).await);
            })
        })
        .configure(configure)
    })
    .await;
    (client, seen, go)
}

/// No pings: whoever is in the midst of a frame cannot answer.
fn quiet(config: Config) -> Config {
    config.keep_alive(KeepAlive::off())
}

/// Writes the pieces, one after each pause, until a Close frame comes: 1008, after 60 s.
async fn is_ended(pieces: impl Fn(usize) -> Vec<u8>, pause: Duration) {
    for moved in [false, true] {
        let (mut client, mut seen, go) = watched(moved, quiet).await;
        go.notify_one();
        // At some phase of the sweep's clock.
        sleep(Duration::from_millis(1130)).await;
        let start = Instant::now();
        let mut count = 0;
        let frame = loop {
            let piece = pieces(count);
            count += 1;
            client.write(&piece).await;
            if let Ok(frame) = timeout(pause, client.try_frame()).await {
                break frame.unwrap().unwrap();
            }
        };
        assert_about(start.elapsed().as_secs_f64(), 60.0);
        assert_eq!(frame.opcode, CLOSE);
        assert_eq!(frame.payload, b"\x03\xf0message takes too long");
        client.drain().await;
        let mut seen = seen.recv().await.unwrap();
        assert_eq!(seen.pop().unwrap(), "limit", "moved: {moved}");
        assert!(seen.iter().all(|item| item == "pong x"), "{seen:?}");
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_message_that_stalls() {
    is_ended(|_| frame(0x81, "hello")[..8].to_vec(), HOUR).await;
    is_ended(|_| header(0x82, 1 << 20), HOUR).await;
    // A header of which one byte comes.
    is_ended(|_| vec![0x81], HOUR).await;
    is_ended(|_| header(0x82, 1 << 20)[..9].to_vec(), HOUR).await;
    // A control frame.
    is_ended(|_| frame(0x89, "hello")[..8].to_vec(), HOUR).await;
    is_ended(|_| frame(0x01, "a fragment"), HOUR).await;
    is_ended(|_| frame(0x01, ""), HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles() {
    let long = frame(0x82, vec![1; 1000]);
    is_ended(|i| vec![long[i]], SECOND).await;
    let direct = frame(0x82, vec![1; 100_000]);
    is_ended(|i| direct[i * 100..][..100].to_vec(), SECOND).await;
    // Half a header, each of whose bytes takes its time.
    is_ended(|i| vec![header(0x82, 1 << 19)[i]], Duration::from_secs(11)).await;
    // Fragments without end, and control frames between them.
    is_ended(|i| frame(if i == 0 { 0x01 } else { 0x00 }, "x"), SECOND).await;
    is_ended(
        |i| frame([0x01, 0x8a, 0x00][if i < 2 { i } else { 1 + i % 2 }], "x"),
        SECOND,
    )
    .await;
}

/// At each moment there is half a frame, but each of them is soon complete.
#[tokio::test(start_paused = true)]
async fn messages_that_are_always_cut_are_in_time() {
    let message = frame(0x80 | TEXT, "x".repeat(300));
    let fragmented = [frame(0x01, "half of it"), frame(0x80, "and the rest")].concat();
    let pinged = [frame(0x80 | PONG, "first"), message.clone()].concat();
    for (bytes, messages) in [(message, 1), (fragmented, 1), (pinged, 2)] {
        for cut in [1, 3, 7, 9, 17, 20, bytes.len() - 1] {
            let (mut client, mut seen, go) = watched(false, |config| config).await;
            go.notify_one();
            client.write(&bytes[..cut]).await;
            for _ in 0..10 {
                sleep(Duration::from_secs(19)).await;
                client.write(&bytes[cut..]).await;
                client.write(&bytes[..cut]).await;
            }
            client.write(&bytes[cut..]).await;
            client.leave().await;
            assert_eq!(seen.recv().await.unwrap().len(), 11 * messages + 1, "{cut}");
        }
    }
}

/// The same with both parts in one write, so that no poll sees the end of a message alone.
#[tokio::test(start_paused = true)]
async fn messages_that_are_cut_at_each_read_are_in_time() {
    let message = frame(0x80 | TEXT, "x".repeat(300));
    for cut in [1, 5, 8, 9, 100] {
        let (mut client, mut seen, go) = watched(true, |config| config).await;
        go.notify_one();
        client.write(&message[..cut]).await;
        let both = [&message[cut..], &message[..cut]].concat();
        for _ in 0..10 {
            sleep(Duration::from_secs(19)).await;
            client.write(&both).await;
        }
        client.write(&message[cut..]).await;
        client.leave().await;
        assert_eq!(seen.recv().await.unwrap().len(), 12, "{cut}");
    }
}

/// While the handler is behind, the rest of a message is not read; then the peer has its time.
#[tokio::test(start_paused = true)]
async fn a_handler_that_is_behind_is_not_the_peers_fault() {
    for moved in [false, true] {
        for behind in [30, 100, 119, 121, 600] {
            let (mut client, mut seen, go) = watched(moved, quiet).await;
            client.write(&frame(0x01, "half of it, ")).await;
            sleep(SECOND).await;
            // They are delivered, and fill what may wait for the handler.
            for _ in 0..17 {
                client.send(PONG, "").await;
            }
            sleep(Duration::from_secs(behind)).await;
            go.notify_one();
            sleep(Duration::from_secs(59)).await;
            client.write(&frame(0x80, "and the rest")).await;
            client.leave().await;
            let seen = seen.recv().await.unwrap();
            assert_eq!(seen[17..], ["text half of it, and the rest", "close 1000"], "{behind}");

            // Not more than its time.
            let (mut client, mut seen, go) = watched(moved, quiet).await;
            client.write(&frame(0x01, "half of it, ")).await;
            for _ in 0..17 {
                client.send(PONG, "").await;
            }
            sleep(Duration::from_secs(behind)).await;
            go.notify_one();
            let (close, seconds) = client.timed_frame().await;
            assert_eq!(close.unwrap().payload[..2], [0x03, 0xf0]);
            assert_about(seconds, 60.0);
            client.drain().await;
            assert_eq!(seen.recv().await.unwrap()[17..], ["limit"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_times() {
    let (mut client, mut seen, go) = watched(false, |config| config.message_deadline(Duration::from_secs(3))).await;
    go.notify_one();
    for _ in 0..3 {
        client.write(&frame(BINARY, "a")).await;
        sleep(Duration::from_millis(2900)).await;
        client.write(&frame(0x80, "b")).await;
        sleep(Duration::from_secs(5)).await;
    }
    client.write(&frame(BINARY, "a")).await;
    let (close, seconds) = client.timed_frame().await;
    assert_eq!(close.unwrap().payload[..2], [0x03, 0xf0]);
    assert_about(seconds, 3.0);
    client.drain().await;
    assert_eq!(
        seen.recv().await.unwrap(),
        ["binary 2", "binary 2", "binary 2", "limit"]
    );

    let (mut client, _seen, _go) = watched(false, |config| quiet(config).message_deadline(Duration::MAX)).await;
    client.write(&frame(BINARY, "a")).await;
    sleep(HOUR / 10).await;
    client.send(PING, "alive?").await;
    client.expect(PONG, "alive?").await;
}
