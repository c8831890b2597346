//! A peer that reads nothing for 10 s is gone; one that reads a byte now and then is not.

use std::future::pending;
use std::time::Duration;

use tokio::io::{AsyncReadExt, duplex};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{sleep, timeout};
use upsock::ws::{self, Config, KeepAlive, Sockets, WebSocket};

use crate::peer::{TEXT, in_memory, timed, watch};
use crate::{assert_about, run};

#[derive(Clone, Copy, Debug)]
enum Handler {
    Sends,
    Flushes,
    Reads,
    Hangs,
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_gone() {
    for moved in [false, true] {
        for handler in [Handler::Sends, Handler::Flushes, Handler::Reads, Handler::Hangs] {
            let (report, mut seen) = unbounded_channel();
            let mut client = in_memory(200, move || {
                let report = report.clone();
                ws::upgrade(move |mut socket: WebSocket| {
                    run(moved, async move {
                        let sender = socket.sender();
                        socket.send("x".repeat(1000).into()).await.unwrap();
                        match handler {
                            Handler::Sends => {
                                let error = loop {
                                    if let Err(error) = socket.send("x".repeat(1000).into()).await {
                                        break error;
                                    }
                                };
                                assert!(error.is_closed());
                                assert_eq!(watch(&mut socket).await, ["text hello", "abnormal"]);
                            }
                            Handler::Flushes => {
                                assert!(socket.send("x".into()).await.unwrap_err().is_closed());
                                assert_eq!(watch(&mut socket).await, ["text hello", "abnormal"]);
                            }
                            Handler::Reads => assert_eq!(watch(&mut socket).await, ["text hello", "abnormal"]),
                            Handler::Hangs => {}
                        }
                        sender.closed().await;
                        let _ = report.send(());
                        pending::<()>().await;
                    })
                })
                .configure(move |config| match handler {
                    Handler::Flushes => config.flush(ws::Flush::Each).high_water_mark(1),
                    _ => config,
                })
            })
            .await;
            client.send(TEXT, "hello").await;
            let (report, seconds) = timed(seen.recv()).await;
            println!("{handler:?}, moved: {moved}");
            assert!(report.is_some());
            assert_about(seconds, 10.0);
            let ((), seconds) = timed(client.drain()).await;
            assert!(seconds < 0.01, "the transport is kept");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_byte_that_is_read_begins_it_anew() {
    let (mut client, io) = duplex(64);
    let config = Config::new().keep_alive(KeepAlive::off());
    let mut socket = Sockets::new().open(io, config).unwrap();
    let handler = tokio::spawn(async move {
        socket.send("x".repeat(200).into()).await.unwrap();
        watch(&mut socket).await
    });
    // The transport holds 64 bytes, so the last of them are taken while there are more than these to read.
    let mut bytes = 0;
    while bytes < 204 - 64 {
        sleep(Duration::from_secs(9)).await;
        client.read_u8().await.unwrap();
        bytes += 1;
    }
    // All is with the transport, and nobody waits for the peer to read.
    assert!(timeout(Duration::from_secs(15), pending::<()>()).await.is_err());
    assert!(!handler.is_finished());
    let mut rest = [0; 64];
    client.read_exact(&mut rest).await.unwrap();
    assert_eq!(rest, [b'x'; 64]);
    drop(client);
    assert_eq!(handler.await.unwrap(), ["abnormal"]);
}

/// Whoever has read for long, and then stops, has as much time as all.
#[tokio::test(start_paused = true)]
async fn it_counts_from_the_last_byte() {
    let (mut client, io) = duplex(64);
    let mut socket = Sockets::new().open(io, Config::new()).unwrap();
    let handler = tokio::spawn(async move {
        socket.send("x".repeat(2000).into()).await.unwrap();
        watch(&mut socket).await
    });
    for _ in 0..30 {
        sleep(Duration::from_millis(7770)).await;
        client.read_u8().await.unwrap();
    }
    let (seen, seconds) = timed(handler).await;
    assert_eq!(seen.unwrap(), ["abnormal"]);
    assert_about(seconds, 10.0);
}

#[tokio::test(start_paused = true)]
async fn other_times() {
    for (deadline, expected) in [
        (Duration::from_millis(300), 0.5),
        (Duration::from_secs(120), 120.0),
        (Duration::MAX, f64::INFINITY),
    ] {
        let (client, io) = duplex(64);
        let config = Config::new().write_deadline(deadline).keep_alive(KeepAlive::off());
        let mut socket = Sockets::new().open(io, config).unwrap();
        let gone = timed(timeout(Duration::from_secs(1000), async {
            socket.send("x".repeat(2000).into()).await.unwrap();
            watch(&mut socket).await
        }));
        let (seen, seconds) = gone.await;
        if expected.is_finite() {
            assert_eq!(seen.unwrap(), ["abnormal"]);
            assert_about(seconds, expected);
        } else {
            assert!(seen.is_err());
        }
        drop(client);
    }
}
