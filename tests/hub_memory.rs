//! What a member costs, and what a kept message does: counted by the allocator, not timed.

#![cfg(feature = "hub")]
#![allow(clippy::unwrap_used)]

use std::alloc::System;

use bytes::Bytes;
use cap::Cap;
use tokio::runtime::Builder;
use upsock::ws::hub::{History, Hub};
use upsock::ws::{Config, Message, WebSocket};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

const MEMBERS: usize = 10_000;

/// One test, because the heap is everybody's.
#[test]
fn what_rooms_cost() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sockets: Vec<_> = (0..MEMBERS)
            .map(|_| {
                let (client, io) = tokio::io::duplex(64);
                (WebSocket::from_io(io, Config::new()), client)
            })
            .collect();
        for _ in 0..MEMBERS {
            tokio::task::yield_now().await;
        }
        let senders: Vec<_> = sockets.iter().map(|(socket, _)| socket.sender()).collect();
        let keys: Vec<String> = (0..MEMBERS).map(|room| format!("room {room}")).collect();
        let hub = Hub::new();

        let before = HEAP.allocated();
        let members: Vec<_> = senders.iter().map(|sender| hub.join("one room", sender)).collect();
        let member = (HEAP.allocated() - before) / MEMBERS;
        drop(members);
        let after = HEAP.allocated();

        // In rooms of their own. What a socket needs to be in any room, it has by now.
        let before = HEAP.allocated();
        let alone: Vec<_> = keys
            .iter()
            .zip(&senders)
            .map(|(key, sender)| hub.join(key, sender))
            .collect();
        let room = (HEAP.allocated() - before) / MEMBERS;
        drop(alone);
        let left = HEAP.allocated();

        println!("bytes of heap for a member: {member}; for one with a room of its own: {room}");
        assert!(member <= 400, "{member} bytes for a member");
        assert!(room <= 1024, "{room} bytes for a member with a room of its own");
        assert!(
            left < after + 100_000,
            "{} bytes are left of rooms that are gone",
            left.saturating_sub(after)
        );
        drop(hub);

        // A message of 20 bytes, out of a buffer of 128 KiB.
        let hub: Hub = Hub::builder().history(History::new().messages(1000)).build();
        hub.broadcast("kept", "the first makes the room");
        let before = HEAP.allocated();
        for _ in 0..1000 {
            let read = Bytes::from(vec![7; 128 * 1024]);
            hub.broadcast("kept", Message::Binary(read.slice(..20)));
        }
        let kept = (HEAP.allocated() - before) / 1000;
        println!("bytes of heap for a kept message of 20: {kept}");
        assert!(kept <= 256, "{kept} bytes for a kept message of 20");
    });
}
