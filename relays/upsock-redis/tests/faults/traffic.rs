//! Publishers in several processes, and what their messages have to be when they arrive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::Visitor;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use upsock::ws::hub::Hub;

/// Publishers that send one message after another, each as soon as the one before is acknowledged.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    publishers: Vec<JoinHandle<(String, usize)>>,
}

impl Traffic {
    /// So many publishers on each hub.
    pub(crate) fn start(hubs: &[Hub], room: &'static str, publishers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let publishers = (0..hubs.len() * publishers)
            .map(|number| {
                let hub = hubs[number % hubs.len()].clone();
                tokio::spawn(publish(hub, room, format!("p{number}"), stop.clone()))
            })
            .collect();
        Self { stop, publishers }
    }

    /// Ends it; returns how many messages each has sent, all of them acknowledged.
    pub(crate) async fn stop(self) -> BTreeMap<String, usize> {
        self.stop.store(true, Ordering::Relaxed);
        let mut counts = BTreeMap::new();
        for publisher in self.publishers {
            let (name, count) = publisher.await.unwrap();
            counts.insert(name, count);
        }
        counts
    }
}

async fn publish(hub: Hub, room: &'static str, name: String, stop: Arc<AtomicBool>) -> (String, usize) {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) && count < 5000 {
        let text = format!("{name} {count}");
        let acknowledged = timeout(Duration::from_secs(60), hub.publish(room, text)).await.unwrap();
        assert!(acknowledged.is_ok(), "{name} {count}: {acknowledged:?}");
        count += 1;
        // Not all of the limit before anything has happened.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (name, count)
}

/// The visitor gets all of it: each publisher's in order, none twice, and nothing else.
pub(crate) async fn expect_all(visitor: &mut Visitor, counts: &BTreeMap<String, usize>) {
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..counts.values().sum() {
        let text = visitor.text().await;
        let (name, number) = text.split_once(' ').unwrap();
        let next = next.entry(name.to_owned()).or_default();
        assert_eq!(number, next.to_string(), "of {name}");
        *next += 1;
    }
    visitor.silence(Duration::from_millis(100)).await;
    assert_eq!(&next, counts);
}
