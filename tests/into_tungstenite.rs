//! The connection handed to tokio-tungstenite, with all that was read from it.

#![cfg(feature = "tokio-tungstenite")]
#![allow(clippy::unwrap_used)]

#[path = "peer/mod.rs"]
mod peer;

use futures_util::{SinkExt, StreamExt};
use peer::{CLOSE, Server, TEXT, describe, frame, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use upsock::ws::{self, Upgrade, WebSocket};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn theirs() -> Upgrade {
    ws::upgrade(|socket: WebSocket| async move {
        let mut stream = socket.into_tungstenite(None).await?;
        while let Some(message) = stream.next().await {
            let message = message?;
            if message.is_text() {
                stream.send(message).await?;
            }
        }
        Ok::<_, BoxError>(())
    })
}

#[tokio::test]
async fn what_came_with_the_handshake_is_not_lost() {
    let server = Server::new(theirs);
    let mut client = server.tcp().await;
    let handshake = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let first = frame(0x80 | TEXT, "first");
    client.write_all(&[&handshake[..], &first[..7]].concat()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(soon(client.read_u8()).await.unwrap());
    }
    client.write_all(&first[7..]).await.unwrap();
    client.write_all(&frame(0x80 | CLOSE, "")).await.unwrap();
    let mut rest = Vec::new();
    soon(client.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"\x81\x05first\x88\x00");
}

#[tokio::test]
async fn a_socket_in_use_is_not_handed_over_and_closes_as_ever() {
    for moved in [false, true] {
        let server = Server::new(move || {
            ws::upgrade(move |mut socket: WebSocket| async move {
                let run = async move {
                    if !moved {
                        assert!(socket.recv().await.is_some_and(|first| first.is_ok()));
                    }
                    let error = socket.into_tungstenite(None).await.unwrap_err();
                    assert!(error.is_abnormal(), "{error}");
                };
                if moved {
                    tokio::spawn(run).await
                } else {
                    run.await;
                    Ok(())
                }
            })
        });
        let mut client = server.client().await;
        client.send("taken".into()).await.unwrap();
        let last = soon(client.next()).await.unwrap().unwrap();
        assert_eq!(describe(&Ok(last)), "close 1000", "moved: {moved}");
    }
}
