//! Each request that reaches an upgrading handler gets the answer that it is due: `101`, or the right refusal.

#![cfg(feature = "websocket")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::header::{HeaderValue, SET_COOKIE};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use support::{Answer, Client, Head, accept, ask, serve, service, text, within};
use tokio::sync::{mpsc, oneshot};
use upsock::ws::{self, Handshake, Message, Origins, Rejection, UpgradeLayer, WebSocket};

/// "hello", unmasked.
const HELLO: &[u8] = b"\x81\x05hello";
/// "hello", masked with zeros.
const MASKED_HELLO: &[u8] = b"\x81\x85\0\0\0\0hello";

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_text() && socket.send(message).await.is_err() {
            break;
        }
    }
}

/// Says hello by itself.
async fn greet(mut socket: WebSocket) {
    let _ = socket.send(Message::text("hello")).await;
    echo(socket).await;
}

/// `/plain` is an ordinary page; everything else upgrades.
async fn server(upgrade: impl Fn() -> ws::Upgrade + Clone + Send + 'static) -> SocketAddr {
    let route = service(move |request: Request<Incoming>| -> Response<Full<Bytes>> {
        if request.uri().path() == "/plain" {
            text("plain")
        } else {
            upgrade().into()
        }
    });
    serve(UpgradeLayer::new().layer(route)).await
}

async fn echoing() -> SocketAddr {
    server(|| ws::upgrade(echo)).await
}

fn handshake() -> Head {
    Head::handshake("/")
}

