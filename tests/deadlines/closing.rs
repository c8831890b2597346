//! The peer has 5 s for its Close frame, from the last byte that it lets us write; and 2 s to end the connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::sleep;
use upsock::ws::{CloseCode, Config, Sockets, WebSocket};

use crate::assert_about;
use crate::peer::{CLOSE, Raw, frame, timed, watch};

async fn say_much_and_close(mut socket: WebSocket) -> Vec<String> {
    socket.send("x".repeat(1000).into()).await.unwrap();
    socket.close(CloseCode::Away, "").await.unwrap();
    watch(&mut socket).await
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_all_of_it() {
    let (mut client, io) = duplex(64);
    let socket = Sockets::new().open(io, Config::new()).unwrap();
    let handler = tokio::spawn(say_much_and_close(socket));
    let mut input = Vec::new();
    while input.len() < 1004 + 4 - 64 {
        sleep(Duration::from_secs(4)).await;
        client.read_buf(&mut input).await.unwrap();
    }
    // The rest is taken now; and now is the last byte.
    let (seen, seconds) = timed(handler).await;
    assert_eq!(seen.unwrap(), ["abnormal"]);
    assert_about(seconds, 5.0);
    client.read_to_end(&mut input).await.unwrap();
    assert_eq!(input.len(), 1004 + 4);
    assert_eq!(input[1004..], [0x88, 2, 0x03, 0xe9]);
}

#[tokio::test(start_paused = true)]
async fn who_stops_reading_has_no_more_time_than_that() {
    for read_before in [false, true] {
        let (mut client, io) = duplex(64);
        let socket = Sockets::new().open(io, Config::new()).unwrap();
        let handler = tokio::spawn(say_much_and_close(socket));
        if read_before {
            sleep(Duration::from_secs(4)).await;
            client.read_exact(&mut [0; 100]).await.unwrap();
        }
        let (seen, seconds) = timed(handler).await;
        assert_eq!(seen.unwrap(), ["abnormal"]);
        assert_about(seconds, 5.0);
    }
}

/// What the peer sends meanwhile does not give it more time.
#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_on_has_no_more_time() {
    let (client, io) = duplex(10_000);
    let socket = Sockets::new().open(io, Config::new()).unwrap();
    let handler = tokio::spawn(say_much_and_close(socket));
    let (_reader, mut writer) = tokio::io::split(client);
    let ((), seconds) = timed(async {
        while writer.write_all(&frame(0x82, "more")).await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert_about(seconds, 5.0);
    assert_eq!(handler.await.unwrap().last().unwrap(), "abnormal");
}

#[tokio::test(start_paused = true)]
async fn the_connection_lingers_for_two_seconds() {
    let (client, io) = duplex(10_000);
    let mut socket = Sockets::new().open(io, Config::new()).unwrap();
    let handler = tokio::spawn(async move { watch(&mut socket).await });
    let mut client = Raw::new(client);
    client.send(CLOSE, "").await;
    client.expect(CLOSE, "").await;
    client.expect_end().await;
    assert_eq!(handler.await.unwrap(), ["close"]);
    // The write side is shut; what comes is discarded, and the transport is kept so that the peer is not reset.
    let ((), seconds) = timed(client.expect_dropped()).await;
    assert_about(seconds, 2.0);
}
