//! What the tests of the socket share: a server with one route, and clients for it.

#![allow(dead_code, unreachable_pub)]

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use upsock::ws::{self, Config, Error, Message, Upgrade, UpgradeLayer, WebSocket};

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// What no wait may take, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Panics, with the caller's place, if the future takes too long.
#[track_caller]
pub fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = Location::caller();
    async move {
        match timeout(PATIENCE, future).await {
            Ok(output) => output,
            Err(_) => panic!("{place}: still waiting after {PATIENCE:?}"),
        }
    }
}

/// Times that a test can wait for.
pub fn short(config: Config) -> Config {
    config
        .close_timeout(Duration::from_millis(200))
        .linger(Duration::from_millis(200))
}

/// Times that no test lives to see: what comes in spite of them did not wait for them.
pub fn endless(config: Config) -> Config {
    config
        .close_timeout(Duration::from_secs(600))
        .linger(Duration::from_secs(600))
}

/// hyper, the layer and one route, in a runtime of its own: a session that spins or blocks fails its test, and no more.
pub struct Server {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    pub fn new(route: impl Fn() -> Upgrade + Send + Sync + 'static) -> Self {
        Self::with_buffers(None, route)
    }

    /// The kernel's buffers for each connection are of this size, or what it makes of it.
    pub fn with_buffers(bytes: Option<usize>, route: impl Fn() -> Upgrade + Send + Sync + 'static) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        if let Some(bytes) = bytes {
            socket.set_recv_buffer_size(bytes).expect("SO_RCVBUF");
            socket.set_send_buffer_size(bytes).expect("SO_SNDBUF");
        }
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .expect("bind");
        socket.listen(1024).expect("listen");
        socket.set_nonblocking(true).expect("non-blocking");
        let guard = runtime.enter();
        let listener = TcpListener::from_std(socket.into()).expect("a listener");
        drop(guard);
        let address = listener.local_addr().expect("an address");
        let route = Arc::new(route);
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accept");
                stream.set_nodelay(true).expect("no delay");
                serve(stream, route.clone());
            }
        });
        Self {
            address,
            runtime: Some(runtime),
        }
    }

    /// The handler reports what it sees until the end; returns how the reports are to be received.
    pub fn watching(configure: fn(Config) -> Config) -> (Self, UnboundedReceiver<Vec<String>>) {
        let (report, seen) = unbounded_channel();
        let server = Self::new(move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| async move {
                let _ = report.send(watch(&mut socket).await);
            })
            .configure(configure)
        });
        (server, seen)
    }

    /// Drops all that runs on the server, where it is.
    pub fn stop(mut self) {
        self.runtime.take().expect("a runtime").shutdown_background();
    }

    pub async fn tcp(&self) -> TcpStream {
        let stream = soon(TcpStream::connect(self.address)).await.expect("connect");
        stream.set_nodelay(true).expect("no delay");
        stream
    }

    /// A client that writes and reads frames as they are.
    pub async fn raw(&self) -> Raw {
        Raw::handshake(self.tcp().await).await
    }

    pub async fn raw_with_buffers(&self, bytes: usize) -> Raw {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("SO_RCVBUF");
        socket.set_send_buffer_size(bytes).expect("SO_SNDBUF");
        socket.connect(&self.address.into()).expect("connect");
        socket.set_nonblocking(true).expect("non-blocking");
        Raw::handshake(TcpStream::from_std(socket.into()).expect("a stream")).await
    }

    /// The independent client.
    pub async fn client(&self) -> WebSocketStream<TcpStream> {
        let request = format!("ws://{}/", self.address);
        let handshake = tokio_tungstenite::client_async(request, self.tcp().await);
        soon(handshake).await.expect("a handshake").0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The same on a transport that holds this many bytes each way; it runs in the runtime of the test.
pub async fn in_memory(bytes: usize, route: impl Fn() -> Upgrade + Send + Sync + 'static) -> Raw<DuplexStream> {
    let (client, server) = tokio::io::duplex(bytes);
    serve(server, Arc::new(route));
    Raw::handshake(client).await
}

pub fn serve<I, R>(io: I, route: Arc<R>)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    R: Fn() -> Upgrade + Send + Sync + 'static,
{
    let service = UpgradeLayer::new().layer(service_fn(move |_: Request<Incoming>| {
        let response: Response<Empty<Bytes>> = route().into_response();
        async { Ok::<_, Infallible>(response) }
    }));
    tokio::spawn(
        http1::Builder::new()
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades(),
    );
}

/// A TCP connection after the handshake.
pub struct Raw<S = TcpStream> {
    stream: S,
    input: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// After the handshake.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            input: Vec::new(),
        }
    }

    pub async fn handshake(stream: S) -> Self {
        let mut client = Self::new(stream);
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        client.write(request.as_bytes()).await;
        client.skip_response().await;
        client
    }

    /// Reads the response to a handshake.
    pub async fn skip_response(&mut self) {
        let end = loop {
            if let Some(at) = self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(soon(self.fill()).await.expect("a response"), 0, "no response");
        };
        let head = String::from_utf8_lossy(&self.input[..end]);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        self.input.drain(..end);
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
            assert!(frame.fin);
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

/// A frame as clients send it; `first` is its first byte.
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = header(first, payload.len() as u64);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's header that declares this length.
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..=125 => header.push(0x80 | length as u8),
        126..=0xffff => {
            header.push(0x80 | 126);
            header.extend((length as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend(length.to_be_bytes());
        }
    }
    header.extend(KEY);
    header
}

fn parse(input: &[u8]) -> Option<(Frame, usize)> {
    let (&first, &second) = (input.first()?, input.get(1)?);
    assert_eq!(first & 0x70, 0, "reserved bits");
    assert_eq!(second & 0x80, 0, "a server does not mask");
    let (length, start) = match second {
        126 => (u64::from(u16::from_be_bytes(*input[2..].first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*input[2..].first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    let end = start + length as usize;
    let frame = Frame {
        fin: first & 0x80 != 0,
        opcode: first & 0x0f,
        payload: input.get(start..end)?.to_vec(),
    };
    Some((frame, end))
}

/// Receives until the end, and once more.
pub async fn watch(socket: &mut WebSocket) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(item) = socket.recv().await {
        seen.push(describe(&item));
    }
    assert!(socket.recv().await.is_none(), "the end lasts");
    seen
}

/// An item in a word or two.
pub fn describe(item: &Result<Message, Error>) -> String {
    match item {
        Ok(Message::Text(text)) => format!("text {text}"),
        Ok(Message::Binary(data)) => format!("binary {}", data.len()),
        Ok(Message::Ping(data)) => format!("ping {}", String::from_utf8_lossy(data)),
        Ok(Message::Pong(data)) => format!("pong {}", String::from_utf8_lossy(data)),
        Ok(Message::Close(Some(frame))) => format!("close {} {}", u16::from(frame.code), frame.reason)
            .trim()
            .into(),
        Ok(Message::Close(None)) => "close".into(),
        Ok(Message::Frame(_)) => "raw frame".into(),
        Err(error) if error.is_abnormal() => "abnormal".into(),
        Err(error) if error.is_protocol() => "protocol".into(),
        Err(error) if error.is_utf8() => "utf8".into(),
        Err(error) if error.is_limit() => "limit".into(),
        Err(error) => format!("error {error}"),
    }
}
