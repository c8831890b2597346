//! actix-web 4: not built on hyper, so without the layer. Its payload is what the client sends, a streamed body is what
//! it gets, and `respond_over` opens the socket on the two.

use std::future::ready;
use std::time::Duration;

use actix_web::http::{StatusCode, Version};
use actix_web::rt::signal::unix::{SignalKind, signal};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, get, rt, web};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;
use upsock::ws::{self, Message, Sockets, WebSocket};

/// Below the 30 s after which Kubernetes and others kill a process.
const DEADLINE: Duration = Duration::from_secs(25);

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        match message {
            Message::Text(text) if text == "bye" => break,
            Message::Text(_) | Message::Binary(_) => drop(socket.send(message).await),
            _ => {}
        }
    }
}

#[get("/echo")]
async fn open(request: HttpRequest, payload: web::Payload, sockets: web::Data<Sockets>) -> HttpResponse {
    respond(ws::upgrade(echo).sockets(&sockets), &request, payload)
}

#[get("/")]
async fn page() -> &'static str {
    "an ordinary page"
}

/// Goes into your application as it is.
fn respond(upgrade: ws::Upgrade, request: &HttpRequest, mut payload: web::Payload) -> HttpResponse {
    let Ok(head) = head(request) else {
        return HttpResponse::BadRequest().force_close().finish();
    };
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let head: http::Response<()> = upgrade.respond_over(&head, ready(Ok(ours)));
    let status = StatusCode::from_u16(head.status().as_u16()).expect("a status");
    let mut response = HttpResponse::build(status);
    for (name, value) in head.headers() {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    if status != StatusCode::SWITCHING_PROTOCOLS {
        // actix writes `Connection` itself.
        return response.force_close().finish();
    }
    let (reader, mut writer) = tokio::io::split(theirs);
    rt::spawn(async move {
        while let Some(Ok(bytes)) = payload.next().await {
            if writer.write_all(&bytes).await.is_err() {
                break;
            }
        }
        let _ = writer.shutdown().await;
    });
    response.upgrade("websocket").streaming(ReaderStream::new(reader))
}

/// actix-web's types are those of http 0.2.
fn head(request: &HttpRequest) -> http::Result<http::Request<()>> {
    let mut head = http::Request::builder()
        .method(request.method().as_str())
        .uri(request.uri().to_string())
        .version(match request.version() {
            Version::HTTP_11 => http::Version::HTTP_11,
            Version::HTTP_2 => http::Version::HTTP_2,
            _ => http::Version::HTTP_10,
        });
    for (name, value) in request.headers() {
        head = head.header(name.as_str(), value.as_bytes());
    }
    head.body(())
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let sockets = web::Data::new(Sockets::new());
    let state = sockets.clone();
    let server =
        HttpServer::new(move || App::new().app_data(state.clone()).service(open).service(page)).bind(address)?;
    let mut terminate = signal(SignalKind::terminate())?;
    rt::spawn(async move {
        terminate.recv().await;
        sockets.shutdown(DEADLINE).await
    });
    println!("http://{}", server.addrs()[0]);
    // It stops at SIGTERM by itself, and waits for its connections, the sockets' among them.
    server.run().await
}
