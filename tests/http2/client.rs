//! A client that sends what it is told to, and its streams as byte streams.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::client::{Builder, SendRequest};
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, StatusCode, request};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::peer::{Raw, soon};

/// What a browser sends.
pub(crate) fn handshake(path: &str) -> request::Builder {
    connect("websocket", path).header("sec-websocket-version", "13")
}

/// An extended CONNECT.
pub(crate) fn connect(protocol: &str, path: &str) -> request::Builder {
    request(Method::CONNECT, path).extension(Protocol::from(protocol))
}

pub(crate) fn request(method: Method, path: &str) -> request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("http://localhost:8080{path}"))
}

pub(crate) struct Client {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<()>,
}

impl Client {
    pub(crate) async fn connect(server: SocketAddr) -> Self {
        Self::build(server, &Builder::new()).await
    }

    pub(crate) async fn build(server: SocketAddr, builder: &Builder) -> Self {
        let tcp = soon(TcpStream::connect(server)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let (requests, connection) = soon(builder.handshake(tcp)).await.unwrap();
        let connection = tokio::spawn(async {
            let _ = connection.await;
        });
        // The server's settings say that it takes an extended CONNECT.
        soon(async {
            while !requests.is_extended_connect_protocol_enabled() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        Self { requests, connection }
    }

    /// The status and headers of the answer, and the stream.
    pub(crate) async fn ask(&mut self, request: request::Builder) -> (StatusCode, HeaderMap, Stream) {
        let mut requests = soon(self.requests.clone().ready()).await.unwrap();
        let (response, send) = requests.send_request(request.body(()).unwrap(), false).unwrap();
        let (parts, recv) = soon(response).await.unwrap().into_parts();
        let stream = Stream {
            send,
            recv,
            unread: Bytes::new(),
        };
        (parts.status, parts.headers, stream)
    }

    /// A socket, open.
    pub(crate) async fn open(&mut self, request: request::Builder) -> Raw<Stream> {
        let (status, _, stream) = self.ask(request).await;
        assert_eq!(status, 200);
        Raw::new(stream)
    }

    /// The whole connection vanishes.
    pub(crate) fn abort(self) {
        self.connection.abort();
    }
}

pub(crate) struct Stream {
    send: SendStream<Bytes>,
    recv: RecvStream,
    unread: Bytes,
}

impl Stream {
    pub(crate) fn reset(&mut self, reason: Reason) {
        self.send.send_reset(reason);
    }

    /// How the server has reset the stream.
    pub(crate) async fn reset_by_server(&mut self) -> Reason {
        soon(std::future::poll_fn(|cx| self.send.poll_reset(cx))).await.unwrap()
    }

    pub(crate) async fn text(mut self) -> String {
        let mut text = Vec::new();
        soon(tokio::io::AsyncReadExt::read_to_end(&mut self, &mut text))
            .await
            .unwrap();
        String::from_utf8(text).unwrap()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.recv.poll_data(cx)) {
                Some(data) => self.unread = data.map_err(io::Error::other)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..length]);
        self.unread.advance(length);
        self.recv
            .flow_control()
            .release_capacity(length)
            .map_err(io::Error::other)?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.send.reserve_capacity(buf.len());
        let length = loop {
            if self.send.capacity() > 0 {
                break self.send.capacity().min(buf.len());
            }
            match ready!(self.send.poll_capacity(cx)) {
                Some(capacity) => capacity.map_err(io::Error::other)?,
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        };
        let data = Bytes::copy_from_slice(&buf[..length]);
        self.send.send_data(data, false).map_err(io::Error::other)?;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// END_STREAM.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.send.send_data(Bytes::new(), true).map_err(io::Error::other))
    }
}
