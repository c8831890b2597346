//! A request that is no handshake, or a wrong one, is refused with the reason, and nothing is served behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::{Service, service_fn};
use tokio::sync::mpsc;
use upsock::ws::{self, Rejection, UpgradeLayer};

use crate::support::{Client, Head, ask, serve, service, within};
use crate::{HELLO, MASKED_HELLO, assert_upgrade_required, echo, echoing, handshake, server, wrong};

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
