//! Pings are answered and delivered, also while the handler is busy.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;
use upsock::ws::{self, WebSocket};

use crate::peer::{PING, PONG, Server, TEXT, endless, frame, soon, watch};
use crate::run;

#[tokio::test]
async fn pings_are_answered_and_delivered() {
    let (server, mut seen) = Server::watching(endless);
    let mut client = server.raw().await;
    let long = "x".repeat(125);
    for payload in ["", "a", &long] {
        client.send(PING, payload).await;
        client.expect(PONG, payload).await;
    }
    // Also between the fragments of a message.
    client.write(&frame(0x01, "he")).await;
    client.send(PING, "between").await;
    client.expect(PONG, "between").await;
    client.send(PONG, "unasked").await;
    client.write(&frame(0x80, "llo")).await;
    client.leave().await;
    let expected = [
        "ping ",
        "ping a",
        &format!("ping {long}"),
        "ping between",
        "pong unasked",
        "text hello",
        "close 1000",
    ];
    assert_eq!(soon(seen.recv()).await.unwrap(), expected);
}

#[tokio::test]
async fn pings_are_answered_while_the_handler_is_busy() {
    for moved in [false, true] {
        for first in ["", "has read", "has waited", "has sent"] {
            let go = Arc::new(Notify::new());
            let wait = go.clone();
            let (report, mut seen) = unbounded_channel();
            let server = Server::new(move || {
                let (wait, report) = (wait.clone(), report.clone());
                ws::upgrade(move |mut socket: WebSocket| {
                    run(moved, async move {
                        match first {
                            "has read" => assert!(socket.recv().await.is_some()),
                            "has waited" => {
                                assert!(socket.recv().now_or_never().is_none());
                                socket.send("hello".into()).await.unwrap();
                            }
                            "has sent" => socket.send("hello".into()).await.unwrap(),
                            _ => {}
                        }
                        wait.notified().await;
                        let _ = report.send(watch(&mut socket).await);
                    })
                })
            });
            println!("moved: {moved}, {first}");
            let mut client = server.raw().await;
            let mut expected = Vec::new();
            match first {
                "has read" => client.send(TEXT, "to be read").await,
                "has waited" | "has sent" => client.expect(TEXT, "hello").await,
                _ => {}
            }
            for i in 0..5 {
                client.send(TEXT, format!("{i}")).await;
                client.send(PING, format!("{i}")).await;
                client.expect(PONG, format!("{i}")).await;
                expected.extend([format!("text {i}"), format!("ping {i}")]);
            }
            go.notify_one();
            client.leave().await;
            expected.push("close 1000".into());
            assert_eq!(soon(seen.recv()).await.unwrap(), expected);
        }
    }
}
