//! The socket is a stream: it begins with what came with the handshake, ends once, and can go everywhere.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FusedStream;
use tokio::sync::mpsc::unbounded_channel;
use upsock::ws::{self, Error, WebSocket};

use crate::peer::{self, CLOSE, Raw, Server, TEXT, describe, frame, soon};
use crate::{run, with_recv};

#[tokio::test]
async fn the_stream_is_fused() {
    for moved in [false, true] {
        let (report, mut seen) = unbounded_channel();
        let server = Server::new(move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    let mut seen = Vec::new();
                    assert!(!socket.is_terminated());
                    loop {
                        futures_util::select! {
                            item = socket.select_next_some() => seen.push(describe(&item)),
                            complete => break,
                        }
                    }
                    assert!(socket.is_terminated());
                    for _ in 0..3 {
                        assert!(socket.next().await.is_none());
                    }
                    let _ = report.send(seen);
                })
            })
        });
        let mut client = server.raw().await;
        client.send(TEXT, "a").await;
        client.leave().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["text a", "close 1000"]);
        let mut client = server.raw().await;
        client.write(&frame(0x83, "")).await;
        assert_eq!(client.frame().await.opcode, CLOSE);
        assert_eq!(soon(seen.recv()).await.unwrap(), ["protocol"]);
    }
}

/// The first messages may come in the same packet as the handshake.
#[tokio::test]
async fn messages_that_come_with_the_handshake_are_received() {
    let (client, server) = tokio::io::duplex(1 << 16);
    peer::serve(server, Arc::new(|| ws::upgrade(with_recv)));
    let mut client = Raw::new(client);
    let mut input =
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .to_vec();
    input.extend(frame(0x80 | TEXT, "eager"));
    client.write(&input).await;
    client.skip_response().await;
    client.expect(TEXT, "eager").await;
    client.leave().await;
}

/// What a socket is made of can go everywhere.
#[test]
fn sockets_and_their_errors_are_send() {
    fn is_send<T: Send + 'static>() {}
    fn is_sync<T: Sync>() {}
    is_send::<WebSocket>();
    is_send::<Error>();
    is_sync::<Error>();
    is_sync::<WebSocket>();
}
