//! A server that dies and hangs at random, for about 20 s.

use std::collections::BTreeMap;
use std::time::Duration;

use support::{Server, Visitor};
use tokio::time::{Instant, sleep};

use crate::traffic::{Traffic, expect_all};
use crate::{keeping, up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_whenever_the_server_fails() {
    let mut server = Server::redis().await;
    let hubs = [keeping(&server), keeping(&server), keeping(&server)];
    let mut visitors: Vec<_> = hubs.iter().map(|hub| Visitor::of(hub, "x")).collect();
    for hub in &hubs {
        up(hub).await;
    }
    let traffic = Traffic::start(&hubs, "x", 8);
    let from = Instant::now();
    let seed = fastrand::get_seed();
    while from.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(fastrand::u64(1..800))).await;
        let away = Duration::from_millis(fastrand::u64(1..1000));
        if fastrand::bool() {
            server.kill();
            sleep(away).await;
            server.start().await;
        } else {
            server.pause().await;
            sleep(away).await;
            server.resume();
        }
    }
    println!("seed {seed}");
    for hub in &hubs {
        up(hub).await;
    }
    let counts = traffic.stop().await;
    let all: usize = counts.values().sum();
    assert!(all > 500, "{counts:?}");
    for visitor in &mut visitors {
        expect_all(visitor, &counts).await;
    }
    // Whoever comes now finds the last of it, in order as well.
    let late = keeping(&server);
    let mut visitor = Visitor::new();
    let joined = visitor.join_since(&late, "x", &[]).await;
    assert!(joined.replayed > 400, "{joined:?}");
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..joined.replayed {
        let text = visitor.text().await;
        let (name, number) = text.split_once(' ').unwrap();
        let number = number.parse().unwrap();
        let before = last.insert(name.to_owned(), number);
        assert!(before < Some(number), "{name}: {number} after {before:?}");
    }
    assert!(
        last.iter().all(|(name, last)| last + 1 == counts[name]),
        "{last:?} of {counts:?}"
    );
}
