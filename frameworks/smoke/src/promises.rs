//! The promises: each panics if the server does not keep it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use crate::client::{ask, assert_refused, connect, handshake};
use crate::http2;
use crate::server::Server;

fn open(server: &Server) -> WebSocket<TcpStream> {
    let url = format!("ws://{}/echo", server.address);
    let (socket, response) = tungstenite::client(url, connect(server.address)).expect("a WebSocket");
    assert_eq!(response.status(), 101);
    socket
}

/// Asserts that the Close handshake, whoever began it, ends the connection.
fn assert_ends(mut socket: WebSocket<TcpStream>) {
    match socket.read() {
        Err(tungstenite::Error::ConnectionClosed) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(socket.get_mut().read(&mut [0]).expect("an end"), 0);
}

fn assert_closes(socket: &mut WebSocket<TcpStream>, code: CloseCode) {
    let Message::Close(Some(frame)) = socket.read().expect("a Close frame") else {
        panic!("no Close frame with a code");
    };
    assert_eq!(frame.code, code);
}

/// Text and binary come back; the client's Close is answered with its code, and the connection ends.
pub fn echoes(server: &mut Server) {
    let mut socket = open(server);
    for message in [
        Message::text("hello"),
        Message::binary(vec![7; 300_000]),
        Message::text(""),
    ] {
        socket.send(message.clone()).expect("an open socket");
        assert_eq!(socket.read().expect("an echo"), message);
    }
    let frame = CloseFrame {
        code: CloseCode::Library(4321),
        reason: "".into(),
    };
    socket.close(Some(frame.clone())).expect("an open socket");
    assert_eq!(socket.read().expect("an answer"), Message::Close(Some(frame)));
    assert_ends(socket);
}

/// The same over HTTP/2, by an extended CONNECT (RFC 8441).
pub fn echoes_over_http2(server: &mut Server) {
    http2::echoes(server.address);
}

/// What a client sends together with its handshake is not lost.
pub fn frames_with_the_handshake_are_the_first_messages(server: &mut Server) {
    let mut stream = connect(server.address);
    let mut request = handshake("/echo", "").into_bytes();
    // "early", masked; a second frame begins, and ends later.
    request.extend(b"\x81\x85\x01\x02\x03\x04dcqhx\x81\x84\0\0\0\0la");
    stream.write_all(&request).expect("a server that reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a response");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let mut early = [0; 7];
    stream.read_exact(&mut early).expect("an echo");
    assert_eq!(&early, b"\x81\x05early");
    stream.write_all(b"te").expect("an open socket");
    let mut late = [0; 6];
    stream.read_exact(&mut late).expect("an echo");
    assert_eq!(&late, b"\x81\x04late");
}

/// Whoever asks without a handshake is told what is missing.
pub fn a_plain_get_is_426(server: &mut Server) {
    let request = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = ask(server.address, request);
    assert_eq!(answer.status, 426);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));
}

/// Also if the request is a handshake.
pub fn an_ordinary_route_is_untouched(server: &mut Server) {
    for request in [
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_string(),
        handshake("/", "Connection: close\r\n"),
    ] {
        let answer = ask(server.address, request);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, b"an ordinary page");
    }
}

/// Another site's page opens nothing; the server's own does.
pub fn an_evil_origin_is_403(server: &mut Server) {
    let evil = handshake("/echo", "Origin: https://evil.example\r\n");
    assert_eq!(ask(server.address, evil).status, 403);
    let mut own = handshake("/echo", "Origin: http://localhost\r\n").into_bytes();
    // A Close, so that the connection ends.
    own.extend(b"\x88\x82\0\0\0\0\x03\xe8");
    let answer = ask(server.address, own);
    assert_eq!((answer.status, &*answer.body), (101, b"\x88\x02\x03\xe8".as_slice()));
}

/// The closure returns: Close 1000, and the end of the connection.
pub fn a_return_closes_with_1000(server: &mut Server) {
    let mut socket = open(server);
    socket.send(Message::text("bye")).expect("an open socket");
    assert_closes(&mut socket, CloseCode::Normal);
    assert_ends(socket);
}

/// On SIGTERM a silent socket and one that talks get Close 1001, and no other opens. The process ends when both have
/// answered, and not before.
pub fn shutdown_drains(server: &mut Server) {
    let mut idle = open(server);
    let mut busy = open(server);
    let unused = connect(server.address);
    let (echoed, talks) = mpsc::channel();
    let busy = thread::spawn(move || {
        let message = Message::text("a".repeat(10_000));
        loop {
            busy.send(message.clone()).expect("an open socket");
            match busy.read().expect("an echo, or a Close frame") {
                Message::Close(frame) => break assert_eq!(frame.map(|frame| frame.code), Some(CloseCode::Away)),
                echo => assert_eq!(echo, message),
            }
            let _ = echoed.send(());
        }
        assert_ends(busy);
    });
    talks.recv().expect("an echo");

    server.terminate();
    assert_closes(&mut idle, CloseCode::Away);
    busy.join().expect("what was asserted there");
    assert_refused(Ok(unused));
    assert_refused(TcpStream::connect(server.address));

    // The idle one has not answered: tungstenite does so when it is read from.
    thread::sleep(Duration::from_millis(300));
    server.assert_runs();
    assert_ends(idle);
    server.assert_ends();
}

/// The same over HTTP/2, where a socket is a request under way.
pub fn shutdown_drains_over_http2(server: &mut Server) {
    http2::is_drained(server);
}
