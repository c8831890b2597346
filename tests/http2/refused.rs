//! What opens no socket: an answer that HTTP/2 allows, and the connection goes on.

use http::{Method, Request, Response, Version};
use upsock::UpgradeLayer;
use upsock::ws::{self, Rejection};

use crate::client::{Client, connect, handshake, request};
use crate::peer::TEXT;
use crate::{answering, echo, upgrading};

#[tokio::test]
async fn each_wrong_request_gets_the_answer_that_it_is_due() {
    let server = upgrading(|| ws::upgrade(echo)).await;
    let mut client = Client::connect(server).await;
    for (status, version, request) in [
        (426, true, request(Method::GET, "/")),
        (426, true, request(Method::POST, "/")),
        (
            426,
            true,
            request(Method::GET, "/").header("sec-websocket-version", "13"),
        ),
        (501, false, connect("connect-udp", "/")),
        (501, false, connect("websocket2", "/")),
        (
            426,
            true,
            connect("websocket", "/").header("sec-websocket-version", "12"),
        ),
        (426, true, handshake("/").header("sec-websocket-version", "13")),
        (400, false, handshake("/").header("sec-websocket-protocol", "a b")),
        (403, false, handshake("/").header("origin", "https://evil.example")),
        (403, false, handshake("/").header("origin", "http://localhost")),
        (
            403,
            false,
            handshake("/")
                .header("origin", "https://evil.example")
                .header("host", "evil.example"),
        ),
    ] {
        let name = format!("{request:?}");
        let (found, headers, _) = client.ask(request).await;
        assert_eq!(found, status, "{name}");
        for forbidden in ["connection", "upgrade", "sec-websocket-accept"] {
            assert_eq!(headers.get(forbidden), None, "{name}");
        }
        if version {
            assert_eq!(headers["sec-websocket-version"], "13", "{name}");
        }
        // Nothing but that stream is over.
        let mut socket = client.open(handshake("/")).await;
        socket.send(TEXT, "still here").await;
        socket.expect(TEXT, "still here").await;
    }
}

/// Any success accepts a CONNECT: the client would take the page for its socket.
#[tokio::test]
async fn a_page_is_no_socket() {
    let server = upgrading(|| ws::upgrade(echo)).await;
    let mut client = Client::connect(server).await;
    let (status, headers, stream) = client.ask(handshake("/plain")).await;
    assert_eq!((status.as_u16(), &headers["allow"]), (405, &"GET".parse().unwrap()));
    assert_eq!(stream.text().await, "plain");
    let (status, ..) = client.ask(request(Method::GET, "/plain")).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_handlers_own_answer_passes() {
    let server = answering(UpgradeLayer::new(), |_| {
        Response::builder().status(404).body("not here".into()).unwrap()
    })
    .await;
    let (status, _, stream) = Client::connect(server).await.ask(handshake("/")).await;
    assert_eq!(status, 404);
    assert_eq!(stream.text().await, "not here");
}

#[tokio::test]
async fn who_changes_the_placeholders_status_opens_no_socket() {
    for (changed, status) in [(401, 401), (200, 405)] {
        let server = answering(UpgradeLayer::new(), move |_| {
            let mut response = ws::upgrade(echo).into_response();
            *response.status_mut() = changed.try_into().unwrap();
            response
        })
        .await;
        let (found, headers, _) = Client::connect(server).await.ask(handshake("/")).await;
        assert_eq!(found, status);
        assert_eq!((headers.get("connection"), headers.get("upgrade")), (None, None));
    }
}

/// hyper would strip these headers; not every server does.
#[tokio::test]
async fn the_layer_itself_leaves_no_header_of_http_1() {
    let service = tower::service_fn(async |_: Request<()>| Ok::<Response<()>, ()>(ws::upgrade(echo).into()));
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri("https://localhost/")
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .body(())
        .unwrap();
    let answer = |request: Request<()>| tower::ServiceExt::oneshot(UpgradeLayer::new().layer(service), request);
    let response = answer(request.clone()).await.unwrap();
    // No hyper, no `OnUpgrade`.
    assert_eq!(response.extensions().get(), Some(&Rejection::CannotUpgrade));
    assert_eq!((response.status().as_u16(), response.headers().len()), (500, 1));
    assert_eq!(response.headers()["sec-websocket-version"], "13");
    // `Host` stands in for the authority, which the check of origins needs.
    *request.uri_mut() = "/".parse().unwrap();
    let response = answer(request.clone()).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Rejection::Host));
    request.headers_mut().insert("host", "localhost".parse().unwrap());
    let response = answer(request).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Rejection::CannotUpgrade));
}
