//! Middleware sees a valid handshake, may veto its upgrade, and may be the layer itself.

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use tokio::sync::mpsc;
use upsock::ws::{self, Handshake, UpgradeLayer};

use crate::support::{Client, Head, ask, serve, service, text, within};
use crate::{HELLO, MASKED_HELLO, assert_upgrade_required, echo, handshake, wrong};

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
