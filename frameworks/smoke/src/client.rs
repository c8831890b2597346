//! A client that knows no WebSockets.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Long, for slow machines: it passes only where a test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A request's head that opens a WebSocket (RFC 6455 §1.3), with further lines of header.
pub fn handshake(path: &str, lines: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
}

/// All that a server sends on one connection.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(there, _)| there.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// Sends this in one write, and reads until the server ends the connection.
pub fn ask(server: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    let mut stream = connect(server);
    stream.write_all(request.as_ref()).expect("a server that reads");
    let mut bytes = Vec::new();
    // A reset comes behind what was sent.
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no response: {:?}", String::from_utf8_lossy(&bytes)));
    let body = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes).expect("text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer {
        status: status.expect("a status"),
        head,
        body,
    }
}

/// Asserts that a server which leaves opens no WebSocket here: there is no connection, or it ends, or it answers 503.
pub(crate) fn assert_refused(connection: io::Result<TcpStream>) {
    let Ok(mut stream) = connection else { return };
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut bytes = Vec::new();
    let end = stream
        .write_all(handshake("/echo", "").as_bytes())
        .and_then(|()| stream.read_to_end(&mut bytes));
    let silent = end.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    let answer = String::from_utf8_lossy(&bytes);
    assert!(
        !silent && (answer.is_empty() || answer.starts_with("HTTP/1.1 503 ")),
        "{answer}"
    );
}

pub(crate) fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}
