//! A hyper server on a free port, and a client that sends and reads plain bytes.

#![allow(dead_code, reason = "each test file uses a part")]

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Write as _;
use std::future::{Future, Ready, ready};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::{HttpService, Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Long, for slow machines: it passes only where a test has failed.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it takes too long")
}

/// A hyper service of a plain function.
pub(crate) fn service<F, B>(
    handler: F,
) -> impl Service<
    Request<Incoming>,
    Response = Response<B>,
    Error = Infallible,
    Future = Ready<Result<Response<B>, Infallible>>,
> + Clone
where
    F: Fn(Request<Incoming>) -> Response<B> + Clone,
    B: Body,
{
    service_fn(move |request| ready(Ok(handler(request))))
}

pub(crate) fn text(text: &'static str) -> Response<Full<Bytes>> {
    Response::new(Full::from(text))
}

/// Serves on a free port, as the README says to: with upgrades.
pub(crate) async fn serve<S, B>(service: S) -> SocketAddr
where
    S: HttpService<Incoming, ResBody = B, Future: Send, Error: Into<Box<dyn Error + Send + Sync>>>,
    S: Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    accept(move |stream| {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(connection.with_upgrades());
    })
    .await
}

/// Gives each connection to `connected`.
pub(crate) async fn accept(connected: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connected(stream);
        }
    });
    address
}

/// A request's head, to be bent.
#[derive(Clone)]
pub(crate) struct Head {
    line: String,
    headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            line: format!("GET {path} HTTP/1.1"),
            headers: vec![("Host".into(), "localhost".into())],
        }
    }

    /// The handshake of RFC 6455 §1.3.
    pub(crate) fn handshake(path: &str) -> Self {
        Self::get(path)
            .add("Upgrade", "websocket")
            .add("Connection", "Upgrade")
            .add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .add("Sec-WebSocket-Version", "13")
    }

    /// With another request line.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.line = line.into();
        self
    }

    pub(crate) fn add(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(there, _)| !there.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn set(self, name: &str, value: &str) -> Self {
        self.without(name).add(name, value)
    }

    /// The head, and what follows it.
    pub(crate) fn and(&self, rest: impl AsRef<[u8]>) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        [head.as_bytes(), b"\r\n", rest.as_ref()].concat()
    }
}

/// A response's head.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    headers: Vec<(String, String)>,
}

impl Answer {
    fn parse(head: &str) -> Self {
        let mut lines = head.lines();
        let mut line = lines.next().expect("a status line").splitn(3, ' ').skip(1);
        Self {
            status: line.next().and_then(|status| status.parse().ok()).expect("a status"),
            reason: line.next().unwrap_or_default().into(),
            headers: lines
                .map(|line| line.split_once(':').expect("a header"))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().into()))
                .collect(),
        }
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(there, _)| there == name)
            .map(|(_, value)| &**value)
            .collect()
    }

    /// The value of a header that comes once, if it comes.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} comes several times: {self:?}");
        all.first().copied()
    }

    /// Whether a comma list has this element.
    pub(crate) fn lists(&self, name: &str, element: &str) -> bool {
        self.all(name)
            .iter()
            .flat_map(|line| line.split(','))
            .any(|there| there.trim().eq_ignore_ascii_case(element))
    }
}

/// A client that knows no protocol.
pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(server: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(server)).await.expect("a connection");
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Sends it in one write.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref()))
            .await
            .expect("a server that reads");
    }

    /// Reads a response's head.
    pub(crate) async fn answer(&mut self) -> Answer {
        loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Answer::parse(std::str::from_utf8(&head[..end]).expect("text"));
            }
            assert!(
                self.more().await,
                "the connection ends within a response's head: {:?}",
                self.unread
            );
        }
    }

    /// Reads so many bytes.
    pub(crate) async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            assert!(self.more().await, "the connection ends early: {:?}", self.unread);
        }
        self.unread.drain(..length).collect()
    }

    /// Reads to the end: fails if the server leaves the connection open.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.unread)
    }

    async fn more(&mut self) -> bool {
        match within(self.stream.read_buf(&mut self.unread)).await {
            Ok(length) => length != 0,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The answer to one request on a connection of its own.
pub(crate) async fn ask(server: SocketAddr, request: &Head) -> Answer {
    let mut client = Client::connect(server).await;
    client.send(request.and("")).await;
    client.answer().await
}
