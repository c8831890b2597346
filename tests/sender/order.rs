//! From any thread and task, each sender's messages in their order, control frames ahead of data.

use std::collections::HashSet;
use std::thread;

use tokio::task::JoinSet;
use upsock::ws::{self, CloseCode, Config, Message, Sockets, TrySendError, WebSocket};

use crate::open;
use crate::peer::{PING, Raw, Server, TEXT, soon};

#[tokio::test]
async fn messages_from_threads_and_tasks_arrive_once_and_in_the_order_of_each() {
    const EACH: usize = 500;
    let server = Server::new(|| {
        ws::upgrade(|socket: WebSocket| async move {
            let sender = socket.sender();
            let threads: Vec<_> = (0..3)
                .map(|origin| {
                    let sender = sender.clone();
                    thread::spawn(move || {
                        for number in 0..EACH {
                            let mut message = Message::text(format!("{origin} {number}"));
                            while let Err(error) = sender.try_send(message) {
                                assert!(matches!(error, TrySendError::Full(_)));
                                message = error.into_message();
                                thread::yield_now();
                            }
                        }
                    })
                })
                .collect();
            let mut tasks = JoinSet::new();
            for origin in 3..6 {
                let sender = sender.clone();
                tasks.spawn(async move {
                    for number in 0..EACH {
                        sender.send(format!("{origin} {number}").into()).await.unwrap();
                    }
                });
            }
            tasks.join_all().await;
            for thread in threads {
                tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
            }
        })
        .configure(|config| config.outbox(4096, 16))
    });
    let mut client = server.raw().await;
    let mut next = [0; 6];
    for _ in 0..6 * EACH {
        let frame = client.frame().await;
        let text = String::from_utf8(frame.payload).unwrap();
        let (origin, number) = text.split_once(' ').unwrap();
        let next = &mut next[origin.parse::<usize>().unwrap()];
        assert_eq!(number.parse(), Ok(*next), "of {origin}");
        *next += 1;
    }
    client.expect_close(1000, "").await;
}

#[tokio::test]
async fn control_frames_go_ahead_of_data_and_a_close_after_all() {
    let (socket, mut peer) = open(64, Config::new().high_water_mark(1));
    let sender = socket.sender();
    for text in ["a", "b"] {
        sender.try_send(text.into()).unwrap();
    }
    for ping in ["1", "2"] {
        sender.try_send(Message::Ping(ping.into())).unwrap();
    }
    sender.try_send("c".into()).unwrap();
    sender.close(CloseCode::Library(4001), "enough").unwrap();
    for (opcode, payload) in [(PING, "1"), (PING, "2"), (TEXT, "a"), (TEXT, "b"), (TEXT, "c")] {
        peer.expect(opcode, payload).await;
    }
    peer.expect_close(4001, "enough").await;
}

#[tokio::test]
async fn a_sender_within_the_closure_and_the_socket_keep_the_order_of_their_calls() {
    let server = Server::new(|| {
        ws::upgrade(|mut socket: WebSocket| async move {
            let sender = socket.sender();
            for round in 0..50 {
                sender.try_send(format!("{round} by try_send").into()).unwrap();
                socket.send(format!("{round} by the socket").into()).await.unwrap();
                sender.send(format!("{round} by send").into()).await.unwrap();
            }
            sender.try_send("last".into()).unwrap();
            socket.close(CloseCode::Away, "").await.unwrap();
            assert!(sender.is_closed());
        })
        // Nearly each waits for room.
        .configure(|config| config.high_water_mark(32))
    });
    let mut client = server.raw().await;
    for round in 0..50 {
        for by in ["try_send", "the socket", "send"] {
            client.expect(TEXT, format!("{round} by {by}")).await;
        }
    }
    client.expect(TEXT, "last").await;
    client.expect_close(1001, "").await;
}

#[tokio::test]
async fn a_broadcast_reaches_a_thousand_sockets_through_their_set() {
    let sockets = Sockets::new();
    let (mut handles, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..1000 {
        let (peer, io) = tokio::io::duplex(256);
        handles.push(sockets.open(io, Config::new()).unwrap());
        peers.push(Raw::new(peer));
    }
    let text = Message::text("to all");
    assert_eq!(
        sockets
            .iter()
            .map(|sender| sender.try_send(text.clone()).unwrap())
            .count(),
        1000
    );
    for peer in &mut peers {
        peer.expect(TEXT, "to all").await;
    }
    let ids: HashSet<_> = sockets.iter().map(|sender| sender.id()).collect();
    assert_eq!(ids, handles.iter().map(|socket| socket.sender().id()).collect());
    assert_eq!(ids.len(), 1000);
}

#[tokio::test]
async fn an_id_is_the_sockets_and_stays_with_it() {
    let (socket, mut peer) = open(256, Config::new());
    let (other, _peer) = open(256, Config::new());
    let sender = socket.sender();
    let id = sender.id();
    assert_eq!(socket.sender().id(), id);
    assert_ne!(other.sender().id(), id);
    drop(socket);
    peer.expect_close(1000, "").await;
    soon(sender.closed()).await;
    assert_eq!(sender.clone().id(), id);
}
