//! The hub goes, and its relay with it.

use std::time::{Duration, Instant};

use support::{Server, Visitor, soon};
use tokio::sync::oneshot;
use upsock::ws::hub::{Hub, Port, Relay};
use upsock_nats::Nats;

use crate::{hub, relay, up};

/// Tells when the relay has ended.
struct Watched(Nats, oneshot::Sender<()>);

impl Relay for Watched {
    async fn run(self, port: Port) {
        self.0.run(port).await;
        let _ = self.1.send(());
    }
}

fn watched(relay: Nats) -> (Hub, oneshot::Receiver<()>) {
    let (sender, ended) = oneshot::channel();
    (Hub::builder().relay(Watched(relay, sender)).build(), ended)
}

#[tokio::test]
async fn what_was_sent_before_the_end_arrives() {
    let server = Server::nats().await;
    let there = hub(&server);
    let mut visitor = Visitor::of(&there, "x");
    up(&there).await;
    // Not even connected yet.
    let (here, ended) = watched(relay(&server));
    for number in 0..10_000 {
        here.broadcast("x", number.to_string());
    }
    drop(here);
    soon(ended).await.unwrap();
    for number in 0..10_000 {
        visitor.expect(&number.to_string()).await;
    }
}

#[tokio::test]
async fn without_anything_to_do_it_ends_at_once() {
    let server = Server::nats().await;
    let nowhere = Server::nats_stopped();
    let long = |server: &Server| relay(server).timeout(Duration::from_secs(3600));
    let (connected, first) = watched(long(&server));
    up(&connected).await;
    let (waiting, second) = watched(long(&nowhere));
    tokio::task::yield_now().await;
    drop((connected, waiting));
    soon(first).await.unwrap();
    soon(second).await.unwrap();
}

#[tokio::test]
async fn with_a_server_that_is_away_it_ends_in_time() {
    let server = Server::nats().await;
    let nowhere = Server::nats_stopped();
    let (connected, first) = watched(relay(&server));
    let (waiting, second) = watched(relay(&nowhere));
    up(&connected).await;
    server.pause().await;
    for hub in [connected, waiting] {
        hub.broadcast("x", "hello");
    }
    let dropped = Instant::now();
    soon(first).await.unwrap();
    soon(second).await.unwrap();
    println!("ended after {:?}", dropped.elapsed());
}