/// All that are wrong, and why; with the body that follows.
#[rustfmt::skip]
fn wrong() -> Vec<(u16, Rejection, Head, &'static str)> {
    let set = |name, value| handshake().set(name, value);
    let add = |name, value| handshake().add(name, value);
    let line = |line| handshake().line(line);
    vec![
        (426, Rejection::NotAnUpgrade, handshake().without("Connection"), ""),
        (426, Rejection::NotAnUpgrade, set("Connection", "keep-alive"), ""),
        (426, Rejection::NotAnUpgrade, set("Connection", "noupgradeplease"), ""),
        (426, Rejection::NotAnUpgrade, set("Connection", "up grade, \"upgrade\""), ""),
        (426, Rejection::NotAnUpgrade, set("Upgrade", "h2c"), ""),
        (426, Rejection::NotAnUpgrade, set("Upgrade", "websocket2, nowebsocketplease"), ""),
        (426, Rejection::NotAnUpgrade, set("Upgrade", ""), ""),
        (426, Rejection::NotAnUpgrade, line("GET / HTTP/1.0"), ""),
        (426, Rejection::NotAnUpgrade, line("GET / HTTP/1.0").set("Connection", "keep-alive, upgrade"), ""),
        (426, Rejection::Version, handshake().without("Sec-WebSocket-Version"), ""),
        (426, Rejection::Version, set("Sec-WebSocket-Version", "8"), ""),
        (426, Rejection::Version, set("Sec-WebSocket-Version", "14"), ""),
        (426, Rejection::Version, set("Sec-WebSocket-Version", "013"), ""),
        (426, Rejection::Version, set("Sec-WebSocket-Version", ""), ""),
        (426, Rejection::Version, set("Sec-WebSocket-Version", "13, 8"), ""),
        (426, Rejection::Version, add("Sec-WebSocket-Version", "8"), ""),
        (405, Rejection::Method, line("POST / HTTP/1.1"), ""),
        (405, Rejection::Method, line("POST / HTTP/1.1").add("Content-Length", "5"), "hello"),
        (405, Rejection::Method, line("HEAD / HTTP/1.1"), ""),
        (405, Rejection::Method, line("OPTIONS / HTTP/1.1"), ""),
        (405, Rejection::Method, line("get / HTTP/1.1"), ""),
        (400, Rejection::Key, handshake().without("Sec-WebSocket-Key"), ""),
        (400, Rejection::Key, set("Sec-WebSocket-Key", ""), ""),
        (400, Rejection::Key, add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ""),
        (400, Rejection::Key, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j"), ""),
        (400, Rejection::Key, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE2"), ""),
        (400, Rejection::Key, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE="), ""),
        (400, Rejection::Key, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"), ""),
        (400, Rejection::Key, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZ!Bub25jZQ=="), ""),
        (400, Rejection::Body, add("Content-Length", "5"), "hello"),
        (400, Rejection::Body, add("Transfer-Encoding", "chunked"), "5\r\nhello\r\n0\r\n\r\n"),
        (400, Rejection::Subprotocol, add("Sec-WebSocket-Protocol", "a, b c"), ""),
        (400, Rejection::Subprotocol, add("Sec-WebSocket-Protocol", "a/b"), ""),
        (400, Rejection::Subprotocol, add("Sec-WebSocket-Protocol", "é"), ""),
        (400, Rejection::Host, handshake().without("Host"), ""),
        (400, Rejection::Host, add("Host", "localhost"), ""),
        (403, Rejection::Origin, add("Origin", "https://evil.example"), ""),
        (403, Rejection::Origin, add("Origin", "http://localhost").add("Origin", "http://localhost"), ""),
    ]
}

/// What a 426 must say (RFC 9110 §15.5.22, RFC 6455 §4.4).
#[track_caller]
fn assert_upgrade_required(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.header("upgrade")),
        (426, Some("websocket")),
        "{answer:?}"
    );
    assert!(answer.lists("connection", "upgrade"), "{answer:?}");
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));
}

#[tokio::test]
async fn a_plain_get_gets_426_and_learns_what_is_wanted() {
    let answer = ask(echoing().await, &Head::get("/")).await;
    assert_upgrade_required(&answer);
    assert_eq!(
        (answer.reason.as_str(), answer.header("content-length")),
        ("Upgrade Required", Some("0"))
    );
}

#[tokio::test]
async fn each_wrong_request_gets_its_status_and_the_headers_that_go_with_it() {
    let server = echoing().await;
    for (status, rejection, request, body) in wrong() {
        let case = String::from_utf8(request.and(body)).unwrap();
        let mut client = Client::connect(server).await;
        client.send(&case).await;
        let answer = client.answer().await;
        assert_eq!(
            (answer.status, rejection.status().as_u16()),
            (status, status),
            "{case}{answer:?}"
        );
        if status == 426 {
            assert_upgrade_required(&answer);
        } else {
            assert_eq!(
                (answer.header("upgrade"), answer.lists("connection", "upgrade")),
                (None, false),
                "{case}"
            );
        }
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET"), "{case}");
        assert_eq!(answer.header("sec-websocket-accept"), None, "{case}");
        if !case.starts_with("HEAD") {
            assert_eq!(answer.header("content-length"), Some("0"), "{case}");
        }
    }
}

#[tokio::test]
async fn the_status_line_says_why() {
    let server = echoing().await;
    for (status, rejection, request, body) in wrong() {
        let case = String::from_utf8(request.and(body)).unwrap();
        let mut client = Client::connect(server).await;
        client.send(&case).await;
        let answer = client.answer().await;
        assert_eq!(
            (answer.status, answer.reason),
            (status, rejection.to_string()),
            "{case}"
        );
    }
}

#[tokio::test]
async fn layers_outside_see_the_rejection_in_the_extensions() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let inner = UpgradeLayer::new().layer(service(|_| -> Response<Full<Bytes>> { ws::upgrade(echo).into() }));
    let server = serve(service_fn(move |request: Request<Incoming>| {
        let (answer, sender) = (inner.call(request), sender.clone());
        async move {
            let response = answer.await?;
            let _ = sender.send((
                response.status().as_u16(),
                response.extensions().get::<Rejection>().copied(),
            ));
            Ok::<_, std::convert::Infallible>(response)
        }
    }))
    .await;
    for (status, rejection, request, body) in wrong() {
        let mut client = Client::connect(server).await;
        client.send(request.and(body)).await;
        client.answer().await;
        assert_eq!(within(seen.recv()).await.unwrap(), (status, Some(rejection)));
    }
    ask(server, &Head::get("/")).await;
    assert_eq!(within(seen.recv()).await.unwrap(), (426, Some(Rejection::NotAnUpgrade)));
    ask(server, &handshake()).await;
    assert_eq!(within(seen.recv()).await.unwrap(), (101, None));
}

