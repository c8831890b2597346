//! Routes that open sockets, tested in process: no port, no network (feature `testing`).
//!
//! [`connect`] gives a request to a service and returns its socket, or the response that it got instead. All that lies
//! between is the real thing: hyper, the layer, the session, the closing handshake; only the transport is memory. It works
//! with tokio's paused clock, so that a test of an hour's silence takes no time.
//!
//! ```
//! use axum::{Router, routing::get};
//! use upsock::testing;
//! use upsock::ws::{self, CloseCode, Message, UpgradeLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! async fn greet() -> ws::Upgrade {
//!     ws::upgrade(|mut socket| async move { socket.send("hello".into()).await })
//! }
//! let app = Router::new().route("/greet", get(greet)).layer(UpgradeLayer::new());
//!
//! let mut socket = testing::connect(app.clone(), testing::handshake("/greet")).await.unwrap();
//! assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("hello"));
//! assert_eq!(socket.closed().await.unwrap().code, CloseCode::Normal);
//!
//! let mut evil = testing::handshake("/greet");
//! evil.headers_mut().insert("origin", "http://evil.example".parse().unwrap());
//! let refusal = testing::connect(app, evil).await.unwrap_err();
//! assert_eq!(refusal.status(), 403);
//! # }
//! ```

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;
use http::header::{CONNECTION, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::{client, server};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tungstenite::protocol::{CloseFrame, Role};
use tungstenite::{Error, Message};

/// What the transport holds each way: a peer that does not read makes the socket wait after this.
const TRANSPORT: usize = 64 * 1024;

/// A browser's handshake for this path: HTTP/1.1, with all the headers that RFC 6455 §4.1 asks for, and no `Origin`.
///
/// # Panics
/// If `path` is not a valid URI.
pub fn handshake(path: &str) -> Request<String> {
    let mut request = Request::new(String::new());
    *request.uri_mut() = path.parse().expect("a valid URI");
    for (name, value) in [
        (HOST, "localhost"),
        (UPGRADE, "websocket"),
        (CONNECTION, "Upgrade"),
        (SEC_WEBSOCKET_VERSION, "13"),
        (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    request
}

/// Gives `request` to `service`, over HTTP/1.1, and returns the socket that it opens. See the [module's
/// example](self#).
///
/// `service` is a service of `tower` (an axum `Router`, say) or of `hyper`, with the
/// [`UpgradeLayer`](crate::UpgradeLayer) around it or within. The request goes out as it is: [`handshake`] makes a good
/// one.
///
/// # Errors
/// The response, if it is not `101`.
///
/// # Panics
/// If the service fails without a response, and outside of a tokio runtime.
pub async fn connect<S, Kind>(service: S, request: Request<String>) -> Result<TestSocket, Response<Bytes>>
where
    S: IntoService<Kind>,
{
    let (ours, theirs) = duplex(TRANSPORT);
    let server = server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(theirs), service.into_service())
        .with_upgrades();
    tokio::spawn(server);
    let (mut sender, client) = client::conn::http1::handshake(TokioIo::new(ours))
        .await
        .expect("a connection in memory");
    tokio::spawn(client.with_upgrades());

    let mut response = sender
        .send_request(request)
        .await
        .unwrap_or_else(|error| panic!("the service gave no response: {error}"));
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (head, mut body) = response.into_parts();
        return Err(Response::from_parts(head, read(&mut body).await));
    }
    let upgraded = hyper::upgrade::on(&mut response)
        .await
        .unwrap_or_else(|error| panic!("the connection was not upgraded: {error}"));
    let Ok(parts) = upgraded.downcast::<TokioIo<DuplexStream>>() else {
        unreachable!("the transport is ours");
    };
    let early = parts.read_buf.to_vec();
    let stream = WebSocketStream::from_partially_read(parts.io.into_inner(), early, Role::Client, None).await;
    Ok(TestSocket {
        stream,
        response: response.map(drop),
    })
}

async fn read(body: &mut Incoming) -> Bytes {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        bytes.extend(frame.into_data().unwrap_or_default());
    }
    bytes.into()
}

/// The client's end of a socket that [`connect`] has opened: tokio-tungstenite's, over memory.
///
/// A [`Stream`] and [`Sink`] of messages. It reads, and answers pings and Close frames, only while it is polled: a peer
/// that stalls is one that is left alone. Dropped, it is a peer that has vanished without a Close frame.
pub struct TestSocket {
    stream: WebSocketStream<DuplexStream>,
    response: Response<()>,
}

impl TestSocket {
    /// The head of the `101`.
    pub fn response(&self) -> &Response<()> {
        &self.response
    }

    /// Receives the next message: `None` at the end.
    ///
    /// # Errors
    /// If the connection ends without a Close frame, or the server breaks the protocol.
    ///
    /// # Cancel safety
    /// No message is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx)).await
    }

    /// Sends a message.
    ///
    /// # Errors
    /// If the connection is closed.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message may have been sent, whole or in part.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        poll_fn(|cx| Pin::new(&mut self.stream).poll_ready(cx)).await?;
        Pin::new(&mut self.stream).start_send(message)?;
        poll_fn(|cx| Pin::new(&mut self.stream).poll_flush(cx)).await
    }

    /// Writes these bytes as they are: parts of frames, or what no client should send.
    ///
    /// # Errors
    /// If the connection is closed.
    ///
    /// # Cancel safety
    /// If the future is dropped, some of the bytes may have been written.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.stream.get_mut().write_all(bytes).await?)
    }

    /// Receives until the end; the server's Close frame, if it sent one with a code.
    ///
    /// # Cancel safety
    /// If the future is dropped, the connection is.
    pub async fn closed(mut self) -> Option<CloseFrame> {
        let mut close = None;
        while let Some(Ok(message)) = self.recv().await {
            if let Message::Close(frame) = message {
                close = frame;
            }
        }
        close
    }

    /// Ends the connection without a Close frame, as a peer does whose process is killed.
    pub fn vanish(self) {}
}

impl Stream for TestSocket {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.stream).poll_next(cx)
    }
}

impl Sink<Message> for TestSocket {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.stream).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        Pin::new(&mut self.stream).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

impl fmt::Debug for TestSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSocket")
            .field("response", &self.response)
            .finish_non_exhaustive()
    }
}

/// The services that [`connect`] takes: those of `tower` and of `hyper`. `Kind` tells them apart, and is inferred.
pub trait IntoService<Kind>: sealed::IntoService<Kind> {}

impl<S: sealed::IntoService<Kind>, Kind> IntoService<Kind> for S {}

type BoxError = Box<dyn StdError + Send + Sync>;

mod sealed {
    use super::*;

    pub trait IntoService<Kind> {
        type Service: hyper::service::Service<
                Request<Incoming>,
                Response = Response<Self::Body>,
                Error: Into<BoxError>,
                Future: Send,
            > + Send
            + 'static;
        type Body: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;

        fn into_service(self) -> Self::Service;
    }

    #[derive(Debug)]
    pub struct Tower;

    impl<S, B> IntoService<Tower> for S
    where
        S: tower_service::Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send>,
        S: Clone + Send + 'static,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        type Service = TowerToHyperService<S>;
        type Body = B;

        fn into_service(self) -> Self::Service {
            TowerToHyperService::new(self)
        }
    }

    #[derive(Debug)]
    pub struct Hyper;

    impl<S, B> IntoService<Hyper> for S
    where
        S: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send>,
        S: Send + 'static,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        type Service = S;
        type Body = B;

        fn into_service(self) -> Self {
            self
        }
    }
}
