//! The layer goes around axum's routers, inside them and beside its own types.

use std::net::SocketAddr;

use ::axum::extract::ws::{Message as AxumMessage, WebSocketUpgrade};
use ::axum::extract::{Path, Request};
use ::axum::middleware::{Next, from_fn};
use ::axum::response::{AppendHeaders, IntoResponse, Response};
use ::axum::routing::{any, get};
use ::axum::{Router, ServiceExt};
use http::StatusCode;
use http::header::SET_COOKIE;
use tokio::net::TcpListener;
use upsock::ws::{self, Handshake, Rejection, UpgradeLayer};

use crate::support::{Client, Head, ask};
use crate::{assert_early_frames_arrive, assert_echoes, assert_mounted, echo};

fn router() -> Router {
    Router::new()
        .route("/", get(async || ws::upgrade(echo)))
        .route("/plain", any(async || "plain"))
}

/// With the layer inside.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { ::axum::serve(listener, router).await });
    address
}

/// With the layer outside.
async fn serve_layered(router: Router) -> SocketAddr {
    let app = UpgradeLayer::new().layer(router);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { ::axum::serve(listener, ServiceExt::<Request>::into_make_service(app)).await });
    address
}

#[tokio::test]
async fn around_a_router() {
    let server = serve_layered(router()).await;
    assert_mounted(server).await;
    assert_early_frames_arrive(server).await;
}

#[tokio::test]
async fn as_a_layer_of_a_router() {
    let server = serve(router().layer(UpgradeLayer::new())).await;
    assert_mounted(server).await;
    assert_early_frames_arrive(server).await;
}

#[tokio::test]
async fn on_a_single_route() {
    let router = Router::new()
        .route("/", get(async || ws::upgrade(echo)).layer(UpgradeLayer::new()))
        .route("/plain", any(async || "plain"));
    assert_mounted(serve(router).await).await;
}

#[tokio::test]
async fn around_and_within_at_once() {
    assert_mounted(serve_layered(router().layer(UpgradeLayer::new())).await).await;
}

#[tokio::test]
async fn in_a_nested_router() {
    let server = serve_layered(Router::new().nest("/api", router())).await;
    assert_echoes(server, "/api").await;
}

#[tokio::test]
async fn axums_own_extractor_works_below_the_layer() {
    async fn axums(upgrade: WebSocketUpgrade) -> Response {
        upgrade.on_upgrade(|mut socket| async move {
            while let Some(Ok(message)) = socket.recv().await {
                if matches!(message, AxumMessage::Text(_) | AxumMessage::Binary(_)) {
                    let _ = socket.send(message).await;
                }
            }
        })
    }
    for server in [
        serve_layered(router().route("/axums", any(axums))).await,
        serve(router().route("/axums", any(axums)).layer(UpgradeLayer::new())).await,
    ] {
        assert_echoes(server, "/axums").await;
        assert_mounted(server).await;
    }
}

#[tokio::test]
async fn the_handshake_is_an_extractor_with_the_layer_and_without() {
    async fn upgrade(handshake: Handshake) -> impl IntoResponse {
        let protocols = handshake.protocols().collect::<Vec<_>>().join(" ");
        ([("x-protocols", protocols)], ws::upgrade(echo).protocols(["b"]))
    }
    async fn page(handshake: Handshake) -> String {
        handshake.host().to_string()
    }
    let router = Router::new().route("/", get(upgrade)).route("/page", get(page));
    let (layered, bare) = (serve_layered(router.clone()).await, serve(router).await);
    let request = Head::handshake("/").add("Sec-WebSocket-Protocol", "a, b");
    let answer = ask(layered, &request).await;
    assert_eq!((answer.status, answer.header("x-protocols")), (101, Some("a b")));
    assert_eq!(answer.header("sec-websocket-protocol"), Some("b"));
    let answer = ask(bare, &request).await;
    assert_eq!((answer.status, answer.header("x-protocols")), (426, Some("a b")));
    for server in [layered, bare] {
        let mut client = Client::connect(server).await;
        client.send(Head::handshake("/page").and("")).await;
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(client.take(9).await, b"localhost");
    }
}