#[tokio::test]
async fn behind_a_refused_upgrade_nothing_is_served() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    let server = serve(UpgradeLayer::new().layer(service(
        move |request: Request<Incoming>| -> Response<Full<Bytes>> {
            if request.uri().path() == "/plain" {
                count.fetch_add(1, Ordering::SeqCst);
            }
            ws::upgrade(echo).into()
        },
    )))
    .await;
    for (status, _, request, body) in wrong() {
        let case = request.and(body);
        let mut client = Client::connect(server).await;
        client.send([&*case, &Head::get("/plain").and("")].concat()).await;
        let answer = client.answer().await;
        let case = String::from_utf8_lossy(&case);
        assert_eq!(
            (answer.status, answer.lists("connection", "close")),
            (status, true),
            "{case}{answer:?}"
        );
        assert_eq!(client.rest().await, b"", "{case}");
        assert_eq!(served.load(Ordering::SeqCst), 0, "{case}");
    }
}

#[tokio::test]
async fn a_refused_handshakes_body_is_not_served_either() {
    let smuggled = Head::get("/plain").and("");
    let request = handshake().add("Content-Length", &smuggled.len().to_string());
    let mut client = Client::connect(echoing().await).await;
    client.send(request.and(smuggled)).await;
    assert_eq!(client.answer().await.status, 400);
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_plain_get_keeps_its_connection() {
    let mut client = Client::connect(echoing().await).await;
    for _ in 0..2 {
        client.send(Head::get("/").and(Head::get("/plain").and(""))).await;
        let answer = client.answer().await;
        assert_upgrade_required(&answer);
        assert!(!answer.lists("connection", "close"), "{answer:?}");
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(client.take(5).await, b"plain");
    }
    client.send(handshake().and(MASKED_HELLO)).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.take(HELLO.len()).await, HELLO);
}

#[tokio::test]
async fn a_refused_handler_is_dropped_and_never_runs() {
    struct Held(mpsc::UnboundedSender<&'static str>);
    impl Drop for Held {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }
    let (sender, mut events) = mpsc::unbounded_channel();
    let server = server(move || {
        let held = Held(sender.clone());
        ws::upgrade(|_| async move {
            let _ = held.0.send("run");
        })
    })
    .await;
    for (_, _, request, body) in wrong() {
        let mut client = Client::connect(server).await;
        client.send(request.and(body)).await;
        client.answer().await;
        assert_eq!(within(events.recv()).await, Some("dropped"));
    }
    ask(server, &Head::get("/")).await;
    assert_eq!(within(events.recv()).await, Some("dropped"));
    let answer = ask(server, &handshake()).await;
    assert_eq!((answer.status, within(events.recv()).await), (101, Some("run")));
}

#[tokio::test]
async fn token_lists_are_read_over_all_lines_and_in_any_case() {
    let server = echoing().await;
    for request in [
        handshake(),
        handshake().set("Upgrade", "WebSocket"),
        handshake().set("Upgrade", "h2c, WEBSOCKET ,"),
        handshake().set("Upgrade", "h2c").add("upgrade", "websocket"),
        handshake().set("Connection", "upgrade"),
        handshake().set("Connection", "keep-alive, UPGRADE"),
        handshake().set("Connection", ",keep-alive ,\tupgrade"),
        handshake()
            .set("Connection", "keep-alive")
            .add("connection", "foo")
            .add("CONNECTION", "Upgrade"),
        handshake().set("Connection", "Upgrade").add("connection", "keep-alive"),
    ] {
        let mut client = Client::connect(server).await;
        client.send(request.and(MASKED_HELLO)).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 101, "{}", String::from_utf8_lossy(&request.and("")));
        assert_eq!(client.take(HELLO.len()).await, HELLO);
    }
}

#[tokio::test]
async fn a_body_of_no_bytes_is_none() {
    let answer = ask(echoing().await, &handshake().add("Content-Length", "0")).await;
    assert_eq!(answer.status, 101);
}

#[tokio::test]
async fn the_accept_key_is_that_of_rfc_6455() {
    let server = echoing().await;
    let answer = ask(server, &handshake()).await;
    assert_eq!((answer.status, answer.reason.as_str()), (101, "Switching Protocols"));
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(
        answer.header("connection").map(str::to_ascii_lowercase).as_deref(),
        Some("upgrade")
    );
    for absent in [
        "sec-websocket-version",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "allow",
    ] {
        assert_eq!(answer.header(absent), None);
    }
    // Of RFC 6455 §1.2.
    let answer = ask(
        server,
        &handshake().set("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw=="),
    )
    .await;
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("HSmrc0sMlYUkAGmm5OPpG2HaGWk=")
    );
}

