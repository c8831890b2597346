//! A client that opens WebSockets over HTTP/2 (RFC 8441), with prior knowledge.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{SendRequest, handshake};
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request};
use tokio::net::TcpStream;

use crate::client::PATIENCE;
use crate::server::Server;

/// Close 1000, masked with zeros.
const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xe8";

/// Has "hello" echoed, and closes as it should be.
pub(crate) fn echoes(server: SocketAddr) {
    run(async {
        let mut socket = Socket::open(server).await;
        // Masked with zeros.
        socket.send(b"\x81\x85\0\0\0\0hello");
        assert_eq!(socket.receive(7).await, b"\x81\x05hello");
        socket.send(CLOSE);
        assert_eq!(socket.receive(4).await, b"\x88\x02\x03\xe8");
        socket.ends().await;
    });
}

/// Has SIGTERM close an open WebSocket with 1001, and the server end when that is answered.
pub(crate) fn is_drained(server: &mut Server) {
    run(async {
        let mut socket = Socket::open(server.address).await;
        server.terminate();
        let close = socket.receive(4).await;
        assert_eq!((close[0], &close[2..4]), (0x88, b"\x03\xe9".as_slice()));
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.assert_runs();
        socket.send(CLOSE);
        socket.ends().await;
    });
    server.assert_ends();
}

fn run(client: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let patient = async { tokio::time::timeout(PATIENCE, client).await };
    runtime
        .expect("a runtime")
        .block_on(patient)
        .expect("it takes too long");
}

/// One on a connection of its own.
struct Socket {
    sender: SendStream<Bytes>,
    receiver: RecvStream,
    /// The connection lives as long as this.
    _client: SendRequest<Bytes>,
}

impl Socket {
    /// `/echo`, by an extended CONNECT.
    async fn open(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).await.expect("a connection");
        let (client, connection) = handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        let mut client = connected(client).await;
        let request = Request::builder()
            .method(Method::CONNECT)
            .uri("http://localhost/echo")
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13");
        let request = request.body(()).expect("a request");
        let (response, sender) = client.send_request(request, false).expect("an open connection");
        let response = response.await.expect("a response");
        assert_eq!(response.status(), 200);
        Self {
            sender,
            receiver: response.into_body(),
            _client: client,
        }
    }

    fn send(&mut self, frame: &'static [u8]) {
        self.sender.send_data(frame.into(), false).expect("an open stream");
    }

    /// This many bytes; more if they come together.
    async fn receive(&mut self, length: usize) -> Vec<u8> {
        let mut received = Vec::new();
        while received.len() < length {
            let data = self.receiver.data().await.expect("more data").expect("an open stream");
            let _ = self.receiver.flow_control().release_capacity(data.len());
            received.extend(data);
        }
        received
    }

    /// Asserts that nothing more comes but the end.
    async fn ends(mut self) {
        // The end may come as a frame of its own, without data.
        while let Some(data) = self.receiver.data().await {
            assert_eq!(data.expect("no reset, but an end"), "");
        }
    }
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
