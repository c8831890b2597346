//! Rocket 0.5: it keeps hyper to itself, so without the layer. An `IoHandler` gets the connection, and `respond_over`
//! opens the socket on it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use rocket::data::{IoHandler, IoStream};
use rocket::fairing::AdHoc;
use rocket::http::Status;
use rocket::response::{self, Responder, Response};
use rocket::{Config, Request, State, get, routes};
use tokio::sync::oneshot;
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
fn upgrade(sockets: &State<Sockets>) -> Socket {
    Socket(ws::upgrade(echo).sockets(sockets))
}

#[get("/")]
fn page() -> &'static str {
    "an ordinary page"
}

/// What a route returns; goes into your application as it is.
struct Socket(ws::Upgrade);

impl<'r> Responder<'r, 'static> for Socket {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let (hand_over, io) = oneshot::channel();
        let io = async { io.await.map_err(std::io::Error::other) };
        let head = head(request).map_err(|_| Status::BadRequest)?;
        let head: http::Response<()> = self.0.respond_over(&head, io);
        let mut response = Response::new();
        response.set_status(Status::new(head.status().as_u16()));
        for (name, value) in head.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            response.adjoin_raw_header(name.to_string(), value);
        }
        if head.status() == http::StatusCode::SWITCHING_PROTOCOLS {
            response.add_upgrade("websocket", HandOver(hand_over));
        }
        Ok(response)
    }
}

struct HandOver(oneshot::Sender<IoStream>);

#[rocket::async_trait]
impl IoHandler for HandOver {
    async fn io(self: Pin<Box<Self>>, io: IoStream) -> std::io::Result<()> {
        let _ = Pin::into_inner(self).0.send(io);
        Ok(())
    }
}

/// Rocket does not tell the version; it upgrades HTTP/1.1 only.
fn head(request: &Request<'_>) -> http::Result<http::Request<()>> {
    let mut head = http::Request::builder().method(request.method().as_str());
    for header in request.headers().iter() {
        head = head.header(header.name().as_str(), header.value());
    }
    head.body(())
}

#[rocket::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let address: SocketAddr = address.parse().expect("an address");
    let config = Config {
        address: address.ip(),
        port: address.port(),
        log_level: rocket::config::LogLevel::Off,
        ..Config::default()
    };
    let tell = AdHoc::on_liftoff("address", |rocket| {
        Box::pin(async move { println!("http://{}:{}", rocket.config().address, rocket.config().port) })
    });
    let sockets = Sockets::new();
    let rocket = rocket::custom(config).mount("/", routes![upgrade, page]).attach(tell);
    let rocket = rocket.manage(sockets.clone()).ignite().await?;
    // Resolves at SIGTERM.
    let stopped = rocket.shutdown();
    let drain = tokio::spawn(async move {
        stopped.await;
        sockets.shutdown(DEADLINE).await
    });
    rocket.launch().await?;
    drain.await?;
    Ok(())
}