#[tokio::test]
async fn pages_of_other_hosts_are_refused_unless_told_otherwise() {
    let server = echoing().await;
    let from = |origin| handshake().set("Host", "example.com:8080").add("Origin", origin);
    for origin in ["http://example.com:8080", "https://EXAMPLE.com:8080"] {
        assert_eq!(ask(server, &from(origin)).await.status, 101, "{origin}");
    }
    for origin in [
        "http://example.com",
        "http://sub.example.com:8080",
        "http://example.com:8080.evil.example",
        "null",
        "",
    ] {
        assert_eq!(ask(server, &from(origin)).await.status, 403, "{origin}");
    }
    // Not from a page.
    assert_eq!(ask(server, &handshake()).await.status, 101);
}

#[tokio::test]
async fn origins_are_allowed_by_list_by_predicate_or_all() {
    let from = |origin| handshake().add("Origin", origin);
    for (origins, allowed, refused) in [
        (
            Origins::list(["https://example.com", "https://b.example:8443"]),
            vec![
                "https://example.com",
                "https://EXAMPLE.com:443",
                "https://b.example:8443",
            ],
            vec!["http://example.com", "https://b.example", "http://localhost", "null"],
        ),
        (
            Origins::predicate(|origin| origin.ends_with(".example")),
            vec!["https://a.example", "http://b.example"],
            vec!["https://example.com", "http://localhost"],
        ),
        (Origins::any(), vec!["https://example.com", "null", ""], vec![]),
        (
            Origins::same_host(),
            vec!["http://localhost"],
            vec!["http://localhost:81", "https://example.com"],
        ),
    ] {
        let policy = format!("{origins:?}");
        let server = server(move || ws::upgrade(echo).origins(origins.clone())).await;
        for origin in allowed {
            assert_eq!(ask(server, &from(origin)).await.status, 101, "{policy} {origin}");
        }
        for origin in refused {
            assert_eq!(ask(server, &from(origin)).await.status, 403, "{policy} {origin}");
        }
        assert_eq!(ask(server, &handshake()).await.status, 101, "{policy}");
    }
}

#[tokio::test]
async fn the_servers_preference_decides_on_the_subprotocol() {
    let (sender, mut agreed) = mpsc::unbounded_channel();
    let server = server(move || {
        let sender = sender.clone();
        ws::upgrade(|socket| async move {
            let offered = socket
                .handshake()
                .unwrap()
                .protocols()
                .map(String::from)
                .collect::<Vec<_>>();
            let _ = sender.send((socket.protocol().map(String::from), offered.join(" ")));
        })
        .protocols(["v2.chat", "v1.chat"])
    })
    .await;
    for (offers, expected) in [
        (&["v1.chat, v2.chat"][..], Some("v2.chat")),
        (&["v1.chat", "x, v2.chat"], Some("v2.chat")),
        (&["x,v1.chat ,"], Some("v1.chat")),
        (&["V2.chat, x"], None),
        (&["x"], None),
        (&[], None),
    ] {
        let request = offers
            .iter()
            .fold(handshake(), |request, line| request.add("Sec-WebSocket-Protocol", line));
        let answer = ask(server, &request).await;
        assert_eq!(
            (answer.status, answer.header("sec-websocket-protocol")),
            (101, expected),
            "{offers:?}"
        );
        let offered = offers.join(",").replace(',', " ");
        let offered = offered.split_whitespace().collect::<Vec<_>>();
        assert_eq!(
            within(agreed.recv()).await.unwrap(),
            (expected.map(String::from), offered.join(" "))
        );
    }
}

#[tokio::test]
async fn a_subprotocol_is_not_echoed_unasked() {
    let answer = ask(echoing().await, &handshake().add("Sec-WebSocket-Protocol", "v1.chat")).await;
    assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, None));
}

#[tokio::test]
async fn headers_of_the_upgrade_are_added_to_the_101_alone() {
    let server = server(|| {
        ws::upgrade(echo)
            .header("x-one", "1")
            .header(SET_COOKIE, "a=1")
            .header(SET_COOKIE, HeaderValue::from_static("b=2"))
    })
    .await;
    let answer = ask(server, &handshake()).await;
    assert_eq!((answer.status, answer.header("x-one")), (101, Some("1")));
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    for request in [Head::get("/"), handshake().without("Sec-WebSocket-Key")] {
        let answer = ask(server, &request).await;
        assert!(answer.status >= 400);
        assert_eq!((answer.header("x-one"), answer.header("set-cookie")), (None, None));
    }
}

