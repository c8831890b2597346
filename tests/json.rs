//! Typed messages: wrong JSON names its place, and ends nothing by itself.

#![cfg(feature = "json")]
#![allow(clippy::unwrap_used)]

#[path = "peer/mod.rs"]
mod peer;

use futures_util::{SinkExt, StreamExt};
use peer::{Server, soon};
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Message;
use upsock::ws::{self, Error, WebSocket};

#[derive(Debug, Deserialize, Serialize)]
struct Sum {
    a: i64,
    b: i64,
}

#[tokio::test]
async fn values_go_both_ways_and_what_is_wrong_is_named() {
    let server = Server::new(|| {
        ws::upgrade(|mut socket: WebSocket| async move {
            let sender = socket.sender();
            while let Some(sum) = socket.recv_json::<Sum>().await {
                match sum {
                    Ok(Sum { a, b }) => socket.send_json(&(a + b)).await?,
                    Err(error) if error.is_json() => sender.send_json(&error.to_string()).await?,
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    });
    let mut client = server.client().await;
    for (sent, answer) in [
        (Message::text(r#"{"a":1,"b":2}"#), "3"),
        (Message::Ping("between".into()), ""),
        (Message::binary(&br#"{"a":1,"b":-2}"#[..]), "-1"),
        (
            Message::text("{\"a\":1,\n\"b\":\"two\"}"),
            r#""not the expected JSON: invalid type: string \"two\", expected i64 at line 2 column 9""#,
        ),
        (
            Message::text("{"),
            r#""not the expected JSON: EOF while parsing an object at line 1 column 1""#,
        ),
        (
            Message::binary(&b"\xff"[..]),
            r#""not the expected JSON: expected value at line 1 column 1""#,
        ),
        (Message::text(r#"{"a":20,"b":22}"#), "42"),
    ] {
        client.send(sent.clone()).await.unwrap();
        let received = soon(client.next()).await.unwrap().unwrap();
        match sent {
            Message::Ping(payload) => assert_eq!(received, Message::Pong(payload)),
            _ => assert_eq!(received, Message::text(answer)),
        }
    }
    client.close(None).await.unwrap();
}

#[tokio::test]
async fn a_handler_that_returns_the_error_closes_with_1007() {
    let server = Server::new(|| {
        ws::upgrade(|mut socket: WebSocket| async move {
            while let Some(sum) = socket.recv_json::<Sum>().await {
                sum?;
            }
            Ok::<_, Error>(())
        })
    });
    let mut client = server.client().await;
    client.send(Message::text("[]")).await.unwrap();
    let Message::Close(Some(frame)) = soon(client.next()).await.unwrap().unwrap() else {
        panic!("no close frame");
    };
    assert_eq!(u16::from(frame.code), 1007);
    assert_eq!(
        frame.reason.as_str(),
        "not the expected JSON: invalid length 0, expected struct Sum with 2 elements at line 1 column 2"
    );
}

#[tokio::test]
async fn what_cannot_be_json_is_unsendable_and_ends_nothing() {
    let server = Server::new(|| {
        ws::upgrade(|mut socket: WebSocket| async move {
            let map = std::collections::HashMap::from([(Some((1, 2)), 3)]);
            let error = socket.send_json(&map).await.unwrap_err();
            assert!(error.is_unsendable() && !error.is_json(), "{error}");
            socket.send_json("still here").await
        })
    });
    let mut client = server.client().await;
    let received = soon(client.next()).await.unwrap().unwrap();
    assert_eq!(received, Message::text("\"still here\""));
}
