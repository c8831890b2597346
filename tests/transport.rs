//! A transport that the layer is told of is taken out of hyper's box, with no byte lost: here TLS.

#![cfg(feature = "websocket")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::any::type_name;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use support::{Head, accept, service, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tokio_tungstenite::tungstenite::Message;
use upsock::ws::{self, UpgradeLayer, WebSocket};

type Stream = server::TlsStream<TcpStream>;

#[derive(Clone, Copy, Debug)]
enum Hyper {
    Http1,
    Auto,
}

fn route(request: &Request<Incoming>) -> Response<Empty<Bytes>> {
    match request.uri().path() {
        "/echo" => ws::upgrade(async |mut socket: WebSocket| {
            while let Some(Ok(message)) = socket.recv().await {
                if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                    break;
                }
            }
        })
        .into(),
        _ => upsock::upgrade("describe", |mut io| async move {
            let transport = format!("{io:?}\n");
            let _ = io.write_all(transport.as_bytes()).await;
            // What follows comes back.
            let (mut reader, mut writer) = tokio::io::split(io);
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        })
        .into(),
    }
}

/// A server with a certificate of its own, and how to reach it.
async fn serve(layer: UpgradeLayer, hyper: Hyper) -> (SocketAddr, TlsConnector) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let config = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![cert.der().clone()],
            PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let service = layer.layer(service(|request| route(&request)));
    let address = accept(move |stream| {
        let (acceptor, service) = (acceptor.clone(), service.clone());
        tokio::spawn(async move {
            let stream = TokioIo::new(acceptor.accept(stream).await.unwrap());
            let _ = match hyper {
                Hyper::Http1 => {
                    let connection = http1::Builder::new().serve_connection(stream, service);
                    connection.with_upgrades().await.map_err(Into::into)
                }
                Hyper::Auto => {
                    let server = auto::Builder::new(TokioExecutor::new());
                    server.serve_connection_with_upgrades(stream, service).await
                }
            };
        });
    })
    .await;

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (address, TlsConnector::from(Arc::new(config)))
}

async fn connect(server: &(SocketAddr, TlsConnector)) -> client::TlsStream<TcpStream> {
    let stream = TcpStream::connect(server.0).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    within(server.1.connect(name, stream)).await.unwrap()
}

/// Sends this in one TLS record, and reads the answer's head.
async fn open(server: &(SocketAddr, TlsConnector), request: &[u8]) -> (client::TlsStream<TcpStream>, String) {
    let mut client = connect(server).await;
    client.write_all(request).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(client.read_u8()).await.unwrap());
    }
    (client, String::from_utf8(head).unwrap())
}

/// The `Debug` output of the server's transport, and what comes back of what was sent with the request.
async fn describe(layer: UpgradeLayer, hyper: Hyper, early: &str) -> (String, String) {
    let server = serve(layer, hyper).await;
    let request = Head::get("/").add("Upgrade", "describe").add("Connection", "upgrade");
    let (mut client, head) = open(&server, &request.and(early)).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut description = Vec::new();
    while !description.ends_with(b"\n") {
        description.push(within(client.read_u8()).await.unwrap());
    }
    let mut echo = vec![0; early.len()];
    within(client.read_exact(&mut echo)).await.unwrap();
    (
        String::from_utf8(description).unwrap(),
        String::from_utf8(echo).unwrap(),
    )
}

#[tokio::test]
async fn only_the_named_transport_is_taken_out_of_the_box() {
    let named = UpgradeLayer::new().transport::<Stream>();
    let other = UpgradeLayer::new().transport::<tokio::io::DuplexStream>();
    for hyper in [Hyper::Http1, Hyper::Auto] {
        for (layer, transport) in [
            (named.clone(), type_name::<Stream>()),
            (other.clone(), type_name::<Upgraded>()),
            (UpgradeLayer::new(), type_name::<Upgraded>()),
            (other.clone().transport::<Stream>(), type_name::<Stream>()),
        ] {
            let (description, echo) = describe(layer, hyper, "sent with the request").await;
            assert_eq!(description, format!("Io {{ transport: {transport:?} }}\n"), "{hyper:?}");
            assert_eq!(echo, "sent with the request", "{hyper:?}");
        }
    }
}

#[tokio::test]
async fn frames_that_come_with_the_handshake_are_the_first_messages() {
    for hyper in [Hyper::Http1, Hyper::Auto] {
        let server = serve(UpgradeLayer::new().transport::<Stream>(), hyper).await;
        // "early", masked; a second frame begins, and ends later.
        let request = Head::handshake("/echo").and(b"\x81\x85\x01\x02\x03\x04dcqhx\x81\x84\0\0\0\0la");
        let (mut client, head) = open(&server, &request).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut first = [0; 7];
        within(client.read_exact(&mut first)).await.unwrap();
        assert_eq!(&first, b"\x81\x05early", "{hyper:?}");
        client.write_all(b"te").await.unwrap();
        let mut second = [0; 6];
        within(client.read_exact(&mut second)).await.unwrap();
        assert_eq!(&second, b"\x81\x04late", "{hyper:?}");
    }
}

#[tokio::test]
async fn a_websocket_echoes_and_closes() {
    for hyper in [Hyper::Http1, Hyper::Auto] {
        let server = serve(UpgradeLayer::new().transport::<Stream>(), hyper).await;
        let client = tokio_tungstenite::client_async("ws://localhost/echo", connect(&server).await);
        let (mut client, _) = within(client).await.unwrap();
        for message in [Message::text("hello"), Message::binary(vec![7; 300_000])] {
            within(client.send(message.clone())).await.unwrap();
            assert_eq!(within(client.next()).await.unwrap().unwrap(), message, "{hyper:?}");
        }
        within(client.close(None)).await.unwrap();
        assert_eq!(within(client.next()).await.unwrap().unwrap(), Message::Close(None));
        assert!(within(client.next()).await.is_none());
    }
}
