//! A ping goes out after 25 s without a byte, and not before.

use std::time::Duration;

use tokio::io::duplex;
use tokio::time::sleep;
use upsock::ws::{Config, KeepAlive, Sockets, WebSocket};

use crate::peer::{BINARY, PING, PONG, Raw, TEXT, frame, header, watch};
use crate::watched;

#[tokio::test(start_paused = true)]
async fn any_byte_is_a_sign_of_life() {
    for moved in [false, true] {
        let (mut client, mut seen) = watched(moved, |config| config.message_deadline(Duration::MAX)).await;
        client.expect_ping_after(25.0).await;
        let text = frame(0x80 | TEXT, "hello");
        let pong = frame(0x80 | PONG, "unasked");
        let long = header(0x80 | BINARY, 200);
        let pieces = [
            // A whole message; the first byte of one, and the rest.
            &text[..],
            &text[..1],
            &text[1..],
            // The same of a pong that answers nothing.
            &pong[..1],
            &pong[1..],
            // A header, and each of its payload's bytes.
            &long[..],
            &[7],
            &[8],
        ];
        for (phase, bytes) in pieces.into_iter().enumerate() {
            // The sweep's clock is coarse: at no phase of it the ping comes too early, or too late.
            sleep(Duration::from_millis(31 * phase as u64)).await;
            client.write(bytes).await;
            client.expect_ping_after(25.0).await;
        }
        drop(client);
        assert_eq!(
            seen.recv().await.unwrap(),
            ["text hello", "text hello", "pong unasked", "abnormal"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_is_not_pinged() {
    let (mut client, _seen) = watched(false, |config| config).await;
    for _ in 0..100 {
        sleep(Duration::from_secs(24)).await;
        client.send(TEXT, "still here").await;
    }
    client.expect_ping_after(25.0).await;
}

/// What the server sends is no sign of the peer's life.
#[tokio::test(start_paused = true)]
async fn a_server_that_talks_still_pings() {
    let mut client = crate::in_memory(1000, || {
        upsock::ws::upgrade(|mut socket: WebSocket| async move {
            while socket.send("tick".into()).await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        })
    })
    .await;
    let start = tokio::time::Instant::now();
    let mut found = Vec::new();
    while let (Some(frame), _) = client.timed_frame().await {
        if frame.opcode == PING {
            found.push(start.elapsed().as_secs_f64());
        }
    }
    found.push(start.elapsed().as_secs_f64());
    assert!(matches!(found[..], [25.0..=25.5, 45.0..=46.0]), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn other_times() {
    for (interval, timeout) in [(0.5, 0.25), (1.0, 300.0), (90.0, 0.75), (50.3, 10.1)] {
        let (mut client, mut seen) = watched(false, move |config| {
            config.keep_alive(KeepAlive::new(
                Duration::from_secs_f64(interval),
                Duration::from_secs_f64(timeout),
            ))
        })
        .await;
        client.expect_ping_after(interval).await;
        client.send(TEXT, "here").await;
        client.expect_ping_after(interval).await;
        client.expect_end_after(timeout).await;
        assert_eq!(seen.recv().await.unwrap(), ["text here", "abnormal"]);
    }
}

#[tokio::test(start_paused = true)]
async fn off_is_off() {
    let (mut client, mut seen) = watched(false, |config| config.keep_alive(KeepAlive::off())).await;
    let found = tokio::time::timeout(Duration::from_secs(600), client.try_frame()).await;
    assert!(found.is_err(), "{found:?}");
    client.leave().await;
    assert_eq!(seen.recv().await.unwrap(), ["close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn sockets_without_a_layer_have_it_as_well() {
    for one_of_a_set in [true, false] {
        let (client, io) = duplex(1000);
        // The only one of this process: the clock of such sockets is one for all runtimes.
        let mut socket = if one_of_a_set {
            Sockets::new().open(io, Config::new()).unwrap()
        } else {
            WebSocket::from_io(io, Config::new())
        };
        let handler = tokio::spawn(async move { watch(&mut socket).await });
        let mut client = Raw::new(client);
        client.expect_ping_after(25.0).await;
        client.expect_end_after(20.0).await;
        assert_eq!(handler.await.unwrap(), ["abnormal"]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_layer_has_it() {
    let (mut one, _seen) = watched(false, |config| config).await;
    sleep(Duration::from_secs(10)).await;
    let (mut other, _seen) = watched(false, |config| config).await;
    tokio::join!(one.expect_ping_after(15.0), other.expect_ping_after(25.0));
}
