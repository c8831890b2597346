//! The layer goes around any service, of tower, hyper or axum, and changes nothing else about it.

#![cfg(feature = "websocket")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::Service as HyperService;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use support::{Client, Head, ask, serve, service, text, within};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tower::{Service as TowerService, ServiceBuilder, ServiceExt};
use upsock::ws::{self, CloseCode, CloseFrame, Message, UpgradeLayer, UpgradeService, WebSocket};

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
}

/// `/plain` is an ordinary page; everything else upgrades.
fn route<B>(request: &Request<B>) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/plain" => text("plain"),
        _ => ws::upgrade(echo).into(),
    }
}

/// A client of another making opens `path`, talks, and closes as it should be.
async fn assert_echoes(server: SocketAddr, path: &str) {
    let request = format!("ws://{server}{path}").into_client_request().unwrap();
    let (mut client, _) = within(tokio_tungstenite::connect_async(request)).await.unwrap();
    for message in [
        Message::text("hello"),
        Message::binary(vec![7; 100_000]),
        Message::text(""),
    ] {
        within(client.send(message.clone())).await.unwrap();
        assert_eq!(within(client.next()).await.unwrap().unwrap(), message);
    }
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    };
    within(client.close(Some(frame.clone()))).await.unwrap();
    assert_eq!(
        within(client.next()).await.unwrap().unwrap(),
        Message::Close(Some(frame))
    );
    assert!(within(client.next()).await.is_none());
}

/// The route echoes, and the rest of the server works as ever.
async fn assert_mounted(server: SocketAddr) {
    assert_echoes(server, "/").await;
    let mut client = Client::connect(server).await;
    for request in [Head::get("/plain"), Head::handshake("/plain")] {
        client.send(request.and("")).await;
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(client.take(5).await, b"plain");
    }
    let answer = ask(server, &Head::get("/")).await;
    assert_eq!((answer.status, answer.header("upgrade")), (426, Some("websocket")));
    let answer = ask(server, &Head::handshake("/").without("Sec-WebSocket-Key")).await;
    assert_eq!((answer.status, answer.header("upgrade")), (400, None));
}

#[tokio::test]
async fn around_a_service_of_hyper() {
    assert_mounted(serve(UpgradeLayer::new().layer(service(|request| route(&request)))).await).await;
}

#[tokio::test]
async fn around_a_service_of_tower() {
    let service = ServiceBuilder::new()
        .layer(UpgradeLayer::new())
        .service(tower::service_fn(|request: Request<Incoming>| async move {
            Ok::<_, Infallible>(route(&request))
        }));
    assert_mounted(serve(TowerToHyperService::new(service)).await).await;
}

#[tokio::test]
async fn made_by_the_service_itself() {
    assert_mounted(serve(UpgradeService::new(service(|request| route(&request)))).await).await;
}

#[tokio::test]
async fn on_hyper_utils_server_for_all_versions() {
    let service = UpgradeLayer::new().layer(service(|request| route(&request)));
    let server = support::accept(move |stream| {
        let service = service.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let _ = server
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await;
        });
    })
    .await;
    assert_mounted(server).await;
    assert_early_frames_arrive(server).await;
}

#[tokio::test]
async fn without_a_layer_the_request_itself_can_be_answered() {
    let server = serve(service(|mut request: Request<Incoming>| -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/plain" => text("plain"),
            _ => ws::upgrade(echo).respond_to(&mut request),
        }
    }))
    .await;
    assert_mounted(server).await;
    assert_early_frames_arrive(server).await;
}

#[tokio::test]
async fn without_the_layer_the_handlers_answer_is_426() {
    let server = serve(service(|request| route(&request))).await;
    for request in [Head::handshake("/"), Head::get("/")] {
        let answer = ask(server, &request).await;
        assert_eq!((answer.status, answer.header("upgrade")), (426, Some("websocket")));
        assert!(answer.lists("connection", "upgrade"), "{answer:?}");
        assert_eq!(
            (
                answer.header("sec-websocket-version"),
                answer.header("sec-websocket-accept")
            ),
            (Some("13"), None)
        );
    }
}

/// Frames that a client sends together with its handshake, before it has the answer.
async fn assert_early_frames_arrive(server: SocketAddr) {
    let mut client = Client::connect(server).await;
    // "early", masked; a second frame begins, and ends later.
    client
        .send(Head::handshake("/").and(b"\x81\x85\x01\x02\x03\x04dcqhx\x81\x84\0\0\0\0la"))
        .await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.take(7).await, b"\x81\x05early");
    client.send("te").await;
    assert_eq!(client.take(6).await, b"\x81\x04late");
}

#[tokio::test]
async fn frames_that_come_together_with_the_handshake_are_the_first_messages() {
    assert_early_frames_arrive(serve(UpgradeLayer::new().layer(service(|request| route(&request)))).await).await;
}

/// What ordinary routes answer: none of it is the layer's business.
fn ordinary(request: &Request<Incoming>) -> Response<http_body_util::combinators::BoxBody<Bytes, Infallible>> {
    let response = Response::builder()
        .header("x-one", "1")
        .header("x-two", "2")
        .header("x-one", "3");
    let frames = ["one", "two"].map(|data| Ok::<_, Infallible>(Frame::data(Bytes::from(data))));
    match request.uri().path() {
        "/chunked" => response.body(BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)))),
        "/empty" => response.status(204).body(Full::default().boxed()),
        "/upgrade" => response
            .status(426)
            .header("upgrade", "other")
            .header("connection", "upgrade")
            .header("sec-websocket-version", "12")
            .body(Full::from("mine").boxed()),
        "/error" => response.status(400).body(Full::from("mine").boxed()),
        _ => response
            .header("content-type", "text/plain")
            .body(Full::from("plain").boxed()),
    }
    .unwrap()
}

