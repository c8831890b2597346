//! `testing::connect`: any service's socket in memory, with all that lies between.

#![cfg(all(feature = "testing", feature = "axum"))]
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep};
use upsock::testing::{self, TestSocket};
use upsock::ws::{self, CloseCode, Message, Rejection, Upgrade, UpgradeLayer, WebSocket};

fn echo() -> Upgrade {
    ws::upgrade(|mut socket: WebSocket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if message.is_text() && socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(echo().into_response())
}

async fn echoes(mut socket: TestSocket) {
    assert_eq!(socket.response().status(), 101);
    assert_eq!(
        socket.response().headers()["sec-websocket-accept"],
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap(), Message::text("hello"));
    socket.send(Message::Close(None)).await.unwrap();
    assert!(socket.closed().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn services_of_axum_tower_and_hyper() {
    let layer = UpgradeLayer::new();
    let router = Router::new().route("/", get(|| async { echo() })).layer(layer.clone());
    echoes(testing::connect(router, testing::handshake("/")).await.unwrap()).await;
    let around = layer.layer(Router::new().route("/", get(|| async { echo() })));
    echoes(testing::connect(around, testing::handshake("/")).await.unwrap()).await;
    let tower = layer.layer(tower::service_fn(answer));
    echoes(testing::connect(tower, testing::handshake("/")).await.unwrap()).await;
    let hyper = layer.layer(hyper::service::service_fn(answer));
    echoes(testing::connect(hyper, testing::handshake("/")).await.unwrap()).await;
    assert_eq!(layer.sockets().stats().opened, 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_socket_is_the_response() {
    let app = Router::new()
        .route("/", get(|| async { echo() }))
        .route("/page", get(|| async { "a page" }))
        .layer(UpgradeLayer::new());
    let page = testing::connect(app.clone(), testing::handshake("/page"))
        .await
        .unwrap_err();
    assert_eq!((page.status(), &page.body()[..]), (StatusCode::OK, &b"a page"[..]));
    let mut old = testing::handshake("/");
    old.headers_mut().insert("sec-websocket-version", "8".parse().unwrap());
    let refusal = testing::connect(app.clone(), old).await.unwrap_err();
    assert_eq!(refusal.status(), Rejection::Version.status());
    assert_eq!(refusal.headers()["sec-websocket-version"], "13");
    let plain = Request::new(String::new());
    assert_eq!(testing::connect(app, plain).await.unwrap_err().status(), 426);
}

#[tokio::test(start_paused = true)]
async fn peers_that_misbehave() {
    let (report, mut seen) = unbounded_channel();
    let app = UpgradeLayer::new().layer(hyper::service::service_fn(move |_: Request<Incoming>| {
        let report = report.clone();
        let upgrade = ws::upgrade(move |mut socket: WebSocket| async move {
            while let Some(item) = socket.recv().await {
                let _ = report.send(item.map_err(|error| (error.is_abnormal(), error.is_protocol())));
            }
            let _ = report.send(Ok(Message::text("end")));
        });
        let response: Response<Full<Bytes>> = upgrade.into_response();
        async { Ok::<_, Infallible>(response) }
    }));
    let connect = || testing::connect(app.clone(), testing::handshake("/"));

    let mut broken = connect().await.unwrap();
    broken.send_raw(&[0x83, 0x80, 0, 0, 0, 0]).await.unwrap();
    assert_eq!(seen.recv().await.unwrap(), Err((false, true)));
    assert_eq!(broken.closed().await.unwrap().code, CloseCode::Protocol);
    assert_eq!(seen.recv().await.unwrap(), Ok(Message::text("end")));

    connect().await.unwrap().vanish();
    assert_eq!(seen.recv().await.unwrap(), Err((true, false)));
    assert_eq!(seen.recv().await.unwrap(), Ok(Message::text("end")));

    // Nobody polls it: it stalls, and does not answer the ping of the keep-alive.
    let begin = Instant::now();
    let stalled = connect().await.unwrap();
    assert_eq!(seen.recv().await.unwrap(), Err((true, false)));
    assert!(
        (45.0..46.5).contains(&begin.elapsed().as_secs_f64()),
        "{:?}",
        begin.elapsed()
    );
    drop(stalled);
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_silence_takes_no_time() {
    let app = Router::new()
        .route("/", get(|| async { echo() }))
        .layer(UpgradeLayer::new());
    let mut socket = testing::connect(app, testing::handshake("/")).await.unwrap();
    let mut pings = 0;
    let hour = sleep(Duration::from_secs(3600));
    tokio::pin!(hour);
    loop {
        tokio::select! {
            () = &mut hour => break,
            message = socket.recv() => pings += usize::from(message.unwrap().unwrap().is_ping()),
        }
    }
    assert!((138..=144).contains(&pings), "{pings}");
    echoes(socket).await;
}
