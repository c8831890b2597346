//! Joining, leaving, and whom a message reaches.

use upsock::ws::hub::{Hub, Membership};
use upsock::ws::{self, CloseCode, Message, WebSocket};

use crate::peer::{BINARY, Server, TEXT};
use crate::{Visitor, rest, until};

#[tokio::test]
async fn a_message_reaches_the_members_of_its_room() {
    let hub = Hub::new();
    let [mut a, mut b, mut c] = [Visitor::new(), Visitor::new(), Visitor::new()];
    let _in_x = [hub.join("x", &a.sender()), hub.join("x", &b.sender())];
    let _in_y = [hub.join("y", &b.sender()), hub.join("y", &c.sender())];
    assert_eq!(hub.broadcast("x", "to x"), 2);
    assert_eq!(hub.broadcast("y", "to y"), 2);
    assert_eq!(hub.broadcast("z", "to nobody"), 0);
    a.expect("to x").await;
    b.expect("to x").await;
    b.expect("to y").await;
    c.expect("to y").await;
    assert_eq!(hub.except(b.sender().id()).broadcast("x", "not to b"), 1);
    assert_eq!(hub.except(c.sender().id()).broadcast("x", "to both"), 2);
    a.expect("not to b").await;
    a.expect("to both").await;
    b.expect("to both").await;
    c.client.expect_silence().await;
}

#[tokio::test]
async fn texts_and_binary_messages_of_all_lengths_arrive_as_they_are() {
    let hub = Hub::new();
    let mut visitors = [Visitor::new(), Visitor::new()];
    let _memberships = visitors.each_ref().map(|visitor| hub.join("x", &visitor.sender()));
    let lengths = [0, 1, 125, 126, 4091, 4092, 4096, 65_535, 65_536, 300_000];
    for length in lengths {
        let data: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        hub.broadcast("x", data);
        hub.broadcast("x", "é".repeat(length / 2));
        for visitor in &mut visitors {
            let frame = visitor.client.frame().await;
            assert_eq!((frame.fin, frame.opcode, frame.payload.len()), (true, BINARY, length));
            assert!(
                frame
                    .payload
                    .iter()
                    .enumerate()
                    .all(|(i, byte)| *byte == (i % 251) as u8)
            );
            visitor.client.expect(TEXT, "é".repeat(length / 2)).await;
        }
    }
    for other in [
        Message::Ping("a".into()),
        Message::Pong("a".into()),
        Message::Close(None),
    ] {
        assert_eq!(hub.broadcast("x", other), 0);
    }
    visitors[0].client.ping_pong().await;
}

#[tokio::test]
async fn a_membership_that_is_dropped_has_left() {
    let hub = Hub::new();
    let mut visitor = Visitor::new();
    let first = hub.join("x", &visitor.sender());
    let second = hub.join("x", &visitor.sender());
    assert_eq!(hub.broadcast("x", "twice"), 2);
    drop(first);
    assert_eq!(hub.broadcast("x", "once"), 1);
    assert!(second.is_member() && hub.count("x") == 1);
    drop(second);
    assert_eq!(hub.broadcast("x", "never"), 0);
    for text in ["twice", "twice", "once"] {
        visitor.expect(text).await;
    }
    visitor.client.ping_pong().await;
}

#[tokio::test]
async fn a_room_without_members_is_none() {
    let hub = Hub::new();
    let visitor = Visitor::new();
    for round in 0..3 {
        let memberships: Vec<_> = (0..100)
            .map(|room| hub.join(&room.to_string(), &visitor.sender()))
            .collect();
        assert_eq!(hub.rooms(), 100, "round {round}");
        drop(memberships);
        assert_eq!(hub.rooms(), 0);
    }
}

