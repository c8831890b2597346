//! A socket as an actor, in the manner of actix-web-actors: a struct with a method for what happens.
//!
//! `cargo run --example actor -- [--listen ADDR]`

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use upsock::ws::{self, CloseCode, CloseFrame, KeepAlive, Message, Sender, UpgradeLayer, Utf8Bytes, WebSocket};

/// What a socket does. `Event` is what the rest of the program may tell it.
trait Actor: Send + 'static {
    type Event: Send + 'static;

    fn started(&mut self, context: &Context<Self::Event>);
    fn text(&mut self, text: Utf8Bytes, context: &Context<Self::Event>);
    fn event(&mut self, event: Self::Event, context: &Context<Self::Event>);
    fn stopping(&mut self, close: Option<&CloseFrame>);
}

struct Context<E> {
    /// Into the socket.
    socket: Sender,
    /// Into the actor: to be handed out to whoever has something to tell it.
    address: mpsc::UnboundedSender<E>,
}

/// Runs an actor on a socket: all there is to the framework.
async fn run<A: Actor>(mut actor: A, mut socket: WebSocket) {
    let (address, mut events) = mpsc::unbounded_channel();
    let context = Context {
        socket: socket.sender(),
        address,
    };
    actor.started(&context);
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => actor.text(text, &context),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
            Some(event) = events.recv() => actor.event(event, &context),
        }
    }
    actor.stopping(socket.close_frame());
}

/// Echoes, counts, and sets an alarm when asked to.
#[derive(Default)]
struct Counter {
    count: usize,
}

struct Alarm;

impl Actor for Counter {
    type Event = Alarm;

    fn started(&mut self, context: &Context<Alarm>) {
        let _ = context.socket.try_send(Message::text("say something"));
    }

    fn text(&mut self, text: Utf8Bytes, context: &Context<Alarm>) {
        self.count += 1;
        if text == "wake me" {
            let address = context.address.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                let _ = address.send(Alarm);
            });
        }
        let answer = format!("{}: {text}", self.count);
        // A full outbox: this peer asks faster than it reads.
        if context.socket.try_send(Message::text(answer)).is_err() {
            let _ = context.socket.close(CloseCode::Policy, "read, please");
        }
    }

    fn event(&mut self, _: Alarm, context: &Context<Alarm>) {
        let _ = context.socket.try_send(Message::text("ring"));
    }

    fn stopping(&mut self, close: Option<&CloseFrame>) {
        println!("stopped after {} messages, with {close:?}", self.count);
    }
}

async fn route() -> Response {
    ws::upgrade(|socket| run(Counter::default(), socket))
        // The heartbeat, which an actor would have to send and watch by itself.
        .configure(|config| config.keep_alive(KeepAlive::new(Duration::from_secs(5), Duration::from_secs(5))))
        .into_response()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = match (std::env::args().nth(1).as_deref(), std::env::args().nth(2)) {
        (Some("--listen"), Some(address)) => address,
        (None, _) => "127.0.0.1:9004".to_owned(),
        _ => return Err("usage: actor [--listen ADDR]".into()),
    };
    let listener = TcpListener::bind(address).await?;
    println!("ws://{}/", listener.local_addr()?);
    let app = Router::new().route("/", get(route)).layer(UpgradeLayer::new());
    axum::serve(listener, app).await?;
    Ok(())
}
