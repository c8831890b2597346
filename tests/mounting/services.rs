//! The layer goes around services of hyper and of tower, and upgrades work without it.

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tower::ServiceBuilder;
use upsock::ws::{self, UpgradeLayer, UpgradeService};

use crate::support::{self, Head, ask, serve, service, text};
use crate::{assert_early_frames_arrive, assert_mounted, echo, route};

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

#[tokio::test]
async fn frames_that_come_together_with_the_handshake_are_the_first_messages() {
    assert_early_frames_arrive(serve(UpgradeLayer::new().layer(service(|request| route(&request)))).await).await;
}
