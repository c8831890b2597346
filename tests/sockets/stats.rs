//! The counters add up to what has passed, to the byte.

use tokio::io::AsyncWriteExt;
use upsock::UpgradeLayer;
use upsock::ws::{self, Config, WebSocket};

use crate::peer::{BINARY, CLOSE, PING, PONG, Raw, TEXT, frame, soon};
use crate::support::Head;
use crate::{connect, expect_open, serve};

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_text() || message.is_binary() {
            socket.send(message).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_counters_are_exact() {
    const CLIENTS: u64 = 3;
    let layer = UpgradeLayer::new().max_sockets(CLIENTS as usize);
    let sockets = layer.sockets();
    let server = serve(&layer, || ws::upgrade(echo).configure(|_| Config::new())).await;
    let long = vec![7; 100_000];
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        // The first frame comes together with the handshake.
        let mut stream = soon(tokio::net::TcpStream::connect(server)).await.unwrap();
        let early = frame(0x80 | TEXT, "early");
        soon(stream.write_all(&Head::handshake("/").and(early))).await.unwrap();
        let mut client = Raw::new(stream);
        client.skip_response().await;
        client.expect(TEXT, "early").await;
        client.write(&frame(TEXT, "in two ")).await;
        client.send(PING, "ping").await;
        client.expect(PONG, "ping").await;
        client.write(&frame(0x80, "pieces")).await;
        client.expect(TEXT, "in two pieces").await;
        client.send(BINARY, &long).await;
        client.expect(BINARY, &long).await;
        clients.push(client);
    }
    let handshake = crate::support::ask(server, &Head::handshake("/")).await;
    assert_eq!(handshake.status, 503);

    let header = |length: usize| {
        if length < 126 {
            2
        } else if length < 1 << 16 {
            4
        } else {
            10
        }
    };
    let masked = |length: usize| (header(length) + 4 + length) as u64;
    let plain = |length: usize| (header(length) + length) as u64;
    let received = masked(5) + masked(7) + masked(4) + masked(6) + masked(long.len());
    let sent = plain(5) + plain(4) + plain(13) + plain(long.len());

    let stats = sockets.stats();
    assert_eq!((stats.open as u64, stats.opened, stats.refused), (CLIENTS, CLIENTS, 1));
    assert_eq!(stats.traffic.messages_received, 3 * CLIENTS);
    assert_eq!(stats.traffic.messages_sent, 3 * CLIENTS);
    assert_eq!(stats.traffic.bytes_received, received * CLIENTS);
    assert_eq!(stats.traffic.bytes_sent, sent * CLIENTS);

    // And a message by a sender to each, and the Close frames; nothing is lost with a socket that ends.
    for sender in sockets.iter() {
        sender.send("bye".into()).await.unwrap();
    }
    for client in &mut clients {
        client.expect(TEXT, "bye").await;
        client.send(CLOSE, 1000u16.to_be_bytes()).await;
        client.expect_close(1000, "").await;
        client.expect_end().await;
    }
    drop(clients);
    expect_open(&sockets, 0).await;
    let stats = sockets.stats();
    assert_eq!((stats.open, stats.opened, stats.refused), (0, CLIENTS, 1));
    assert_eq!(stats.traffic.messages_received, 3 * CLIENTS);
    assert_eq!(stats.traffic.messages_sent, 4 * CLIENTS);
    assert_eq!(stats.traffic.bytes_received, (received + masked(2)) * CLIENTS);
    assert_eq!(stats.traffic.bytes_sent, (sent + plain(3) + plain(2)) * CLIENTS);

    let mut client = connect(server).await;
    client.ping_pong().await;
    assert_eq!(sockets.stats().opened, CLIENTS + 1);
}
