//! A client that writes and reads frames as they are, and tells what it expects.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::frame::{CLOSE, Frame, PING, PONG, frame, parse};
use super::{soon, timed};

/// A TCP connection after the handshake.
pub struct Raw<S = TcpStream> {
    stream: S,
    input: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// After the handshake.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            input: Vec::new(),
        }
    }

    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    pub async fn handshake(stream: S) -> Self {
        Self::handshake_with(stream, "").await.0
    }

    /// With more header lines; returns the response's head too.
    pub async fn handshake_with(stream: S, lines: &str) -> (Self, String) {
        let mut client = Self::new(stream);
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
        );
        client.write(request.as_bytes()).await;
        let head = client.skip_response().await;
        (client, head)
    }

    /// Reads the response to a handshake.
    pub async fn skip_response(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(soon(self.fill()).await.expect("a response"), 0, "no response");
        };
        let head = String::from_utf8_lossy(&self.input[..end]).into_owned();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        self.input.drain(..end);
        head
    }

    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) -> impl Future<Output = ()> {
        soon(async { self.stream.write_all(bytes).await.expect("the server reads") })
    }

    /// Sends a whole frame.
    pub async fn send(&mut self, opcode: u8, payload: impl AsRef<[u8]>) {
        self.write(&frame(0x80 | opcode, payload)).await;
    }

    pub async fn send_close(&mut self, code: u16) {
        self.send(CLOSE, code.to_be_bytes()).await;
    }

    /// Ends this side's output.
    pub async fn shutdown(&mut self) {
        soon(self.stream.shutdown()).await.expect("shutdown");
    }

    /// The next frame; `None` at the end of the connection.
    pub async fn try_frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some((frame, length)) = parse(&self.input) {
                self.input.drain(..length);
                return Ok(Some(frame));
            }
            if self.fill().await? == 0 {
                assert_eq!(self.input, b"", "a frame was cut off");
                return Ok(None);
            }
        }
    }

    /// The next frame, or the end, and how many seconds it takes by tokio's clock.
    pub async fn timed_frame(&mut self) -> (Option<Frame>, f64) {
        let (frame, seconds) = timed(self.try_frame()).await;
        (frame.expect("a frame or the end"), seconds)
    }

    #[track_caller]
    pub fn frame(&mut self) -> impl Future<Output = Frame> {
        let place = Location::caller();
        let frame = soon(self.try_frame());
        async move {
            match frame.await {
                Ok(Some(frame)) => frame,
                other => panic!("{place}: no frame: {other:?}"),
            }
        }
    }

    /// The next frame is this one.
    #[track_caller]
    pub fn expect(&mut self, opcode: u8, payload: impl AsRef<[u8]>) -> impl Future<Output = ()> {
        let place = Location::caller();
        let frame = self.frame();
        async move {
            let frame = frame.await;
            let found = (frame.opcode, String::from_utf8_lossy(&frame.payload));
            assert_eq!(found, (opcode, String::from_utf8_lossy(payload.as_ref())), "{place}");
            assert!(frame.fin && !frame.rsv1, "{place}");
        }
    }

    /// The next frame is a Close frame with this code and reason.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16, reason: &str) -> impl Future<Output = ()> {
        let place = Location::caller();
        let frame = self.frame();
        async move {
            let frame = frame.await;
            assert_eq!(frame.opcode, CLOSE, "{place}: {frame:?}");
            assert!(
                frame.payload.len() >= 2 && frame.payload.len() <= 125,
                "{place}: {frame:?}"
            );
            let (found, text) = frame.payload.split_at(2);
            let found = (u16::from_be_bytes([found[0], found[1]]), String::from_utf8_lossy(text));
            assert_eq!(found, (code, reason.into()), "{place}");
        }
    }

    /// The connection is at its end, without a reset.
    #[track_caller]
    pub fn expect_end(&mut self) -> impl Future<Output = ()> {
        let place = Location::caller();
        let frame = soon(self.try_frame());
        async move {
            match frame.await {
                Ok(None) => {}
                other => panic!("{place}: not the end: {other:?}"),
            }
        }
    }

    /// Nothing comes for a moment, the end of the connection neither.
    #[track_caller]
    pub fn expect_silence(&mut self) -> impl Future<Output = ()> {
        let place = Location::caller();
        async move {
            if let Ok(found) = timeout(Duration::from_millis(60), self.try_frame()).await {
                panic!("{place}: {found:?}");
            }
        }
    }

    /// Sends Close 1000 and sees the connection end as it should.
    pub async fn leave(&mut self) {
        self.send_close(1000).await;
        self.expect_close(1000, "").await;
        self.expect_end().await;
    }

    /// Sends a Close frame and ends the output, if the server still listens.
    pub async fn shutdown_with_close(&mut self) {
        let _ = soon(self.stream.write_all(&frame(0x80 | CLOSE, 1000u16.to_be_bytes()))).await;
        let _ = soon(self.stream.shutdown()).await;
    }

    /// The server answers: it has seen what was sent before.
    pub async fn ping_pong(&mut self) {
        self.send(PING, "are you there?").await;
        self.expect(PONG, "are you there?").await;
    }

    /// Writes the same bytes again and again until the server takes no more: how many it took.
    pub async fn write_until_stalled(&mut self, bytes: &[u8]) -> usize {
        let mut total = 0;
        while total < 32 << 20 {
            let rest = &bytes[total % bytes.len()..];
            match timeout(Duration::from_millis(300), self.stream.write(rest)).await {
                Ok(written) => total += written.expect("write"),
                Err(_) => return total,
            }
        }
        panic!("the server takes everything");
    }

    /// Waits until the server has dropped the connection, without reading: its kernel answers our bytes with a reset.
    #[track_caller]
    pub fn expect_dropped(&mut self) -> impl Future<Output = ()> {
        soon(async {
            while self.stream.write_all(&frame(0x80 | PONG, "")).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }

    /// Reads on, whatever comes, until the connection has ended.
    pub async fn drain(&mut self) {
        while self.fill().await.is_ok_and(|length| length > 0) {}
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.input).await
    }
}

impl Raw {
    /// Vanishes without a word: RST.
    pub fn reset(self) {
        SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("SO_LINGER");
    }

    pub fn into_split(
        self,
    ) -> (
        Raw<tokio::io::Join<tokio::net::tcp::OwnedReadHalf, tokio::io::Sink>>,
        Writer,
    ) {
        let (read, write) = self.stream.into_split();
        let reader = Raw {
            stream: tokio::io::join(read, tokio::io::sink()),
            input: self.input,
        };
        (reader, Writer(write))
    }
}

/// The half of a client that floods.
pub struct Writer(tokio::net::tcp::OwnedWriteHalf);

impl Writer {
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }
}
