//! What opens a socket, and with which answer.

use http::{HeaderMap, Method, Request, Response, Version};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use upsock::UpgradeLayer;
use upsock::ws::{self, Handshake, Origins};

use crate::client::{Client, connect, handshake};
use crate::peer::{BINARY, Raw, TEXT, soon};
use crate::{answering, echo, upgrading};

/// None of what HTTP/1.1 needs (RFC 8441 §5), and nothing of the placeholder.
pub(crate) fn assert_bare(headers: &HeaderMap) {
    for name in [
        "connection",
        "upgrade",
        "sec-websocket-accept",
        "sec-websocket-version",
        "sec-websocket-protocol",
        "content-length",
        "content-type",
        "transfer-encoding",
    ] {
        assert_eq!(headers.get(name), None, "{name}");
    }
}

async fn assert_echoes(mut socket: Raw<crate::client::Stream>) {
    socket.send(TEXT, "hello").await;
    socket.expect(TEXT, "hello").await;
    socket.send(BINARY, vec![b'x'; 300_000]).await;
    socket.expect(BINARY, vec![b'x'; 300_000]).await;
    socket.ping_pong().await;
    socket.leave().await;
}

#[tokio::test]
async fn a_browsers_handshake() {
    let server = upgrading(|| ws::upgrade(echo)).await;
    let mut client = Client::connect(server).await;
    let request = handshake("/")
        .header("origin", "http://localhost:8080")
        .header("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")
        .header("sec-websocket-protocol", "unknown");
    let (status, headers, stream) = client.ask(request).await;
    assert_eq!(status, 200);
    assert_bare(&headers);
    assert_echoes(Raw::new(stream)).await;
}

#[tokio::test]
async fn the_protocol_in_any_case_and_no_version() {
    let server = answering(UpgradeLayer::new(), |request| {
        assert_eq!(request.method(), Method::GET);
        ws::upgrade(echo).into()
    })
    .await;
    let mut client = Client::connect(server).await;
    for protocol in ["websocket", "WebSocket", "WEBSOCKET"] {
        let (status, headers, stream) = client.ask(connect(protocol, "/")).await;
        assert_eq!(status, 200, "{protocol}");
        assert_bare(&headers);
        assert_echoes(Raw::new(stream)).await;
    }
}

