//! A handshake is read as its RFCs say, and agrees on key, origin and subprotocol.

use tokio::sync::mpsc;
use upsock::ws::{self, Origins};

use crate::support::{Client, ask, within};
use crate::{HELLO, MASKED_HELLO, echo, echoing, handshake, server};

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
