//! `upsock::upgrade` switches to any protocol, on plain bytes, also in a build without WebSockets.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use support::{Client, Head, ask, serve, service, text, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use upsock::{Io, Rejection, Upgrade, UpgradeLayer};

/// Answers with what comes, in capitals, until the client ends its side.
async fn shout(mut io: Io) {
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = io.read(&mut buffer).await {
        buffer[..length].make_ascii_uppercase();
        if io.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

async fn server(upgrade: impl Fn() -> Upgrade + Clone + Send + 'static) -> SocketAddr {
    let route = service(move |request: Request<Incoming>| -> Response<Full<Bytes>> {
        if request.uri().path() == "/plain" {
            text("plain")
        } else {
            upgrade().into()
        }
    });
    serve(UpgradeLayer::new().layer(route)).await
}

async fn shouting() -> SocketAddr {
    server(|| upsock::upgrade("my-proto", shout)).await
}

fn asking() -> Head {
    Head::get("/").add("Upgrade", "my-proto").add("Connection", "Upgrade")
}

#[tokio::test]
async fn the_answer_is_101_and_names_the_protocol() {
    let answer = ask(shouting().await, &asking()).await;
    assert_eq!((answer.status, answer.reason.as_str()), (101, "Switching Protocols"));
    assert_eq!(answer.header("upgrade"), Some("my-proto"));
    assert_eq!(
        answer.header("connection").map(str::to_ascii_lowercase).as_deref(),
        Some("upgrade")
    );
    for absent in [
        "content-length",
        "transfer-encoding",
        "sec-websocket-version",
        "sec-websocket-accept",
    ] {
        assert_eq!(answer.header(absent), None);
    }
}

#[tokio::test]
async fn bytes_go_both_ways_and_nothing_else_does() {
    let mut client = Client::connect(shouting().await).await;
    client.send(asking().and("")).await;
    assert_eq!(client.answer().await.status, 101);
    for (sent, received) in [
        ("hello", "HELLO"),
        ("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"),
        ("\0\r\n", "\0\r\n"),
    ] {
        client.send(sent).await;
        assert_eq!(client.take(received.len()).await, received.as_bytes());
    }
}

#[tokio::test]
async fn a_megabyte_passes_while_both_sides_write() {
    let stream = tokio::net::TcpStream::connect(shouting().await).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        writer.write_all(&asking().and("")).await.unwrap();
        writer.write_all(&vec![b'x'; 1 << 20]).await.unwrap();
        writer
    });
    let (mut received, mut seen) = (Vec::new(), 0);
    within(async {
        while seen < 1 << 20 {
            received.clear();
            assert_ne!(reader.read_buf(&mut received).await.unwrap(), 0);
            seen += received.iter().filter(|byte| **byte == b'X').count();
        }
    })
    .await;
    drop(within(writing).await.unwrap());
}

#[tokio::test]
async fn bytes_that_come_together_with_the_request_are_the_first() {
    let mut client = Client::connect(shouting().await).await;
    client.send(asking().and("early")).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.take(5).await, b"EARLY");
    client.send(" later").await;
    assert_eq!(client.take(6).await, b" LATER");
}

#[tokio::test]
async fn the_connection_ends_with_the_closure() {
    let server = server(|| {
        upsock::upgrade("my-proto", |mut io| async move {
            let _ = io.write_all(b"that is all").await;
        })
    })
    .await;
    let mut client = Client::connect(server).await;
    client.send(asking().and("")).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.rest().await, b"that is all");
}

#[tokio::test]
async fn a_closure_that_panics_ends_its_connection_alone() {
    let server = server(|| {
        upsock::upgrade("my-proto", |mut io| async move {
            let byte = io.read_u8().await.expect("a byte");
            assert_ne!(byte, b'!', "this panic is meant");
            let _ = io.write_u8(byte).await;
        })
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(server).await;
        client.send(asking().and("")).await;
        assert_eq!(client.answer().await.status, 101);
        clients.push(client);
    }
    clients[0].send("!").await;
    assert_eq!(clients[0].rest().await, b"");
    clients[1].send("?").await;
    assert_eq!(clients[1].rest().await, b"?");
    assert_eq!(ask(server, &asking()).await.status, 101);
}

#[tokio::test]
async fn the_token_is_compared_without_case_in_lists_over_several_lines() {
    let server = shouting().await;
    for request in [
        asking().set("Upgrade", "MY-Proto"),
        asking().set("Upgrade", "h2c, my-proto"),
        asking().set("Upgrade", "h2c").add("upgrade", "other ,\tMy-Proto , "),
        asking().set("Connection", "keep-alive, UPGRADE"),
        asking().set("Connection", "keep-alive").add("connection", "upgrade"),
    ] {
        let answer = ask(server, &request).await;
        assert_eq!((answer.status, answer.header("upgrade")), (101, Some("my-proto")));
    }
}

#[tokio::test]
async fn other_requests_get_426_which_names_the_protocol() {
    let server = shouting().await;
    for request in [
        Head::get("/"),
        asking().set("Upgrade", "websocket"),
        asking().set("Upgrade", "my-proto2, xmy-proto"),
        asking().set("Upgrade", "my proto"),
        asking().set("Upgrade", ""),
        asking().without("Upgrade"),
        asking().without("Connection"),
        asking().set("Connection", "keep-alive"),
        asking().set("Connection", "noupgradeplease"),
        asking().line("GET / HTTP/1.0"),
        Head::handshake("/"),
    ] {
        let answer = ask(server, &request).await;
        assert_eq!((answer.status, answer.header("upgrade")), (426, Some("my-proto")));
        assert!(answer.lists("connection", "upgrade"), "{answer:?}");
        assert_eq!(answer.header("sec-websocket-version"), None);
        assert_eq!(answer.header("content-length"), Some("0"));
    }
}

#[tokio::test]
async fn a_request_with_a_body_gets_400() {
    let server = shouting().await;
    for (request, body) in [
        (asking().line("POST / HTTP/1.1").add("Content-Length", "5"), "hello"),
        (
            asking().line("POST / HTTP/1.1").add("Transfer-Encoding", "chunked"),
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        (asking().add("Content-Length", "5"), "hello"),
    ] {
        let mut client = Client::connect(server).await;
        client.send(request.and(body)).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, &answer.reason), (400, &Rejection::Body.to_string()));
        assert_eq!(answer.header("upgrade"), None);
        assert_eq!(client.rest().await, b"");
    }
}