#[tokio::test]
async fn the_extractor_refuses_as_the_upgrade_does() {
    let router = Router::new()
        .route("/extracted", any(async |_: Handshake| ws::upgrade(echo)))
        .route("/", any(async || ws::upgrade(echo)))
        .route("/plain", get("plain"));
    let server = serve_layered(router).await;
    for bend in [
        (|head| head) as fn(Head) -> Head,
        |head| head.add("Upgrade", "websocket"),
        |head| head.add("Upgrade", "websocket").add("Connection", "upgrade"),
        |head| {
            head.add("Upgrade", "websocket")
                .add("Connection", "upgrade")
                .add("Sec-WebSocket-Version", "13")
        },
    ] {
        let mut answers = Vec::new();
        for path in ["/", "/extracted"] {
            for method in ["GET", "POST"] {
                let request = bend(Head::get(path).line(&format!("{method} {path} HTTP/1.1")));
                answers.push((request.and(""), ask(server, &request).await));
            }
        }
        let extracted = answers.split_off(2);
        for ((request, answer), (_, expected)) in extracted.iter().zip(&answers) {
            let request = String::from_utf8_lossy(request);
            assert_eq!(answer.status, expected.status, "{request}");
            // Only a 426 owes a version.
            let owed = if answer.status == 426 { 4 } else { 3 };
            for header in &["upgrade", "connection", "allow", "sec-websocket-version"][..owed] {
                assert_eq!(
                    answer.header(header),
                    expected.header(header),
                    "{header} for\n{request}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_extractor_refuses_in_full_without_the_layer() {
    let server = serve(Router::new().route("/", any(async |_: Handshake| "opened"))).await;
    let answer = ask(server, &Head::get("/")).await;
    assert_eq!((answer.status, answer.header("upgrade")), (426, Some("websocket")));
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));
    let answer = ask(server, &Head::handshake("/").line("POST / HTTP/1.1")).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")));
    let answer = ask(server, &Head::handshake("/").without("Sec-WebSocket-Key")).await;
    assert_eq!((answer.status, answer.lists("connection", "close")), (400, true));
}

#[tokio::test]
async fn an_optional_handshake_tells_handshakes_from_plain_requests() {
    async fn both(handshake: Option<Handshake>) -> Response {
        match handshake {
            Some(_) => ws::upgrade(echo).into_response(),
            None => "a page".into_response(),
        }
    }
    let server = serve_layered(Router::new().route("/", get(both))).await;
    assert_echoes(server, "/").await;
    for request in [Head::get("/"), Head::handshake("/").without("Sec-WebSocket-Key")] {
        let mut client = Client::connect(server).await;
        client.send(request.and("")).await;
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(client.take(6).await, b"a page");
    }
}

#[tokio::test]
async fn an_upgrade_is_a_part_of_responses_as_others_are() {
    async fn upgrade(Path(kind): Path<String>) -> Result<Response, StatusCode> {
        let upgrade = ws::upgrade(echo);
        match &*kind {
            "headers" => Ok((
                [("x-one", "1")],
                AppendHeaders([(SET_COOKIE, "a=1"), (SET_COOKIE, "b=2")]),
                upgrade,
            )
                .into_response()),
            "result" => Ok(Ok::<_, StatusCode>(upgrade).into_response()),
            "into" => Ok(upgrade.into()),
            "raw" => Ok(upsock::upgrade("websocket", |_| async {}).into_response()),
            _ => Err(StatusCode::FORBIDDEN),
        }
    }
    let server = serve_layered(Router::new().route("/{kind}", get(upgrade))).await;
    let answer = ask(server, &Head::handshake("/headers")).await;
    assert_eq!((answer.status, answer.header("x-one")), (101, Some("1")));
    assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
    for path in ["/headers", "/result", "/into"] {
        assert_echoes(server, path).await;
    }
    assert_eq!(ask(server, &Head::handshake("/raw")).await.status, 101);
    assert_eq!(ask(server, &Head::handshake("/other")).await.status, 403);
}

/// A status is the handler's own decision, and so a veto; what it adds besides is in the answer.
#[tokio::test]
async fn a_status_before_an_upgrade_is_a_veto() {
    let upgrade = async || (StatusCode::ACCEPTED, [("x-one", "1")], ws::upgrade(echo));
    let server = serve_layered(Router::new().route("/", get(upgrade))).await;
    let answer = ask(server, &Head::handshake("/")).await;
    assert_eq!((answer.status, answer.header("x-one")), (202, Some("1")));
    assert_eq!(answer.header("sec-websocket-accept"), None);
    assert!(answer.lists("connection", "close"));
}

/// What `Router::layer` does not cover, and the layer around the router does.
#[tokio::test]
async fn a_layer_of_a_router_covers_what_was_there_before_it() {
    async fn sees(request: Request, next: Next) -> Response {
        let seen = request.extensions().get::<Handshake>().is_some();
        ([("x-sees", seen.to_string())], next.run(request).await).into_response()
    }
    let late = get(async || ws::upgrade(echo));
    let within = router()
        .layer(UpgradeLayer::new())
        .layer(from_fn(sees))
        .route("/late", late.clone());
    let around = router().layer(from_fn(sees)).route("/late", late);
    for (server, seen, status) in [
        (serve(within).await, "false", 426),
        (serve_layered(around).await, "true", 101),
    ] {
        let answer = ask(server, &Head::handshake("/")).await;
        assert_eq!((answer.status, answer.header("x-sees")), (101, Some(seen)));
        assert_eq!(ask(server, &Head::handshake("/late")).await.status, status);
    }
}

/// The method is routed outside of `Router::layer`: what is refused there is axum's answer.
#[tokio::test]
async fn a_method_that_a_route_has_not_is_refused_by_axum() {
    let app = || Router::new().route("/", get(async || ws::upgrade(echo)));
    for server in [
        serve(app().layer(UpgradeLayer::new())).await,
        serve_layered(app()).await,
    ] {
        let answer = ask(server, &Head::handshake("/").line("POST / HTTP/1.1")).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")));
    }
}

#[tokio::test]
async fn a_refusal_has_one_line_of_plain_text() {
    let server = serve_layered(router()).await;
    for (status, request) in [
        (426, Head::get("/")),
        (400, Head::handshake("/").without("Sec-WebSocket-Key")),
        (403, Head::handshake("/").add("Origin", "https://evil.example")),
    ] {
        let mut client = Client::connect(server).await;
        client.send(request.and("")).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status);
        // Of unsaid length, so one chunk: see `a_promotion_below_router_layer_has_no_length`.
        let text = "This is a WebSocket (RFC 6455); the request was not accepted as a handshake.\n";
        let chunked = format!("{:X}\r\n{text}\r\n0\r\n\r\n", text.len());
        assert_eq!(client.take(chunked.len()).await, chunked.as_bytes());
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

/// axum writes lengths into the head outside of `Router::layer`.
#[tokio::test]
async fn a_promotion_below_router_layer_has_no_length() {
    let app = Router::new().route("/", any(async || ws::upgrade(echo)));
    let server = serve(app.layer(UpgradeLayer::new())).await;
    let answer = ask(server, &Head::handshake("/")).await;
    assert_eq!((answer.status, answer.header("content-length")), (101, None));
    assert_eq!(answer.header("transfer-encoding"), None);
}

#[tokio::test]
async fn middleware_between_sees_the_handshake_and_may_refuse_it() {
    async fn check(request: Request, next: Next) -> Response {
        match request.extensions().get::<Handshake>() {
            Some(handshake) if handshake.protocols().next() == Some("secret") => next.run(request).await,
            Some(_) => StatusCode::UNAUTHORIZED.into_response(),
            None => next.run(request).await,
        }
    }
    let server = serve_layered(router().layer(from_fn(check))).await;
    assert_eq!(ask(server, &Head::handshake("/")).await.status, 401);
    assert_eq!(
        ask(server, &Head::handshake("/").add("Sec-WebSocket-Protocol", "secret"))
            .await
            .status,
        101
    );
    assert_eq!(ask(server, &Head::get("/plain")).await.status, 200);
}

#[tokio::test]
async fn a_layer_around_ours_sees_the_rejection() {
    async fn restyle(request: Request, next: Next) -> Response {
        let response = next.run(request).await;
        match response.extensions().get::<Rejection>() {
            Some(rejection) => (rejection.status(), [("x-rejection", format!("{rejection:?}"))]).into_response(),
            None => response,
        }
    }
    let server = serve(router().layer(UpgradeLayer::new()).layer(from_fn(restyle))).await;
    let answer = ask(server, &Head::handshake("/").without("Host")).await;
    assert_eq!((answer.status, answer.header("x-rejection")), (400, Some("Host")));
    assert_echoes(server, "/").await;
}
