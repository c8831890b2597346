//! A room whose members have agreed on different things.

use tokio::sync::mpsc::unbounded_channel;
use upsock::ws::hub::{Hub, Relay};
use upsock::ws::{self, Compression, Message, WebSocket};

use crate::peer::{BINARY, Raw, Server, TEXT, soon};
use crate::{inflated, offer};

const JSON: &str = r#"{"id":1234,"name":"some name"},"#;

struct Member {
    client: Raw,
    _server: Server,
}

/// A member of "room" with this compression, and the server that it has joined by.
async fn member(hub: &Hub, compression: Compression) -> Member {
    let (joined, mut has_joined) = unbounded_channel();
    let hub = hub.clone();
    let server = Server::new(move || {
        let (hub, joined) = (hub.clone(), joined.clone());
        ws::upgrade(move |mut socket: WebSocket| async move {
            let _member = hub.join("room", &socket.sender());
            let _ = joined.send(());
            while let Some(Ok(_)) = socket.recv().await {}
        })
        .configure(|config| config.compression(compression))
    });
    let (client, answer) = offer(&server, "permessage-deflate").await;
    assert!(answer.is_some() || compression == Compression::off());
    soon(has_joined.recv()).await.unwrap();
    let _server = server;
    Member { client, _server }
}

#[tokio::test]
async fn each_gets_what_it_has_agreed_on() {
    let hub = Hub::new();
    let on = Compression::on();
    let mut alike = [
        member(&hub, on).await,
        member(&hub, on).await,
        member(&hub, on.server_max_window_bits(9)).await,
        member(&hub, on.level(1)).await,
    ];
    let mut patient = member(&hub, on.threshold(1 << 20)).await;
    let mut without = member(&hub, Compression::off()).await;

    let message = JSON.repeat(100);
    for (message, opcode) in [
        (Message::text(message.clone()), TEXT),
        (Message::binary(message.clone()), BINARY),
    ] {
        assert_eq!(hub.broadcast("room", message.clone()), 6);
        let mut payloads = Vec::new();
        for member in &mut alike {
            let frame = member.client.frame().await;
            assert!(frame.rsv1 && frame.opcode == opcode);
            assert_eq!(inflated(&frame.payload), &*message.clone().into_data());
            payloads.push(frame.payload);
        }
        assert_eq!(payloads[0], payloads[1]);
        for member in [&mut patient, &mut without] {
            let frame = member.client.frame().await;
            assert!(!frame.rsv1 && frame.opcode == opcode);
            assert_eq!(frame.payload, &*message.clone().into_data());
        }
    }
    // Below the threshold, and what must not be compressed.
    assert_eq!(hub.broadcast("room", "short"), 6);
    assert_eq!(hub.uncompressed().broadcast("room", message.clone()), 6);
    for member in alike.iter_mut().chain([&mut patient, &mut without]) {
        for expected in ["short", &message] {
            let frame = member.client.frame().await;
            assert!(!frame.rsv1);
            assert_eq!(frame.payload, expected.as_bytes());
        }
    }
}

/// With context takeover a frame refers to those before it on its connection: the room's and others, in their order.
#[tokio::test]
async fn context_takeover() {
    let hub = Hub::new();
    let compression = Compression::on().threshold(0).server_context_takeover(true);
    let mut members = [member(&hub, compression).await, member(&hub, compression).await];
    let mut windows = [flate2::Decompress::new(false), flate2::Decompress::new(false)];
    let mut lengths = Vec::new();
    for round in 0..4 {
        let text = format!("{JSON}{round}");
        assert_eq!(hub.broadcast("room", text.clone()), 2);
        for (member, window) in members.iter_mut().zip(&mut windows) {
            let frame = member.client.frame().await;
            assert!(frame.rsv1);
            let bytes = [&frame.payload[..], &[0, 0, 0xff, 0xff]].concat();
            let mut data = Vec::with_capacity(1024);
            window
                .decompress_vec(&bytes, &mut data, flate2::FlushDecompress::Sync)
                .unwrap();
            assert_eq!(data, text.as_bytes());
            lengths.push(frame.payload.len());
        }
    }
    assert!(lengths[2] < lengths[0] / 2, "{lengths:?}");
}

/// What came from another process is compressed here, unless it must not be.
#[tokio::test]
async fn relayed() {
    let (wire, _) = tokio::sync::broadcast::channel(16);
    let node = || Hub::builder().relay(Local(wire.clone())).build();
    let (here, there): (Hub, Hub) = (node(), node());
    let mut member = member(&there, Compression::on()).await;
    let text = JSON.repeat(100);
    // Until the other one listens.
    while wire.receiver_count() < 2 {
        tokio::task::yield_now().await;
    }
    here.publish("room", text.clone()).await.unwrap();
    here.uncompressed().publish("room", text.clone()).await.unwrap();
    for compressed in [true, false] {
        let frame = member.client.frame().await;
        assert_eq!(frame.rsv1, compressed);
        let data = if compressed {
            inflated(&frame.payload)
        } else {
            frame.payload
        };
        assert!(data == text.as_bytes());
    }
}

struct Local(tokio::sync::broadcast::Sender<(String, bytes::Bytes)>);

impl Relay for Local {
    async fn run(self, port: ws::hub::Port) {
        let mut heard = self.0.subscribe();
        port.up();
        loop {
            tokio::select! {
                command = port.next() => match command {
                    None => return,
                    Some(ws::hub::Command::Publish(publication)) => {
                        let _ = self.0.send((publication.topic().to_owned(), publication.payload().clone()));
                        publication.acknowledge();
                    }
                    Some(_) => {}
                },
                message = heard.recv() => {
                    let (topic, payload) = message.unwrap();
                    port.deliver(&topic, &payload).unwrap();
                }
            }
        }
    }
}