#[tokio::test]
async fn the_answers_of_ordinary_routes_pass_untouched() {
    /// All that a connection carries, but for the date.
    async fn transcript(server: SocketAddr, request: &Head) -> Vec<Vec<u8>> {
        let mut client = Client::connect(server).await;
        // The second shows that the connection stays what it was, too.
        client
            .send(request.and(request.clone().set("Connection", "close, upgrade").and("")))
            .await;
        let transcript = client.rest().await;
        transcript
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| !line.starts_with(b"date:"))
            .map(Vec::from)
            .collect()
    }
    let bare = serve(service(|request| ordinary(&request))).await;
    let layered = serve(UpgradeLayer::new().layer(service(|request| ordinary(&request)))).await;
    for path in ["/", "/chunked", "/empty", "/upgrade", "/error"] {
        for request in [
            Head::get(path),
            Head::handshake(path),
            Head::handshake(path).without("Sec-WebSocket-Key"),
            Head::handshake(path).set("Upgrade", "h2c"),
            Head::handshake(path).line(&format!("POST {path} HTTP/1.1")),
            Head::handshake(path).line(&format!("HEAD {path} HTTP/1.1")),
            Head::handshake(path).line(&format!("GET {path} HTTP/1.0")),
        ] {
            let expected = transcript(bare, &request).await;
            assert!(expected.len() > 4);
            assert_eq!(transcript(layered, &request).await, expected);
        }
    }
}

/// A body, an error and a service that can do nothing but what they must.
struct OwnBody(&'static str);

#[derive(Debug, PartialEq)]
struct OwnError;

#[derive(Default)]
struct Own {
    ready: bool,
}

impl Own {
    fn answer<B>(request: &Request<B>) -> Result<Response<OwnBody>, OwnError> {
        match request.uri().path() {
            "/error" => Err(OwnError),
            "/plain" => Ok(Response::new(OwnBody("plain"))),
            // A body type without `Default` takes one more step.
            _ => Ok(ws::upgrade(echo).into_response().map(|()| OwnBody("placeholder"))),
        }
    }
}

impl<B> TowerService<Request<B>> for Own {
    type Response = Response<OwnBody>;
    type Error = OwnError;
    type Future = Ready<Result<Response<OwnBody>, OwnError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), OwnError>> {
        if std::mem::replace(&mut self.ready, true) {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it is ready");
        ready(Self::answer(&request))
    }
}

impl<B> HyperService<Request<B>> for Own {
    type Response = Response<OwnBody>;
    type Error = OwnError;
    type Future = Ready<Result<Response<OwnBody>, OwnError>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        ready(Self::answer(&request))
    }
}

#[tokio::test]
async fn the_types_of_body_and_error_are_the_inner_services() {
    /// A type is enough: it is no body of HTTP.
    struct OwnRequestBody;

    let request = |path: &str| Request::get(path).body(OwnRequestBody).unwrap();

    fn tower<S: TowerService<Request<OwnRequestBody>, Response = Response<OwnBody>, Error = OwnError>>(
        service: S,
    ) -> S {
        service
    }
    let layer = UpgradeLayer::new();
    let plain = tower(layer.layer(Own::default()))
        .oneshot(request("/plain"))
        .await
        .unwrap();
    assert_eq!(plain.body().0, "plain");
    let error = tower(layer.layer(Own::default())).oneshot(request("/error")).await;
    assert_eq!(error.err(), Some(OwnError));
    let upgrade = tower(layer.layer(Own::default())).oneshot(request("/")).await.unwrap();
    assert_eq!((upgrade.status().as_u16(), upgrade.body().0), (426, "placeholder"));

    fn hyper<S: HyperService<Request<OwnRequestBody>, Response = Response<OwnBody>, Error = OwnError>>(
        service: S,
    ) -> S {
        service
    }
    let service = hyper(layer.layer(Own::default()));
    assert_eq!(service.call(request("/plain")).await.unwrap().body().0, "plain");
    assert_eq!(service.call(request("/error")).await.err(), Some(OwnError));
    assert_eq!(service.call(request("/")).await.unwrap().body().0, "placeholder");
}

#[tokio::test]
async fn a_placeholder_whose_body_was_changed_is_promoted() {
    let service = tower::service_fn(|request: Request<Incoming>| async move {
        let response = Own::answer(&request).map_err(|_| "refused")?;
        Ok::<_, &'static str>(response.map(|body| Full::new(Bytes::from(body.0))))
    });
    assert_mounted(serve(TowerToHyperService::new(UpgradeLayer::new().layer(service))).await).await;
}

#[tokio::test]
async fn an_error_of_the_inner_service_on_a_handshake_passes() {
    let service = tower::service_fn(|_: Request<Incoming>| async { Err::<Response<Full<Bytes>>, _>("no") });
    let mut client = Client::connect(serve(TowerToHyperService::new(UpgradeLayer::new().layer(service))).await).await;
    client.send(Head::handshake("/").and("")).await;
    assert_eq!(client.rest().await, b"");
}

#[test]
fn the_layer_needs_nothing_of_what_it_wraps() {
    fn assert_cheap<T: Clone + Send + Sync + Unpin + 'static>(_: &T) {}
    assert_cheap(&UpgradeLayer::default());
    assert_cheap(&UpgradeLayer::new().layer(()));
    fn assert_send<F: Future + Send>(_: &F) {}
    let mut service = UpgradeLayer::new().layer(Own { ready: true });
    assert_send(&TowerService::call(&mut service, Request::new(())));
}

#[cfg(feature = "axum")]
mod axum {
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

    use super::support::{Client, Head, ask};
    use super::{assert_early_frames_arrive, assert_echoes, assert_mounted, echo};

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
}