/// A handler that wraps the placeholder in headers and a body, as frameworks do.
fn dressed(_: Request<Incoming>) -> Response<Full<Bytes>> {
    let mut response: Response<Full<Bytes>> = ws::upgrade(greet).into();
    *response.body_mut() = Full::from("this is no frame");
    for (name, value) in [
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-request-id", "7"),
        ("content-length", "16"),
        ("content-type", "text/plain"),
    ] {
        response.headers_mut().append(name, HeaderValue::from_static(value));
    }
    response
}

#[tokio::test]
async fn the_handlers_other_headers_survive_and_those_of_a_body_do_not() {
    // What hyper is given, which removes some by itself.
    let (sender, mut given) = mpsc::unbounded_channel();
    let inner = UpgradeLayer::new().layer(service(dressed));
    let server = serve(service_fn(move |request: Request<Incoming>| {
        let (answer, sender) = (inner.call(request), sender.clone());
        async move {
            let response = answer.await?;
            let _ = sender.send(response.headers().clone());
            Ok::<_, std::convert::Infallible>(response)
        }
    }))
    .await;
    let answer = ask(server, &handshake()).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (101, Some("7")));
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    let given = within(given.recv()).await.unwrap();
    for gone in [
        "content-length",
        "content-type",
        "transfer-encoding",
        "sec-websocket-version",
    ] {
        assert_eq!((answer.header(gone), given.get(gone)), (None, None));
    }
}

#[tokio::test]
async fn a_refusal_keeps_the_handlers_headers_and_body() {
    let server = serve(UpgradeLayer::new().layer(service(dressed))).await;
    for request in [Head::get("/"), handshake().without("Sec-WebSocket-Key")] {
        let mut client = Client::connect(server).await;
        client.send(request.and("")).await;
        let answer = client.answer().await;
        assert_eq!(
            (answer.header("x-request-id"), answer.header("content-type")),
            (Some("7"), Some("text/plain"))
        );
        assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
        assert_eq!(client.take(16).await, b"this is no frame");
    }
}

#[tokio::test]
async fn no_body_is_sent_with_a_101() {
    let mut client = Client::connect(serve(UpgradeLayer::new().layer(service(dressed))).await).await;
    client.send(handshake().and("")).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.take(HELLO.len()).await, HELLO);
}

#[tokio::test]
async fn middleware_sees_the_handshake_and_only_a_valid_one() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let server = serve(UpgradeLayer::new().layer(service(move |request: Request<Incoming>| {
        let _ = sender.send(request.extensions().get::<Handshake>().map(|handshake| {
            let protocols = handshake.protocols().map(String::from).collect::<Vec<_>>();
            let origin = handshake.origin().map(String::from);
            (handshake.host().to_string(), origin, protocols, handshake.version())
        }));
        ws::upgrade(echo).into_response::<Full<Bytes>>()
    })))
    .await;
    let request = handshake()
        .add("Origin", "https://other.example")
        .add("Sec-WebSocket-Protocol", "b, a");
    assert_eq!(ask(server, &request).await.status, 403);
    let expected = (
        "localhost".to_string(),
        Some("https://other.example".to_string()),
        vec!["b".to_string(), "a".to_string()],
        http::Version::HTTP_11,
    );
    assert_eq!(within(seen.recv()).await.unwrap(), Some(expected));
    ask(server, &Head::get("/")).await;
    assert_eq!(within(seen.recv()).await.unwrap(), None);
    ask(server, &handshake().without("Sec-WebSocket-Key")).await;
    assert_eq!(within(seen.recv()).await.unwrap(), None);
}