#[tokio::test]
async fn a_key_gets_its_answer_and_a_bad_one_none() {
    let server = upgrading(|| ws::upgrade(echo)).await;
    let mut client = Client::connect(server).await;
    for (key, accept) in [
        ("dGhlIHNhbXBsZSBub25jZQ==", Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        ("short", None),
    ] {
        let (status, headers, _) = client.ask(handshake("/").header("sec-websocket-key", key)).await;
        assert_eq!(status, 200, "{key}");
        let found = headers
            .get("sec-websocket-accept")
            .map(|accept| accept.to_str().unwrap());
        assert_eq!(found, accept, "{key}");
    }
}

#[tokio::test]
async fn the_handler_sees_get_and_all_of_the_handshake() {
    for (layer, method) in [
        (UpgradeLayer::new(), Method::GET),
        (UpgradeLayer::new().keep_connect_method(), Method::CONNECT),
    ] {
        let expected = method.clone();
        let server = answering(layer, move |request| {
            assert_eq!(request.method(), expected);
            assert_eq!(request.uri(), "http://localhost:8080/room/1?name=a");
            assert_eq!(request.version(), Version::HTTP_2);
            let handshake = request.extensions().get::<Handshake>().unwrap();
            assert_eq!(handshake.host(), "localhost:8080");
            assert_eq!(handshake.origin(), Some("http://localhost:8080"));
            assert_eq!(handshake.version(), Version::HTTP_2);
            assert!(handshake.protocols().eq(["v1", "v2"]));
            assert_eq!(Handshake::from_request(&request).unwrap().host(), "localhost:8080");
            let upgrade = ws::upgrade(|mut socket: ws::WebSocket| async move {
                let version = socket.handshake().unwrap().version();
                let agreed = socket.protocol().unwrap_or_default();
                let text = format!("{version:?} {agreed}");
                socket.send(text.into()).await
            });
            upgrade.protocols(["v2"]).header("set-cookie", "a=1").into()
        })
        .await;
        let request = handshake("/room/1?name=a")
            .header("origin", "http://localhost:8080")
            .header("sec-websocket-protocol", "v1, v2");
        let (status, headers, stream) = Client::connect(server).await.ask(request).await;
        assert_eq!(status, 200, "{method}");
        assert_eq!(headers["sec-websocket-protocol"], "v2");
        assert_eq!(headers["set-cookie"], "a=1");
        Raw::new(stream).expect(TEXT, "HTTP/2.0 v2").await;
    }
}

#[tokio::test]
async fn the_authority_overrides_host() {
    let server = answering(UpgradeLayer::new(), |request| {
        let host = request.extensions().get::<Handshake>().unwrap().host();
        ws::upgrade(echo)
            .header("x-host", host)
            .origins(Origins::same_host())
            .into()
    })
    .await;
    let mut client = Client::connect(server).await;
    let (_, headers, _) = client.ask(handshake("/").header("host", "evil.example")).await;
    assert_eq!(headers["x-host"], "localhost:8080");
}

#[tokio::test]
async fn without_a_layer() {
    let server = crate::serve(hyper::service::service_fn(
        |mut request: Request<Incoming>| async move {
            let response: Response<http_body_util::Empty<bytes::Bytes>> = ws::upgrade(echo).respond_to(&mut request);
            assert_eq!(request.method(), Method::CONNECT);
            Ok::<_, std::convert::Infallible>(response)
        },
    ))
    .await;
    let mut client = Client::connect(server).await;
    let (status, headers, stream) = client.ask(handshake("/")).await;
    assert_eq!(status, 200);
    assert_bare(&headers);
    assert_echoes(Raw::new(stream)).await;
}

#[tokio::test]
async fn two_layers_are_as_good_as_one() {
    let service = hyper::service::service_fn(|_| async {
        let response: Response<http_body_util::Empty<bytes::Bytes>> = ws::upgrade(echo).into();
        Ok::<_, std::convert::Infallible>(response)
    });
    for (outer, inner) in [
        (UpgradeLayer::new(), UpgradeLayer::new()),
        (UpgradeLayer::new().keep_connect_method(), UpgradeLayer::new()),
        (UpgradeLayer::new(), UpgradeLayer::new().keep_connect_method()),
    ] {
        let server = crate::serve(outer.layer(inner.layer(service))).await;
        let socket = Client::connect(server).await.open(handshake("/")).await;
        assert_echoes(socket).await;
    }
}

#[tokio::test]
async fn another_protocol_on_raw_bytes() {
    let server = answering(UpgradeLayer::new(), |request| {
        assert_eq!(request.method(), Method::CONNECT);
        upsock::upgrade("my-proto", |mut io| async move {
            let mut line = [0; 5];
            io.read_exact(&mut line).await.unwrap();
            io.write_all(&line).await.unwrap();
            io.shutdown().await.unwrap();
        })
        .into()
    })
    .await;
    let mut client = Client::connect(server).await;
    let (status, headers, mut stream) = client.ask(connect("My-Proto", "/")).await;
    assert_eq!(status, 200);
    assert_bare(&headers);
    soon(stream.write_all(b"hello")).await.unwrap();
    assert_eq!(stream.text().await, "hello");
    assert_eq!(client.ask(connect("other", "/")).await.0, 501);
}

#[tokio::test]
async fn many_sockets_on_one_connection() {
    let server = upgrading(|| ws::upgrade(echo)).await;
    let mut client = Client::connect(server).await;
    let mut sockets = Vec::new();
    for _ in 0..100 {
        sockets.push(client.open(handshake("/")).await);
    }
    for (number, socket) in sockets.iter_mut().enumerate() {
        socket.send(TEXT, format!("I am {number}")).await;
    }
    for (number, socket) in sockets.iter_mut().enumerate().rev() {
        socket.expect(TEXT, format!("I am {number}")).await;
    }
    for (number, mut socket) in sockets.into_iter().enumerate() {
        if number % 2 == 0 {
            socket.leave().await;
        }
    }
    assert_echoes(client.open(handshake("/")).await).await;
}
