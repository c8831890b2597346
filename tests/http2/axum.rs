//! axum's routers serve both versions, and its own WebSockets go on below the layer.

use std::net::SocketAddr;

use ::axum::Router;
use ::axum::ServiceExt;
use ::axum::extract::Request;
use ::axum::extract::ws::{Message as AxumMessage, WebSocketUpgrade};
use ::axum::response::Response;
use ::axum::routing::{any, get};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use upsock::UpgradeLayer;
use upsock::ws::{self, Handshake, Message};

use crate::accepted::assert_bare;
use crate::client::{Client, handshake};
use crate::echo;
use crate::peer::{Raw, TEXT, soon};

async fn axums(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if matches!(message, AxumMessage::Text(_) | AxumMessage::Binary(_)) {
                let _ = socket.send(message).await;
            }
        }
    })
}

fn router() -> Router {
    Router::new()
        .route("/get", get(async || ws::upgrade(echo)))
        .route("/any", any(async || ws::upgrade(echo)))
        .route("/extracted", any(async |_: Handshake| ws::upgrade(echo)))
        .route("/axums", any(axums))
        .route("/page", get("a page"))
}

/// `axum::serve` allows extended CONNECT by itself.
async fn serve(layer: UpgradeLayer, outside: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    if outside {
        let app = ServiceExt::<Request>::into_make_service(layer.layer(router()));
        tokio::spawn(async { ::axum::serve(listener, app).await });
    } else {
        let app = router().layer(layer);
        tokio::spawn(async { ::axum::serve(listener, app).await });
    }
    address
}

async fn assert_http1(server: SocketAddr, path: &str) {
    let (mut client, _) = soon(tokio_tungstenite::connect_async(format!("ws://{server}{path}")))
        .await
        .unwrap();
    soon(client.send(Message::text("hello"))).await.unwrap();
    assert_eq!(soon(client.next()).await.unwrap().unwrap(), Message::text("hello"));
    soon(client.close(None)).await.unwrap();
}

async fn assert_http2(server: SocketAddr, path: &str) {
    let mut client = Client::connect(server).await;
    let (status, headers, stream) = client.ask(handshake(path)).await;
    assert_eq!(status, 200, "{path}");
    assert_bare(&headers);
    let mut socket = Raw::new(stream);
    socket.send(TEXT, "hello").await;
    socket.expect(TEXT, "hello").await;
    socket.send_close(1000).await;
    socket.expect_close(1000, "").await;
}

async fn assert_refused(server: SocketAddr, path: &str) {
    let (status, ..) = Client::connect(server).await.ask(handshake(path)).await;
    assert_eq!(status, 405, "{path}");
}

#[tokio::test]
async fn get_and_any_routes_serve_both_versions() {
    let server = serve(UpgradeLayer::new(), true).await;
    for path in ["/get", "/any", "/extracted"] {
        assert_http1(server, path).await;
        assert_http2(server, path).await;
    }
    assert_refused(server, "/page").await;
}

/// axum chooses by method before it comes to what `Router::layer` has added.
#[tokio::test]
async fn below_router_layer_any_routes_do() {
    let server = serve(UpgradeLayer::new(), false).await;
    for path in ["/any", "/extracted"] {
        assert_http1(server, path).await;
        assert_http2(server, path).await;
    }
    for path in ["/get", "/page"] {
        assert_refused(server, path).await;
    }
}

#[tokio::test]
async fn axums_extractor_serves_both_versions_if_connect_is_kept() {
    for outside in [true, false] {
        let server = serve(UpgradeLayer::new().keep_connect_method(), outside).await;
        for path in ["/axums", "/any", "/extracted"] {
            assert_http1(server, path).await;
            assert_http2(server, path).await;
        }
        // As without the layer: CONNECT is not GET.
        for path in ["/get", "/page"] {
            assert_refused(server, path).await;
        }
    }
}

#[tokio::test]
async fn axums_extractor_serves_http1_and_refuses_a_get_over_http2() {
    let server = serve(UpgradeLayer::new(), true).await;
    assert_http1(server, "/axums").await;
    assert_refused(server, "/axums").await;
}
