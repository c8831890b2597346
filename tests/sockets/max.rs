//! Never more sockets than the layer's maximum; and a place that is free can be taken at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;
use upsock::UpgradeLayer;
use upsock::ws::{self, WebSocket};

use crate::support::{Answer, Client, Head};
use crate::{expect_open, serve};

const MAX: usize = 20;

/// How many closures run, and the most that ever did.
#[derive(Clone, Default)]
struct Running(Arc<(AtomicUsize, AtomicUsize)>);

impl Running {
    fn enter(&self) -> Self {
        let running = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(running, Ordering::SeqCst);
        self.clone()
    }
}

/// A closure's stay.
struct Stay(Running);

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn handshake(server: std::net::SocketAddr) -> (Client, Answer) {
    let mut client = Client::connect(server).await;
    client.send(Head::handshake("/").and("")).await;
    let answer = client.answer().await;
    (client, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn parallel_handshakes_never_pass_the_maximum() {
    let layer = UpgradeLayer::new().max_sockets(MAX);
    let sockets = layer.sockets();
    let running = Running::default();
    let count = running.clone();
    let server = serve(&layer, move || {
        let count = count.clone();
        ws::upgrade(move |mut socket: WebSocket| async move {
            let _stay = Stay(count.enter());
            while socket.recv().await.is_some_and(|item| item.is_ok()) {}
        })
    })
    .await;

    let mut tasks = JoinSet::new();
    for _ in 0..3 * MAX {
        tasks.spawn(handshake(server));
    }
    let (mut open, mut refused) = (Vec::new(), 0);
    for (client, answer) in tasks.join_all().await {
        if answer.status == 101 {
            open.push(client);
        } else {
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
            assert!(answer.lists("connection", "close"));
            refused += 1;
        }
    }
    assert_eq!((open.len(), refused), (MAX, 2 * MAX));
    assert_eq!(sockets.len(), MAX);
    assert_eq!(sockets.stats().refused, 2 * MAX as u64);

    open.truncate(MAX / 2);
    expect_open(&sockets, MAX / 2).await;
    for _ in 0..MAX / 2 {
        let (client, answer) = handshake(server).await;
        assert_eq!(answer.status, 101);
        open.push(client);
    }
    assert_eq!(handshake(server).await.1.status, 503);
    drop(open);

    // They come and go.
    let mut tasks = JoinSet::new();
    for _ in 0..2 * MAX {
        let sockets = sockets.clone();
        tasks.spawn(async move {
            let mut opened = 0;
            for _ in 0..20 {
                let (client, answer) = handshake(server).await;
                assert!(matches!(answer.status, 101 | 503));
                assert!(sockets.len() <= MAX);
                opened += usize::from(answer.status == 101);
                drop(client);
            }
            opened
        });
    }
    let opened: usize = tasks.join_all().await.into_iter().sum();
    expect_open(&sockets, 0).await;
    assert_eq!(sockets.stats().opened as usize, opened + MAX + MAX / 2);
    assert!((1..=MAX).contains(&running.0.1.load(Ordering::SeqCst)));
    assert_eq!(running.0.0.load(Ordering::SeqCst), 0);
}
