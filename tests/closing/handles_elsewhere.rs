//! The socket is dropped, moved or never had a closure: the session ends with its last holder.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;
use upsock::ws::{self, CloseCode, Config, Error, WebSocket};

use crate::peer::{BINARY, Raw, Server, TEXT, describe, endless, in_memory, soon, watch};

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
