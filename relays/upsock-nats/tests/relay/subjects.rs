//! Rooms of any name, and who else uses the server.

use std::time::Duration;

use support::{Server, Visitor, soon};
use upsock::ws::hub::Hub;
use upsock_nats::{ConnectOptions, Nats};

use crate::{hub, relay, up};

#[tokio::test]
async fn a_room_may_have_any_key() {
    let server = Server::nats().await;
    let (here, there) = (hub(&server), hub(&server));
    let long = "long ".repeat(2 << 10);
    let longer = long.clone() + ".";
    let keys = [
        "",
        " ",
        ".",
        "a.b",
        "a..b",
        ".a",
        "a.",
        "*",
        "a.*",
        ">",
        "a.>",
        "a b\t\r\nPUB x 0\r\n",
        "\0",
        "é",
        "日本",
        "$SYS.REQ",
        "_INBOX.x",
        "%20",
        "~",
        &long,
        &longer,
    ];
    // The member in a room hears only that room.
    let mut visitors: Vec<Visitor> = keys.iter().map(|key| Visitor::of(&there, key)).collect();
    up(&here).await;
    up(&there).await;
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(soon(here.publish(key, format!("to {number}"))).await, Ok(0));
    }
    for (number, visitor) in visitors.iter_mut().enumerate() {
        visitor.expect(&format!("to {number}")).await;
    }
    for visitor in &mut visitors {
        visitor.silence(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn deployments_do_not_mix() {
    let server = Server::nats().await;
    let named = |prefix| Hub::builder().relay(relay(&server).prefix(prefix)).build();
    let hubs: [Hub; 4] = ["one", "one", "two", "one.room"].map(named);
    let mut visitors = [&hubs[1], &hubs[2], &hubs[3]].map(|hub| Visitor::of(hub, "x"));
    for hub in &hubs {
        up(hub).await;
    }
    soon(hubs[0].publish("x", "to one")).await.unwrap();
    soon(hubs[2].publish("x", "to two")).await.unwrap();
    visitors[0].expect("to one").await;
    visitors[1].expect("to two").await;
    for visitor in &mut visitors {
        visitor.silence(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn what_is_no_message_of_a_hub_is_passed_over() {
    let server = Server::nats().await;
    let (here, there) = (hub(&server), hub(&server));
    let mut visitor = Visitor::of(&there, "x");
    up(&here).await;
    up(&there).await;
    let stranger = async_nats::connect(server.url()).await.unwrap();
    let mut marks = stranger.subscribe("upsock.mark.>").await.unwrap();
    stranger.flush().await.unwrap();
    soon(here.publish("x", "1")).await.unwrap();
    // Its marks come from both, as they ask whether the server is there.
    let mark = soon(futures_util::StreamExt::next(&mut marks)).await.unwrap();
    for payload in ["", "hello", "\u{1}\u{1}", "\u{2}\u{1}234567890123456789012345678"] {
        for subject in ["upsock.room.x", "upsock.room", mark.subject.as_str()] {
            stranger.publish(subject.to_owned(), payload.into()).await.unwrap();
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("a", "b");
            let published = stranger.publish_with_headers(subject.to_owned(), headers, payload.into());
            published.await.unwrap();
        }
    }
    // As a mark that says too much.
    let far = u64::MAX.to_be_bytes().to_vec();
    stranger.publish(mark.subject.clone(), far.into()).await.unwrap();
    stranger.flush().await.unwrap();
    assert_eq!(soon(here.publish("x", "2")).await, Ok(0));
    visitor.expect("1").await;
    visitor.expect("2").await;
    visitor.silence(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn credentials_are_in_the_url_or_in_the_options() {
    let server = Server::nats_with(&["--user", "me", "--pass", "p@ss"]).await;
    let host = server.url().replace("nats://", "");
    let build = |relay: Nats| -> Hub { Hub::builder().relay(relay).build() };
    let options = ConnectOptions::with_user_and_password("me".into(), "p@ss".into());
    let good = [
        build(Nats::new(&format!("nats://me:p%40ss@{host}")).unwrap()),
        build(relay(&server).options(options)),
        // The first is not there.
        build(Nats::new(&format!("nats://127.0.0.1:1,nats://me:p%40ss@{host}")).unwrap()),
    ];
    let bad = build(Nats::new(&format!("nats://me:wrong@{host}")).unwrap());
    let mut visitor = Visitor::of(&bad, "x");
    for hub in &good {
        up(hub).await;
    }
    assert_eq!(bad.broadcast("x", "hello"), 1);
    visitor.expect("hello").await;
    let state = bad.relay_state().unwrap();
    assert!(!state.up && state.waiting == 1, "{state:?}");
}
