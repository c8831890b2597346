//! An outbox is bounded by bytes and by messages; what is not taken is given back, or waits.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;
use upsock::ws::{CloseCode, CloseFrame, Config, Message, Sender, TrySendError};

use crate::open;
use crate::peer::{TEXT, soon};

const MIB: usize = 1 << 20;

/// How many such messages are taken while the session has no turn: the test does not wait.
fn capacity(sender: &Sender, message: &Message) -> usize {
    let mut taken = 0;
    loop {
        assert!(taken < 10_000, "no bound");
        match sender.try_send(message.clone()) {
            Ok(()) => taken += 1,
            Err(TrySendError::Full(back)) => {
                assert_eq!(&back, message);
                return taken;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn by_default_1024_messages_or_a_mebibyte_wait() {
    let (socket, _peer) = open(64, Config::new());
    assert_eq!(capacity(&socket.sender(), &"x".into()), 1024);
    let (socket, _peer) = open(64, Config::new());
    let taken = capacity(&socket.sender(), &vec![0; 10_000].into());
    assert!((100..=MIB / 10_000).contains(&taken), "{taken}");
}

#[tokio::test]
async fn an_outbox_has_the_bounds_that_are_asked_for() {
    let (socket, _peer) = open(64, Config::new().outbox(MIB, 3));
    assert_eq!(capacity(&socket.sender(), &"x".into()), 3);
    let (socket, _peer) = open(64, Config::new().outbox(1000, 1024));
    let taken = capacity(&socket.sender(), &vec![0; 100].into());
    assert!((5..=10).contains(&taken), "{taken}");
    // None but one at a time.
    let (socket, _peer) = open(64, Config::new().outbox(0, 0));
    assert_eq!(capacity(&socket.sender(), &"x".into()), 1);
}

#[tokio::test]
async fn a_message_longer_than_the_bound_is_taken_by_an_empty_outbox_only() {
    let config = Config::new().outbox(1000, 10);
    let (socket, _peer) = open(64, config.clone());
    assert_eq!(capacity(&socket.sender(), &vec![0; 2 * MIB].into()), 1);
    let (socket, _peer) = open(64, config);
    socket.sender().try_send("first".into()).unwrap();
    assert_eq!(capacity(&socket.sender(), &vec![0; 2 * MIB].into()), 0);
}

#[tokio::test]
async fn what_cannot_be_sent_is_given_back() {
    let (socket, mut peer) = open(256, Config::new());
    let sender = socket.sender();
    let frame = CloseFrame {
        code: CloseCode::Abnormal,
        reason: "".into(),
    };
    for message in [Message::Ping(vec![0; 126].into()), Message::Close(Some(frame))] {
        match sender.try_send(message.clone()) {
            Err(TrySendError::Unsendable(back)) => assert_eq!(back, message),
            other => panic!("{other:?}"),
        }
        assert!(soon(sender.send(message)).await.unwrap_err().is_unsendable());
    }
    assert!(sender.close(CloseCode::Status, "").unwrap_err().is_unsendable());
    assert!(!sender.is_closed());
    drop(socket);
    peer.expect_close(1000, "").await;
    match sender.try_send("late".into()) {
        Err(error @ TrySendError::Closed(_)) => assert_eq!(error.into_message(), "late".into()),
        other => panic!("{other:?}"),
    }
    assert!(soon(sender.send("late".into())).await.unwrap_err().is_closed());
    assert!(sender.close(CloseCode::Normal, "").unwrap_err().is_closed());
}

#[tokio::test(start_paused = true)]
async fn sending_waits_for_room_and_is_not_sent_if_the_wait_is_given_up() {
    let config = Config::new().outbox(MIB, 2).high_water_mark(1);
    let (socket, mut peer) = open(16, config);
    let sender = socket.sender();
    let long = "x".repeat(100);
    // The session takes the first, and is stuck with it; two more wait in the outbox.
    for text in [&*long, "1", "2"] {
        soon(sender.send(text.into())).await.unwrap();
        tokio::task::yield_now().await;
    }
    let wait = Duration::from_millis(1);
    assert!(timeout(wait, sender.send("given up".into())).await.is_err());
    assert!(sender.send("given up, too".into()).now_or_never().is_none());
    let waiting = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send("3".into()).await }
    });
    assert!(timeout(wait, sender.send("given up".into())).await.is_err());
    assert!(!waiting.is_finished());
    peer.expect(TEXT, &long).await;
    soon(waiting).await.unwrap().unwrap();
    soon(sender.send("4".into())).await.unwrap();
    for text in ["1", "2", "3", "4"] {
        peer.expect(TEXT, text).await;
    }
    drop(socket);
    peer.expect_close(1000, "").await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_room_ends_with_the_socket() {
    let (socket, peer) = open(16, Config::new().outbox(1, 1).high_water_mark(1));
    let sender = socket.sender();
    for _ in 0..2 {
        soon(sender.send(vec![0; 100].into())).await.unwrap();
        tokio::task::yield_now().await;
    }
    let waiting = tokio::spawn(async move { sender.send("never".into()).await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!waiting.is_finished());
    drop(peer);
    assert!(soon(waiting).await.unwrap().unwrap_err().is_closed());
}
