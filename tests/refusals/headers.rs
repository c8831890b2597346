//! The handler's headers survive its upgrade, those of a body do not, and a refusal keeps them all.

use http::header::{HeaderValue, SET_COOKIE};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::{Service, service_fn};
use tokio::sync::mpsc;
use upsock::ws::{self, Message, UpgradeLayer, WebSocket};

use crate::support::{Client, Head, ask, serve, service, within};
use crate::{HELLO, echo, handshake, server};

/// Says hello by itself.
async fn greet(mut socket: WebSocket) {
    let _ = socket.send(Message::text("hello")).await;
    echo(socket).await;
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
