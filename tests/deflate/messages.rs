//! What is agreed on, and what is compressed by that.

use tokio::sync::mpsc::unbounded_channel;
use upsock::ws::{self, Compression, Config, Message, WebSocket};

use crate::peer::{BINARY, CONTINUATION, PING, PONG, Server, TEXT, frame, soon};
use crate::{COMPRESSED, deflated, inflated, offer};

const JSON: &str = r#"{"id":1234,"name":"some name"},"#;

fn echo(configure: fn(Config) -> Config) -> Server {
    Server::new(move || {
        ws::upgrade(|mut socket: WebSocket| async move {
            while let Some(Ok(message)) = socket.recv().await {
                if !message.is_ping() && socket.send(message).await.is_err() {
                    break;
                }
            }
        })
        .configure(configure)
    })
}

#[tokio::test]
async fn only_if_both_sides_want_it() {
    let on = echo(|config| config.compression(Compression::on()));
    let off = echo(|config| config);
    let text = JSON.repeat(50);
    for (server, offered, expected) in [
        (
            &on,
            "permessage-deflate",
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        ),
        (&on, "permessage-deflate; unknown", None),
        (&on, "x, y; z=\"permessage-deflate\"", None),
        (&off, "permessage-deflate", None),
    ] {
        let (mut client, answer) = offer(server, offered).await;
        assert_eq!(answer.as_deref(), expected, "{offered}");
        client.send(TEXT, &text).await;
        let frame = client.frame().await;
        assert_eq!(frame.rsv1, expected.is_some());
        if !frame.rsv1 {
            assert_eq!(frame.payload, text.as_bytes());
            client
                .write(&crate::peer::frame(0x80 | COMPRESSED | TEXT, deflated("a")))
                .await;
            client.expect_close(1002, "reserved bit set without an extension").await;
            continue;
        }
        assert_eq!(inflated(&frame.payload), text.as_bytes());
        client.leave().await;
    }
}

/// Text and binary, in fragments with a ping between, and uncompressed ones among them.
#[tokio::test]
async fn there_and_back() {
    let server = echo(|config| config.compression(Compression::on().threshold(0)));
    let (mut client, _) = offer(&server, "permessage-deflate").await;
    for (opcode, data) in [(TEXT, JSON.repeat(5000)), (BINARY, JSON.into()), (TEXT, JSON.repeat(3))] {
        let payload = deflated(&data);
        let (start, end) = payload.split_at(payload.len() / 2);
        client.write(&frame(COMPRESSED | opcode, start)).await;
        client.send(PING, "between").await;
        client.expect(PONG, "between").await;
        client.write(&frame(0x80 | CONTINUATION, end)).await;
        let answer = client.frame().await;
        assert_eq!(answer.opcode, opcode);
        assert!(answer.rsv1 || data == JSON);
        let found = if answer.rsv1 {
            inflated(&answer.payload)
        } else {
            answer.payload
        };
        assert!(found == data.as_bytes());
        client.send(opcode, "as it is").await;
        client.expect(opcode, "as it is").await;
    }
    client.leave().await;
}

/// It is as long compressed, and comes in several reads.
#[tokio::test]
async fn what_cannot_be_compressed() {
    let server = echo(|config| config.compression(Compression::on()));
    let (mut client, _) = offer(&server, "permessage-deflate").await;
    let mut state = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(1 << 20)
    .collect();
    let payload = deflated(&noise);
    assert!(payload.len() > noise.len());
    client.write(&frame(0x80 | COMPRESSED | BINARY, payload)).await;
    let answer = client.frame().await;
    assert!(!answer.rsv1 && answer.payload == noise);
    client.leave().await;
}

#[tokio::test]
async fn below_the_threshold_or_without_use_it_is_sent_as_it_is() {
    let server = echo(|config| config.compression(Compression::on().threshold(100)));
    let (mut client, _) = offer(&server, "permessage-deflate").await;
    client.send(TEXT, "x".repeat(99)).await;
    client.expect(TEXT, "x".repeat(99)).await;
    let noise: Vec<u8> = (0..100u32).map(|i| ((i * i * 7919) >> 3) as u8).collect();
    client.send(BINARY, &noise).await;
    client.expect(BINARY, &noise).await;
    client.send(TEXT, "x".repeat(100)).await;
    assert!(client.frame().await.rsv1);
    client.leave().await;
}

/// In the closure, and from another task.
#[tokio::test]
async fn a_message_that_must_not_be_compressed_is_not() {
    for moved in [false, true] {
        let (report, mut seen) = unbounded_channel();
        let server = Server::new(move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| async move {
                let run = async move {
                    socket.send(Message::text(JSON.repeat(50))).await.unwrap();
                    socket.send_uncompressed(Message::text(JSON.repeat(50))).await.unwrap();
                    socket.send(Message::text(JSON.repeat(50))).await.unwrap();
                    let _ = report.send(());
                };
                if moved {
                    tokio::spawn(run);
                } else {
                    run.await;
                }
            })
            .configure(|config| config.compression(Compression::on()))
        });
        let (mut client, _) = offer(&server, "permessage-deflate").await;
        for compressed in [true, false, true] {
            let frame = client.frame().await;
            assert_eq!(frame.rsv1, compressed);
            let data = if compressed {
                inflated(&frame.payload)
            } else {
                frame.payload
            };
            assert!(data == JSON.repeat(50).as_bytes());
        }
        soon(seen.recv()).await.unwrap();
    }
}