/// However a socket ends, it leaves its rooms, though its membership is kept.
#[tokio::test]
async fn a_socket_that_ends_has_left() {
    let hub = Hub::new();
    let ends: [fn(&mut Visitor); 3] = [
        |visitor| visitor.sender().close(CloseCode::Normal, "").unwrap(),
        |visitor| visitor.socket = Visitor::new().socket,
        |visitor| visitor.client = Visitor::new().client,
    ];
    let stays = Visitor::new();
    let _stays = hub.join("x", &stays.sender());
    for (number, end) in ends.into_iter().enumerate() {
        let mut visitor = Visitor::new();
        let membership = hub.join("x", &visitor.sender());
        let elsewhere = hub.join("y", &visitor.sender());
        assert_eq!(hub.broadcast("x", "hello"), 2);
        end(&mut visitor);
        until(|| hub.count("x") == 1).await;
        assert!(!membership.is_member() && !elsewhere.is_member(), "{number}");
        assert_eq!((hub.rooms(), hub.broadcast("x", "hello")), (1, 1));
    }
}

#[tokio::test]
async fn a_socket_that_has_ended_does_not_join() {
    let hub = Hub::new();
    let visitor = Visitor::new();
    let sender = visitor.sender();
    sender.close(CloseCode::Normal, "").unwrap();
    let mut events = hub.events();
    let membership = hub.join("x", &sender);
    assert!(!membership.is_member());
    drop(membership);
    assert_eq!((hub.rooms(), hub.count("x")), (0, 0));
    drop(hub);
    assert!(events.recv().await.is_none(), "it was never there");
}

#[tokio::test]
async fn members_and_their_data() {
    let hub: Hub<&'static str> = Hub::builder().build();
    let [a, b] = [Visitor::new(), Visitor::new()];
    let anna = hub.join_with("x", &a.sender(), "Anna");
    let _ben = hub.join_with("x", &b.sender(), "Ben");
    let mut members: Vec<_> = hub
        .members("x")
        .iter()
        .map(|member| (member.id(), *member.data(), member.room().to_owned()))
        .collect();
    members.sort();
    let expected = [
        (a.sender().id(), "Anna", "x".into()),
        (b.sender().id(), "Ben", "x".into()),
    ];
    assert_eq!(members, expected);
    assert_eq!((anna.room(), anna.id(), *anna.data()), ("x", a.sender().id(), "Anna"));
    assert!(hub.members("y").is_empty());
}

#[tokio::test]
async fn many_join_and_leave_in_any_order() {
    let hub = Hub::new();
    let visitor = Visitor::with(1, ws::Config::new());
    let mut memberships: Vec<_> = (0..1000).map(|_| hub.join("x", &visitor.sender())).collect();
    let mut left = 1000;
    while !memberships.is_empty() {
        // From the middle, so that others move within the room.
        drop(memberships.swap_remove(memberships.len() * 7 / 11));
        left -= 1;
        assert_eq!(hub.count("x"), left);
        assert!(memberships.iter().all(Membership::is_member));
    }
    assert_eq!(hub.rooms(), 0);
}

/// A hub that is dropped lets its rooms go, and members may outlive it.
#[tokio::test]
async fn a_membership_may_outlive_its_hub() {
    let hub = Hub::new();
    let visitor = Visitor::new();
    let membership = hub.join("x", &visitor.sender());
    drop(hub);
    assert!(membership.is_member());
    visitor.sender().close(CloseCode::Normal, "").unwrap();
    rest().await;
    assert!(!membership.is_member());
}

#[tokio::test]
async fn over_tcp_from_the_closures() {
    let hub = Hub::new();
    let rooms = hub.clone();
    let server = Server::new(move || {
        let hub = rooms.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            let sender = socket.sender();
            let _membership = hub.join("x", &sender);
            while let Some(Ok(message)) = socket.recv().await {
                if message.is_text() {
                    hub.except(sender.id()).broadcast("x", message);
                    hub.broadcast("x", "done");
                }
            }
        })
    });
    let [mut a, mut b] = [server.raw().await, server.raw().await];
    until(|| hub.count("x") == 2).await;
    a.send(TEXT, "hello").await;
    a.expect(TEXT, "done").await;
    b.expect(TEXT, "hello").await;
    b.expect(TEXT, "done").await;
    a.leave().await;
    until(|| hub.count("x") == 1).await;
}
