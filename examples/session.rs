//! Sending and receiving apart, as actix-ws does with its `Session` and `MessageStream`: one task answers what comes,
//! another tells the time.
//!
//! `cargo run --example session -- [--listen ADDR]`

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::interval;
use upsock::ws::{self, CloseCode, Message, Sender, UpgradeLayer, WebSocket};

async fn route() -> Response {
    ws::upgrade(handle)
        .configure(|config| config.max_message(1024 * 1024))
        .into_response()
}

async fn handle(mut stream: WebSocket) -> Result<(), ws::Error> {
    let session = stream.sender();
    tokio::spawn(tell_time(session.clone()));
    while let Some(message) = stream.recv().await {
        match message? {
            // Fragments are put together, and pings are answered, before we see them.
            Message::Text(text) if text == "bye" => session.close(CloseCode::Normal, "as you wish")?,
            message @ (Message::Text(_) | Message::Binary(_)) => session.send(message).await?,
            _ => {}
        }
    }
    Ok(())
}

/// It does not keep the socket open: when that is closed, sending fails, and this ends.
async fn tell_time(session: Sender) {
    let mut second = interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if session.send(Message::text(format!("time {now}"))).await.is_err() {
            break;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = match (std::env::args().nth(1).as_deref(), std::env::args().nth(2)) {
        (Some("--listen"), Some(address)) => address,
        (None, _) => "127.0.0.1:9003".to_owned(),
        _ => return Err("usage: session [--listen ADDR]".into()),
    };
    let listener = TcpListener::bind(address).await?;
    println!("ws://{}/", listener.local_addr()?);
    let app = Router::new().route("/", get(route)).layer(UpgradeLayer::new());
    axum::serve(listener, app).await?;
    Ok(())
}
