//! How long a message takes from one process to a member in another, through a nats-server on this machine.
//!
//! `cargo bench --bench latency`: this process sends to a room that a member in a second process is in; whatever that
//! member's client receives is sent to another room, which a member here is in. One way is half of that.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use support::{Server, soon, until};
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use upsock::ws::hub::{Hub, Membership};
use upsock::ws::{Config, Message, WebSocket};
use upsock_nats::Nats;

const THERE: &str = "there";
const BACK: &str = "back";
const SINGLE: usize = 20_000;
const BURST: usize = 10_000;
const BURSTS: usize = 20;

/// A member, and its client, which is read where it is needed.
struct Member {
    _socket: WebSocket,
    _membership: Membership,
    client: WebSocketStream<DuplexStream>,
}

impl Member {
    async fn new(hub: &Hub, room: &str) -> Self {
        let (client, io) = tokio::io::duplex(1 << 16);
        let socket = WebSocket::from_io(io, Config::new().outbox(1 << 30, 1 << 20));
        Self {
            _membership: hub.join(room, &socket.sender()),
            _socket: socket,
            client: WebSocketStream::from_raw_socket(client, Role::Client, None).await,
        }
    }

    async fn next(&mut self) -> Message {
        soon(self.client.next()).await.unwrap().unwrap()
    }
}

async fn connected(url: &str) -> Hub {
    let hub = Hub::builder()
        .relay(Nats::new(url).unwrap())
        .backlog(1 << 20, 1 << 30)
        .build();
    until(|| hub.relay_state().unwrap().up).await;
    hub
}

/// The second process: what its member gets goes back, of a burst only the last.
async fn answer(url: &str) {
    let hub = connected(url).await;
    let mut member = Member::new(&hub, THERE).await;
    hub.broadcast(BACK, "here");
    while let Some(Ok(message)) = member.client.next().await {
        match &message {
            Message::Binary(payload) if payload[0] == b'.' => {}
            Message::Binary(_) => drop(hub.broadcast(BACK, message)),
            _ => {}
        }
    }
}

async fn measure(url: &str) {
    let hub = connected(url).await;
    let mut member = Member::new(&hub, BACK).await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["answer", url])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    // The room there is subscribed to when something comes through it.
    let mut ready = false;
    while !ready {
        hub.broadcast(THERE, &b"?                   "[..]);
        ready = tokio::time::timeout(Duration::from_millis(50), member.client.next())
            .await
            .is_ok();
    }
    while tokio::time::timeout(Duration::from_millis(100), member.client.next())
        .await
        .is_ok()
    {}

    let mut times = Vec::with_capacity(SINGLE);
    for number in 0..SINGLE + 1000 {
        let sent = Instant::now();
        hub.broadcast(THERE, format!("#{number:019}").into_bytes());
        let back = member.next().await;
        times.push(sent.elapsed() / 2);
        assert_eq!(back.into_data(), format!("#{number:019}").into_bytes());
    }
    let mut times = times.split_off(1000);
    times.sort();
    let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize].as_secs_f64() * 1e6;
    println!(
        "20 B, one at a time, one way: p50 {:.0} µs, p99 {:.0} µs, p99.9 {:.0} µs",
        at(0.5),
        at(0.99),
        at(0.999)
    );

    let mut rates = Vec::new();
    for _ in 0..BURSTS {
        let begun = Instant::now();
        for _ in 1..BURST {
            hub.broadcast(THERE, &b".                   "[..]);
        }
        hub.broadcast(THERE, &b"!                   "[..]);
        member.next().await;
        rates.push(BURST as f64 / begun.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    println!(
        "20 B, bursts of {BURST}: {:.0} a second (median of {BURSTS}; {:.0} to {:.0})",
        rates[BURSTS / 2],
        rates[0],
        rates[BURSTS - 1]
    );

    let mut times = Vec::new();
    for _ in 0..2000 {
        let begun = Instant::now();
        hub.publish(THERE, &b".                   "[..]).await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort();
    println!(
        "publish().await, one at a time: p50 {:.0} µs",
        times[1000].as_secs_f64() * 1e6
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let [_, word, url] = &arguments[..]
        && word == "answer"
    {
        let url = url.clone();
        return runtime
            .block_on(runtime.spawn(async move { answer(&url).await }))
            .unwrap();
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load before: {}", load.trim());
    let work = async {
        let server = Server::nats().await;
        measure(&server.url()).await;
    };
    // On a worker, as a server's handlers are.
    runtime.block_on(runtime.spawn(work)).unwrap();
}
