//! A process as the others see it: a hub with a member, who keeps count of what is lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{Visitor, soon};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use upsock::ws::hub::{Event, Hub};

const ROOM: &str = "the room";

pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) hub: Hub,
    visitor: Visitor,
    told: Arc<Mutex<Told>>,
    sent: Arc<AtomicU64>,
    talks: Arc<AtomicBool>,
    talk: Option<JoinHandle<()>>,
}

/// What the hub has said of losses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// So many messages, by their positions.
    pub(crate) missed: u64,
    /// Some of any room, so often.
    pub(crate) gaps: usize,
    pub(crate) downs: usize,
}

impl Node {
    pub(crate) fn new(name: &'static str, hub: Hub) -> Self {
        let visitor = Visitor::of(&hub, ROOM);
        let told = Arc::new(Mutex::new(Told::default()));
        let mut events = hub.events();
        let notes = told.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let mut told = notes.lock().unwrap();
                match event {
                    Event::Gap {
                        missed: Some(missed), ..
                    } => told.missed += missed,
                    Event::Gap { room, .. } => {
                        assert_eq!(room, None);
                        told.gaps += 1;
                    }
                    Event::RelayDown => told.downs += 1,
                    Event::Missed(_) => panic!("too many events"),
                    _ => {}
                }
            }
        });
        Self {
            name,
            hub,
            visitor,
            told,
            sent: Arc::default(),
            talks: Arc::default(),
            talk: None,
        }
    }

    pub(crate) fn told(&self) -> Told {
        *self.told.lock().unwrap()
    }

    /// Sends all the time, whatever becomes of it.
    pub(crate) fn talk(&mut self, pause: Duration) {
        let (hub, name, sent, talks) = (self.hub.clone(), self.name, self.sent.clone(), self.talks.clone());
        talks.store(true, Ordering::Relaxed);
        self.talk = Some(tokio::spawn(async move {
            while talks.load(Ordering::Relaxed) {
                let number = sent.fetch_add(1, Ordering::Relaxed) + 1;
                assert_eq!(hub.broadcast(ROOM, format!("{name} {number}")), 1);
                sleep(pause).await;
            }
        }));
    }

    /// Sends so many at once to a room of its own, so that those of the other one are behind them.
    pub(crate) fn burst_aside(&self, messages: usize) {
        for _ in 0..messages {
            self.hub.broadcast("aside", vec![0; 2000]);
        }
    }

    /// Sends so many at once.
    pub(crate) fn burst(&mut self, messages: u64) {
        for _ in 0..messages {
            let number = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
            assert_eq!(self.hub.broadcast(ROOM, format!("{} {number}", self.name)), 1);
        }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends what it sends, by a message that NATS has taken.
    pub(crate) async fn hush(&mut self) {
        self.talks.store(false, Ordering::Relaxed);
        if let Some(talk) = self.talk.take() {
            talk.await.unwrap();
        }
        let number = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        let published = self.hub.publish(ROOM, format!("{} {number}", self.name));
        assert_eq!(soon(published).await, Ok(1));
    }

    /// Takes all that its member has got, up to the last of each node: everything of its own, what comes from others in
    /// their order and once, and each loss was told. Returns how many were lost.
    pub(crate) async fn check(&mut self, nodes: &HashMap<&'static str, u64>) -> u64 {
        let mut last: HashMap<String, u64> = HashMap::new();
        let mut lost = 0;
        while nodes.iter().any(|(name, sent)| last.get(*name) != Some(sent)) {
            let text = self.visitor.text().await;
            let (name, number) = text.split_once(' ').unwrap();
            let number: u64 = number.parse().unwrap();
            let last = last.entry(name.to_owned()).or_default();
            assert!(number > *last, "{} has got {text} after {last}", self.name);
            // What is lost before the first is nothing that a hub could know of.
            assert!(*last > 0 || number == 1, "{} has got {text} first", self.name);
            if name == self.name {
                assert_eq!(number, *last + 1, "{} does not get what it sends", self.name);
            }
            lost += number - *last - 1;
            *last = number;
        }
        let told = self.told();
        assert_eq!(told.missed, lost, "{}: {told:?}", self.name);
        if lost > 0 {
            assert!(told.gaps > 0 && told.downs > 0, "{}: {told:?}", self.name);
        }
        lost
    }

    /// Nothing more comes.
    pub(crate) async fn silence(&mut self) {
        self.visitor.silence(Duration::from_millis(200)).await;
    }
}

/// Lets all nodes end what they send, and checks each of them; returns how many messages were lost.
pub(crate) async fn check_all(nodes: &mut [Node]) -> u64 {
    for node in &mut *nodes {
        node.hush().await;
    }
    let sent: HashMap<_, _> = nodes.iter().map(|node| (node.name, node.sent())).collect();
    let mut lost = 0;
    for node in &mut *nodes {
        lost += node.check(&sent).await;
        node.silence().await;
    }
    lost
}
