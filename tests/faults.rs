//! A handler that blocks its thread, a peer that closes by half: others go on, and nothing is left behind.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

#[path = "peer/mod.rs"]
mod peer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Builder;
use upsock::ws::{self, Config, Sockets, WebSocket};

use crate::peer::{Raw, Server, TEXT, endless, soon};

#[tokio::test]
async fn a_handler_that_blocks_on_a_lock_holds_up_nobody_else() {
    let lock = Arc::new(Mutex::new(()));
    let shared = lock.clone();
    let server = Server::new(move || {
        let lock = shared.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            while let Some(Ok(message)) = socket.recv().await {
                if message == "lock".into() {
                    // Without `block_in_place` tokio itself may leave its sockets unwatched meanwhile.
                    tokio::task::block_in_place(|| drop(lock.lock().unwrap()));
                }
                if message.is_text() && socket.send(message).await.is_err() {
                    break;
                }
            }
        })
    });
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(server.raw().await);
    }
    let mut blocked = server.raw().await;
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let holder = std::thread::spawn(move || {
        let _guard = lock.lock().unwrap();
        let _ = locked.send(());
        let _ = released.recv();
    });
    soon(is_locked).await.unwrap();
    blocked.send(TEXT, "lock").await;
    blocked.expect_silence().await;
    for _ in 0..10 {
        for other in &mut others {
            other.send(TEXT, "hello").await;
            other.expect(TEXT, "hello").await;
        }
    }
    others.push(server.raw().await);
    blocked.expect_silence().await;
    drop(release);
    blocked.expect(TEXT, "lock").await;
    blocked.leave().await;
    holder.join().unwrap();
}

/// A peer ends its output, with a Close frame or without, and reads on.
#[tokio::test]
async fn a_connection_that_is_closed_by_half_ends() {
    for with_close in [true, false] {
        let (done, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::new(move || {
            let done = done.clone();
            ws::upgrade(move |mut socket: WebSocket| async move {
                let sender = socket.sender();
                while socket.recv().await.is_some_and(|item| item.is_ok()) {}
                sender.closed().await;
                let _ = done.send(());
            })
            .configure(endless)
        });
        let mut client = server.raw().await;
        client.ping_pong().await;
        if with_close {
            client.shutdown_with_close().await;
            client.expect_close(1000, "").await;
        } else {
            client.shutdown().await;
        }
        client.expect_end().await;
        soon(ended.recv()).await.unwrap();
    }
}

/// Time is kept where sockets are; one runtime's end does not stop the others' clocks.
#[tokio::test]
async fn sockets_in_a_runtime_go_on_when_the_runtime_of_others_ends() {
    let sockets = Sockets::new();
    let config = Config::new().max_lifetime(Duration::from_millis(500));
    let (_peer, io) = tokio::io::duplex(64);
    let first = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let entered = first.enter();
    // The sweep of the whole set runs there.
    let _socket = sockets.open(io, config.clone()).unwrap();
    drop(entered);
    let (peer, io) = tokio::io::duplex(64);
    let mut peer = Raw::new(peer);
    let socket = sockets.open(io, config).unwrap();
    first.shutdown_background();
    peer.expect_close(1001, "the socket has reached its maximum lifetime")
        .await;
    assert_eq!(sockets.len(), 1);
    drop(socket);
}

/// Its deadlines would not be kept, and it would not be seen.
#[test]
fn a_runtime_without_time_opens_no_socket_and_says_so() {
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    let sockets = Sockets::new();
    let open = std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async { sockets.open(tokio::io::duplex(64).0, Config::new()) })
    });
    let panic = std::panic::catch_unwind(open).err().unwrap();
    let text = panic.downcast_ref::<&str>().map(|text| String::from(*text));
    let text = text.or_else(|| panic.downcast_ref().cloned()).unwrap();
    assert!(text.contains("enable_time"), "{text}");
    assert!(sockets.is_empty());
}
