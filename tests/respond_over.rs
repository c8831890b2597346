//! `respond_over` opens sockets, and refuses, in any server: on whatever byte stream it has.

#![cfg(feature = "websocket")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::future::{pending, ready};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Response, StatusCode, Version};
use support::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use upsock::ws::{self, CloseCode, Sockets, Upgrade, WebSocket};
use upsock::{Rejection, UpgradeLayer};

/// The handshake of RFC 6455 §1.3, and what else `edit` makes of it.
fn request(edit: impl FnOnce(http::request::Builder) -> http::request::Builder) -> Request<()> {
    let request = Request::get("/")
        .header("host", "server.example.com")
        .header("upgrade", "websocket")
        .header("connection", "keep-alive, Upgrade")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13");
    edit(request).body(()).unwrap()
}

/// Echoes behind a greeting that names the handshake's host and the subprotocol.
fn echo() -> Upgrade {
    ws::upgrade(async |mut socket: WebSocket| {
        let host = socket.handshake().map(|handshake| handshake.host().to_string());
        let greeting = format!("{host:?} {:?}", socket.protocol());
        let _ = socket.send(greeting.into()).await;
        while let Some(Ok(message)) = socket.recv().await {
            if message.is_text() && socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

async fn client(io: DuplexStream) -> WebSocketStream<DuplexStream> {
    WebSocketStream::from_raw_socket(io, Role::Client, None).await
}

#[tokio::test]
async fn the_answer_is_the_layers() {
    let (ours, theirs) = duplex(1024);
    let request = request(|request| request.header("sec-websocket-protocol", "a, b"));
    let upgrade = echo().protocols(["c", "b"]).header("x-one", "1");
    let response: Response<String> = upgrade.respond_over(&request, ready(Ok(ours)));

    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut headers: Vec<_> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            ("connection", "upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("sec-websocket-protocol", "b"),
            ("upgrade", "websocket"),
            ("x-one", "1"),
        ]
    );

    let mut client = client(theirs).await;
    let greeting = within(client.next()).await.unwrap().unwrap();
    assert_eq!(greeting, Message::text(r#"Some("server.example.com") Some("b")"#));
    client.send(Message::text("hello")).await.unwrap();
    assert_eq!(within(client.next()).await.unwrap().unwrap(), Message::text("hello"));
    client.close(None).await.unwrap();
    assert_eq!(within(client.next()).await.unwrap().unwrap(), Message::Close(None));
}

#[tokio::test]
async fn the_socket_opens_when_the_stream_comes_and_ends_it() {
    let (hand_over, io) = oneshot::channel();
    let upgrade = ws::upgrade(|mut socket| async move { socket.send("that is all".into()).await });
    let response: Response<()> = upgrade.respond_over(&request(|request| request), async move {
        io.await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    });
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let (ours, mut theirs) = duplex(1024);
    hand_over.send(ours).unwrap();
    let mut received = Vec::new();
    within(theirs.read_buf(&mut received)).await.unwrap();
    // The peer's Close, masked with zeros.
    theirs.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
    within(theirs.read_to_end(&mut received)).await.unwrap();
    assert_eq!(received, b"\x81\x0bthat is all\x88\x02\x03\xe8");
}

#[tokio::test]
async fn a_refusal_is_the_layers_and_the_stream_is_not_awaited() {
    type Edit = fn(&mut Request<()>);
    let refused: [(Edit, Rejection, &str); 7] = [
        (|r| r.headers_mut().clear(), Rejection::NotAnUpgrade, "upgrade"),
        (
            |r| drop(r.headers_mut().remove("upgrade")),
            Rejection::NotAnUpgrade,
            "upgrade",
        ),
        (
            |r| *r.version_mut() = Version::HTTP_10,
            Rejection::NotAnUpgrade,
            "upgrade, close",
        ),
        (|r| *r.method_mut() = Method::POST, Rejection::Method, "close"),
        (
            |r| drop(r.headers_mut().remove("sec-websocket-key")),
            Rejection::Key,
            "close",
        ),
        (
            |r| drop(r.headers_mut().insert("host", "other".parse().unwrap())),
            Rejection::Origin,
            "close",
        ),
        (
            |r| drop(r.headers_mut().remove("sec-websocket-version")),
            Rejection::Version,
            "upgrade, close",
        ),
    ];
    for (edit, rejection, connection) in refused {
        let mut request = request(|request| request.header("origin", "https://server.example.com"));
        edit(&mut request);
        let (sender, receiver) = oneshot::channel::<()>();
        let stream = async move {
            sender.send(()).unwrap();
            pending::<io::Result<DuplexStream>>().await
        };
        let response: Response<()> = echo().respond_over(&request, stream);
        assert_eq!(response.status(), rejection.status(), "{rejection:?}");
        assert_eq!(response.extensions().get(), Some(&rejection));
        assert_eq!(response.headers()["connection"], connection, "{rejection:?}");
        assert!(!response.headers().contains_key("sec-websocket-accept"));
        assert!(receiver.await.is_err(), "{rejection:?}");
    }
}

#[tokio::test]
async fn a_stream_that_does_not_come_drops_the_closure() {
    let alive = Arc::new(());
    let held = alive.clone();
    let upgrade = ws::upgrade(move |_| async move { drop(held) });
    let failed = ready(io::Result::<DuplexStream>::Err(io::ErrorKind::BrokenPipe.into()));
    let response: Response<()> = upgrade.respond_over(&request(|request| request), failed);
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    within(async {
        while Arc::strong_count(&alive) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_socket_counts_among_those_it_is_told_and_ends_with_them() {
    let (named, others) = (Sockets::new(), Sockets::new());
    let open = |upgrade: Upgrade| {
        let (ours, theirs) = duplex(1024);
        let response: Response<()> = upgrade.respond_over(&request(|request| request), ready(Ok(ours)));
        (response, theirs)
    };
    let (response, stream) = open(echo().sockets(&named));
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!((named.len(), others.len()), (1, 0));
    let mut client = client(stream).await;
    assert!(within(client.next()).await.unwrap().unwrap().is_text());

    let drained = tokio::spawn(named.shutdown(Duration::from_secs(20)));
    let Message::Close(Some(frame)) = within(client.next()).await.unwrap().unwrap() else {
        panic!("no Close frame with a code");
    };
    assert_eq!(frame.code, CloseCode::Away);
    let (response, _stream) = open(echo().sockets(&named));
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.extensions().get(), Some(&Rejection::ShuttingDown));
    let elsewhere = [open(echo().sockets(&others)), open(echo())];
    for (response, _stream) in &elsewhere {
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    }
    assert_eq!((named.len(), others.len()), (1, 1));

    // tungstenite answers the Close frame.
    assert!(within(client.next()).await.is_none());
    drop(client);
    let drained = within(drained).await.unwrap();
    assert_eq!((drained.closed, drained.aborted), (1, 0));
    assert_eq!((named.len(), others.len()), (0, 1));
}

#[tokio::test]
async fn a_layers_limit_holds_for_a_socket_that_counts_among_its() {
    let sockets = UpgradeLayer::new().max_sockets(1).sockets();
    let open = || -> Response<()> {
        let stream = pending::<io::Result<DuplexStream>>();
        echo()
            .sockets(&sockets)
            .respond_over(&request(|request| request), stream)
    };
    assert_eq!(open().status(), StatusCode::SWITCHING_PROTOCOLS);
    let response = open();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.extensions().get(), Some(&Rejection::TooManySockets));
}
