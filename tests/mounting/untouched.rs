//! What is no upgrade passes the layer as it is: answers, bodies, errors, types.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::Service as HyperService;
use hyper_util::service::TowerToHyperService;
use tower::{Service as TowerService, ServiceExt};
use upsock::ws::{self, UpgradeLayer};

use crate::support::{Client, Head, serve, service};
use crate::{assert_mounted, echo};

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
