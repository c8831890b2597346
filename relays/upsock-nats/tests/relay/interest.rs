//! A process hears only the rooms that somebody is in.

use std::time::Duration;

use async_nats::RequestErrorKind;
use support::{Server, Visitor, soon};
use tokio::time::{sleep, timeout};

use crate::{hub, up};

/// Whether anybody is subscribed: else the server answers at once that nobody is.
async fn is_subscribed(client: &async_nats::Client, subject: &'static str) -> bool {
    match timeout(Duration::from_millis(300), client.request(subject, "?".into())).await {
        Ok(Ok(reply)) => panic!("{reply:?}"),
        Ok(Err(error)) => {
            assert_eq!(error.kind(), RequestErrorKind::NoResponders);
            false
        }
        Err(_) => true,
    }
}

#[tokio::test]
async fn rooms_without_members_are_not_heard() {
    let server = Server::nats().await;
    let (here, there) = (hub(&server), hub(&server));
    let client = async_nats::connect(server.url()).await.unwrap();
    up(&here).await;
    up(&there).await;
    let mut visitor = Visitor::new();
    for round in 0..3 {
        assert!(!is_subscribed(&client, "upsock.room.x").await);
        visitor.join(&there, "x");
        soon(async { while !is_subscribed(&client, "upsock.room.x").await {} }).await;
        soon(here.publish("x", format!("round {round}"))).await.unwrap();
        soon(here.publish("y", "elsewhere")).await.unwrap();
        visitor.expect(&format!("round {round}")).await;
        visitor.leave();
        soon(async { while is_subscribed(&client, "upsock.room.x").await {} }).await;
        soon(here.publish("x", "to nobody")).await.unwrap();
    }
    visitor.silence(Duration::from_millis(100)).await;
}

/// What is joined while the server is away is heard when it is back; what is left then is not.
#[tokio::test]
async fn interest_changes_while_the_server_is_away() {
    let mut server = Server::nats().await;
    let (here, there) = (hub(&server), hub(&server));
    let mut visitor = Visitor::of(&there, "before");
    up(&here).await;
    up(&there).await;
    server.kill();
    crate::down(&there).await;
    visitor.leave();
    visitor.join(&there, "after");
    server.start().await;
    up(&here).await;
    up(&there).await;
    let client = async_nats::connect(server.url()).await.unwrap();
    assert!(!is_subscribed(&client, "upsock.room.before").await);
    soon(here.publish("before", "no")).await.unwrap();
    soon(here.publish("after", "yes")).await.unwrap();
    visitor.expect("yes").await;
}

/// Many come and go while the relay looks at them.
#[tokio::test]
async fn many_rooms() {
    let server = Server::nats().await;
    let (here, there) = (hub(&server), hub(&server));
    up(&here).await;
    up(&there).await;
    let mut visitor = Visitor::new();
    for _ in 0..3 {
        for number in 0..3000 {
            visitor.join(&there, &format!("room {number}"));
        }
        sleep(Duration::from_millis(5)).await;
        visitor.leave();
        sleep(Duration::from_millis(5)).await;
    }
    for number in 0..3000 {
        visitor.join(&there, &format!("room {number}"));
    }
    let client = async_nats::connect(server.url()).await.unwrap();
    soon(async { while !is_subscribed(&client, "upsock.room.room%202999").await {} }).await;
    for number in 0..3000 {
        here.broadcast(&format!("room {number}"), number.to_string());
    }
    for number in 0..3000 {
        visitor.expect(&number.to_string()).await;
    }
}
