//! A client that opens WebSockets over HTTP/2 (RFC 8441), with prior knowledge.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{SendRequest, handshake};
use h2::ext::Protocol;
use http::{Method, Request};
use tokio::net::TcpStream;

use crate::client::PATIENCE;

/// Opens `/echo` by an extended CONNECT, has "hello" echoed, and closes as it should be.
pub(crate) fn echoes(server: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let patient = async { tokio::time::timeout(PATIENCE, talk(server)).await };
    runtime
        .expect("a runtime")
        .block_on(patient)
        .expect("it takes too long");
}

async fn talk(server: SocketAddr) {
    let stream = TcpStream::connect(server).await.expect("a connection");
    let (client, connection) = handshake(stream).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let mut client = connected(client).await;
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("http://localhost/echo")
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13");
    let request = request.body(()).expect("a request");
    let (response, mut sender) = client.send_request(request, false).expect("an open connection");
    let response = response.await.expect("a response");
    assert_eq!(response.status(), 200);
    let mut receiver = response.into_body();
    // "hello" and Close 1000, masked with zeros.
    for (frame, answer) in [
        (&b"\x81\x85\0\0\0\0hello"[..], &b"\x81\x05hello"[..]),
        (b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x02\x03\xe8"),
    ] {
        sender.send_data(frame.into(), false).expect("an open stream");
        assert_eq!(receive(&mut receiver, answer.len()).await, answer);
    }
    // The end may come as a frame of its own, without data.
    while let Some(data) = receiver.data().await {
        assert_eq!(data.expect("no reset, but an end"), "");
    }
    drop((client, sender, receiver));
    connection.abort();
}

/// The server must say that it knows extended CONNECT before it is sent one.
async fn connected(client: SendRequest<Bytes>) -> SendRequest<Bytes> {
    let client = client.ready().await.expect("an open connection");
    let mut enabled = false;
    for _ in 0..200 {
        enabled = client.is_extended_connect_protocol_enabled();
        if enabled {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(enabled, "the server must enable the extended CONNECT protocol");
    client
}

async fn receive(stream: &mut RecvStream, length: usize) -> Vec<u8> {
    let mut received = Vec::new();
    while received.len() < length {
        let data = stream.data().await.expect("more data").expect("an open stream");
        let _ = stream.flow_control().release_capacity(data.len());
        received.extend(data);
    }
    received
}