#[tokio::test]
async fn behind_a_refused_upgrade_nothing_is_served() {
    let server = shouting().await;
    for request in [
        asking().set("Upgrade", "other"),
        asking().set("Connection", "close, noupgradeplease"),
    ] {
        let mut client = Client::connect(server).await;
        client.send(request.and(Head::get("/plain").and(""))).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 426);
        assert!(answer.lists("connection", "close"), "{answer:?}");
        assert_eq!(client.rest().await, b"");
    }
}

#[tokio::test]
async fn a_plain_request_keeps_its_connection() {
    let mut client = Client::connect(shouting().await).await;
    for _ in 0..2 {
        client.send(Head::get("/").and(Head::get("/plain").and(""))).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.lists("connection", "close")), (426, false));
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(client.take(5).await, b"plain");
    }
    client.send(asking().and("last")).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.take(4).await, b"LAST");
}

#[tokio::test]
async fn headers_are_added_to_the_101_alone() {
    let server = server(|| {
        upsock::upgrade("my-proto", shout)
            .header("x-one", "1")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
    })
    .await;
    let answer = ask(server, &asking()).await;
    assert_eq!((answer.status, answer.header("x-one")), (101, Some("1")));
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    let answer = ask(server, &Head::get("/")).await;
    assert_eq!((answer.status, answer.header("x-one")), (426, None));
}

#[tokio::test]
async fn a_refused_upgrade_drops_its_closure() {
    let held = Arc::new(());
    let server = server({
        let held = held.clone();
        move || {
            let held = held.clone();
            upsock::upgrade("my-proto", |io| async move {
                let _held = held;
                shout(io).await;
            })
        }
    })
    .await;
    let before = Arc::strong_count(&held);
    let mut client = Client::connect(server).await;
    client.send(asking().set("Upgrade", "other").and("")).await;
    assert_eq!(client.answer().await.status, 426);
    client.rest().await;
    within(async {
        // The connection, which holds the service, goes a moment after its last byte.
        while Arc::strong_count(&held) > before {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_layer_the_request_itself_can_be_answered() {
    let server = serve(service(|mut request: Request<Incoming>| -> Response<Full<Bytes>> {
        upsock::upgrade("my-proto", shout).respond_to(&mut request)
    }))
    .await;
    let mut client = Client::connect(server).await;
    client.send(asking().and("early")).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("upgrade")), (101, Some("my-proto")));
    assert_eq!(client.take(5).await, b"EARLY");
    assert_eq!(ask(server, &Head::get("/")).await.status, 426);
    assert_eq!(ask(server, &asking().set("Upgrade", "other")).await.status, 426);
}

#[tokio::test]
async fn without_a_layer_the_handlers_answer_is_426() {
    let server = serve(service(|_| -> Response<Full<Bytes>> {
        upsock::upgrade("my-proto", shout).into()
    }))
    .await;
    for request in [asking(), Head::get("/")] {
        let answer = ask(server, &request).await;
        assert_eq!((answer.status, answer.header("upgrade")), (426, Some("my-proto")));
        assert!(answer.lists("connection", "upgrade"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_drive_upgrades_is_reported_to_on_failed() {
    let (sender, failed) = oneshot::channel();
    let sender = Arc::new(std::sync::Mutex::new(Some(sender)));
    let route = UpgradeLayer::new().layer(service(move |_| -> Response<Full<Bytes>> {
        let sender = sender.lock().unwrap().take().unwrap();
        upsock::upgrade("my-proto", |_| async { unreachable!() })
            .on_failed(|error| drop(sender.send(error)))
            .into()
    }));
    let server = support::accept(move |stream| {
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), route.clone()));
    })
    .await;
    let mut client = Client::connect(server).await;
    client.send(asking().and("")).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.rest().await, b"");
    assert!(within(failed).await.unwrap().is_user());
}