#[tokio::test]
async fn middleware_that_changes_the_status_vetoes_the_upgrade() {
    let (sender, mut ran) = mpsc::unbounded_channel();
    let server = serve(UpgradeLayer::new().layer(service(move |request: Request<Incoming>| {
        let sender = sender.clone();
        let upgrade = ws::upgrade(|socket| async move {
            let _ = sender.send(());
            echo(socket).await;
        });
        let mut response: Response<Full<Bytes>> = upgrade.into();
        if request.headers().get("authorization").is_none() {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        response
    })))
    .await;
    let answer = ask(server, &handshake()).await;
    assert_eq!((answer.status, answer.header("sec-websocket-accept")), (401, None));
    assert_eq!(
        ask(server, &handshake().add("Authorization", "Basic eDp5"))
            .await
            .status,
        101
    );
    assert_eq!(within(ran.recv()).await, Some(()));
    assert!(ran.try_recv().is_err());
}

#[tokio::test]
async fn behind_a_vetoed_upgrade_nothing_is_served() {
    let server = serve(
        UpgradeLayer::new().layer(service(|request: Request<Incoming>| -> Response<Full<Bytes>> {
            if request.uri().path() == "/plain" {
                return text("plain");
            }
            let mut response: Response<Full<Bytes>> = ws::upgrade(echo).into();
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            response
        })),
    )
    .await;
    let mut client = Client::connect(server).await;
    client.send(handshake().and(Head::get("/plain").and(""))).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.lists("connection", "close")), (401, true));
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn two_layers_around_each_other_work_as_one() {
    let layer = UpgradeLayer::new();
    let server =
        serve(layer.layer(layer.layer(service(|_| -> Response<Full<Bytes>> { ws::upgrade(echo).into() })))).await;
    let mut client = Client::connect(server).await;
    client.send(handshake().and(MASKED_HELLO)).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 101);
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(client.take(HELLO.len()).await, HELLO);
    for (status, rejection, request, body) in wrong() {
        let mut client = Client::connect(server).await;
        client.send(request.and(body)).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.reason), (status, rejection.to_string()));
    }
    assert_upgrade_required(&ask(server, &Head::get("/")).await);
}

/// What `tracing` is told on this thread.
#[cfg(feature = "tracing")]
struct Log(
    Arc<Mutex<Vec<u8>>>,
    #[expect(dead_code, reason = "it is there to be dropped")] Box<dyn std::any::Any>,
);

#[cfg(feature = "tracing")]
impl Log {
    fn start() -> Self {
        use tracing_subscriber::util::SubscriberInitExt;

        #[derive(Clone)]
        struct Writer(Arc<Mutex<Vec<u8>>>);

        impl std::io::Write for Writer {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().map_err(|_| std::io::ErrorKind::Other)?.write(bytes)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        let bytes = Arc::new(Mutex::default());
        let writer = Writer(bytes.clone());
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self(bytes, Box::new(subscriber.set_default()))
    }

    /// The one event that `upsock` has told of.
    fn event(&self) -> String {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let mut lines = log.lines().filter(|line| line.contains("upsock"));
        let event = lines.next().expect("an event").to_string();
        assert_eq!(lines.next(), None);
        event
    }
}

#[tokio::test]
async fn a_server_that_cannot_upgrade_answers_500() {
    #[cfg(feature = "tracing")]
    let log = Log::start();
    let inner = UpgradeLayer::new().layer(service(|_| -> Response<Full<Bytes>> { ws::upgrade(echo).into() }));
    let server = serve(service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().remove::<OnUpgrade>();
        inner.call(request)
    }))
    .await;
    let mut client = Client::connect(server).await;
    client.send(handshake().and(Head::get("/").and(""))).await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.reason.as_str()),
        (500, &*Rejection::CannotUpgrade.to_string())
    );
    assert_eq!(
        (answer.header("upgrade"), answer.header("sec-websocket-accept")),
        (None, None)
    );
    assert!(answer.lists("connection", "close"));
    assert_eq!(client.rest().await, b"");
    #[cfg(feature = "tracing")]
    {
        let event = log.event();
        assert!(event.contains("ERROR") && event.contains("`with_upgrades`"), "{event}");
    }
    // Not asked to upgrade, it has nothing to complain of.
    assert_upgrade_required(&ask(server, &Head::get("/")).await);
}

/// hyper offers an `OnUpgrade` also without `with_upgrades`; it fails when the `101` is out.
#[tokio::test]
async fn a_server_that_forgot_with_upgrades_is_reported() {
    #[cfg(feature = "tracing")]
    let log = Log::start();
    let (sender, failed) = oneshot::channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let route = UpgradeLayer::new().layer(service(move |_| -> Response<Full<Bytes>> {
        let sender = sender.lock().unwrap().take().unwrap();
        let upgrade = ws::upgrade(|_| async {});
        upgrade.on_failed(|error| drop(sender.send(error))).into()
    }));
    let server = accept(move |stream| {
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), route.clone()));
    })
    .await;
    let mut client = Client::connect(server).await;
    client.send(handshake().and("")).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.rest().await, b"");
    assert!(within(failed).await.unwrap().is_user());
    #[cfg(feature = "tracing")]
    {
        let event = log.event();
        assert!(event.contains("ERROR") && event.contains("`with_upgrades`"), "{event}");
    }
}
