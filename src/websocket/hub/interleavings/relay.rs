//! Two processes, and what lies between them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use shuttle::future::{JoinHandle, block_on, spawn};
use shuttle::thread;

use super::super::relay::{Rooms, Side};
use super::super::shared::Shared;
use super::super::{Command, Event, History, Hub, Lag, Port, Position};
use super::{Visitor, check, join_all, piece, publishers, say};

/// A hub, and its relay's end of it.
struct Node {
    hub: Hub,
    port: Arc<Port>,
    /// What the message system knows that it wants.
    topics: Arc<Mutex<BTreeSet<Arc<str>>>>,
}

impl Node {
    fn new(node: u64, history: Option<History>, keeps_history: bool) -> Self {
        let side = Side::new(node, keeps_history, history, (64, 1 << 16));
        let shared = Arc::new(Shared::new(Lag::default(), history, Some(side)));
        let rooms: Weak<dyn Rooms> = Arc::downgrade(&shared) as _;
        let port = Arc::new(shared.relay().unwrap().port(rooms));
        Self {
            hub: Hub::with(shared, Duration::from_secs(2)),
            port,
            topics: Arc::default(),
        }
    }

    /// Runs the relay: what this node sends goes to the other, and comes back as an echo, where it is wanted.
    fn relay(&self, other: &Self) -> JoinHandle<()> {
        let nodes = [self, other].map(|node| (node.port.clone(), node.topics.clone()));
        let (port, topics) = nodes[0].clone();
        topics.lock().unwrap().extend(port.topics());
        spawn(async move {
            port.up();
            while let Some(command) = port.next().await {
                match command {
                    Command::Subscribe(topic) => assert!(topics.lock().unwrap().insert(topic)),
                    Command::Unsubscribe(topic) => assert!(topics.lock().unwrap().remove(&topic)),
                    Command::Publish(publication) => {
                        for (port, topics) in &nodes {
                            let wanted = topics.lock().unwrap().contains(publication.topic());
                            if wanted {
                                port.deliver(publication.topic(), publication.payload()).unwrap();
                            }
                        }
                        publication.acknowledge();
                    }
                }
            }
        })
    }

    /// All that it has sent by now is relayed, and what it wants is known.
    fn settle(&self) {
        block_on(self.hub.publish("nobody", "")).unwrap();
    }

    fn wants(&self, topic: &str) -> bool {
        self.topics.lock().unwrap().contains(topic)
    }
}

/// Those of one epoch.
fn of(heard: &[Position], epoch: u64) -> Vec<Position> {
    heard
        .iter()
        .filter(|position| position.epoch == epoch)
        .copied()
        .collect()
}

#[test]
fn two_processes_hear_each_other_in_order() {
    check(|| {
        let nodes = [Node::new(1, None, false), Node::new(2, None, false)];
        let witnesses = nodes.each_ref().map(|node| {
            let visitor = Visitor::new();
            (node.hub.join("x", &visitor.sender()), visitor)
        });
        let mut events = nodes.each_ref().map(|node| node.hub.events());
        let relays = [nodes[0].relay(&nodes[1]), nodes[1].relay(&nodes[0])];
        let mut threads = publishers(&nodes[0].hub, 2, 2);
        threads.extend(publishers(&nodes[1].hub, 1, 2));
        let hub = nodes[0].hub.clone();
        let guest = thread::spawn(move || {
            let visitor = Visitor::new();
            let membership = hub.join("x", &visitor.sender());
            say(&hub, "x");
            drop(membership);
            visitor.rest()
        });
        let guest = guest.join().unwrap();
        join_all(threads);
        for node in &nodes {
            node.settle();
            assert!(node.wants("x"));
        }
        let heard = witnesses.map(|(membership, visitor)| {
            drop(membership);
            visitor.rest()
        });
        for heard in &heard {
            assert_eq!(heard.len(), 7);
            let (first, other) = heard
                .iter()
                .partition::<Vec<_>, _>(|there| there.epoch == heard[0].epoch);
            let mut counts = [first, other].map(|of_one| piece(&of_one.into_iter().copied().collect::<Vec<_>>()));
            counts.sort_by_key(|piece| *piece.end());
            assert_eq!(counts, [1..=2, 1..=5]);
        }
        // The guest has a piece of the order in its own process.
        let start = heard[0].iter().position(|position| *position == guest[0]).unwrap();
        assert_eq!(heard[0][start..start + guest.len()], guest[..]);
        for events in &mut events {
            while let Some(event) = events.recv().now_or_never().flatten() {
                assert!(!matches!(event, Event::Gap { .. } | Event::Missed(_)), "{event:?}");
            }
        }
        let topics = nodes.map(|node| node.topics);
        for relay in relays {
            block_on(relay).unwrap();
        }
        assert!(topics.iter().all(|topics| topics.lock().unwrap().is_empty()));
    });
}

fn interest_follows_the_members(history: Option<History>) {
    check(move || {
        let node = Node::new(1, history, false);
        let other = Node::new(2, None, false);
        let relay = node.relay(&other);
        let threads = (0..3).map(|number| {
            let hub = node.hub.clone();
            thread::spawn(move || {
                let visitor = Visitor::new();
                let membership = hub.join("x", &visitor.sender());
                if number > 0 {
                    drop(membership);
                    drop(hub.join("x", &visitor.sender()));
                    visitor.rest();
                    return None;
                }
                Some((membership, visitor))
            })
        });
        let stayed = join_all(threads.collect());
        node.settle();
        assert!(node.wants("x"));
        for (membership, visitor) in stayed.into_iter().flatten() {
            drop(membership);
            visitor.rest();
        }
        node.settle();
        assert!(!node.wants("x"));
        drop(node);
        block_on(relay).unwrap();
    });
}

#[test]
fn interest_begins_with_the_first_member_and_ends_with_the_last() {
    interest_follows_the_members(None);
}

#[test]
fn interest_ends_with_the_room() {
    interest_follows_the_members(Some(History::new().rooms(0)));
}

/// Payloads of another process.
fn of_another(count: usize) -> Vec<bytes::Bytes> {
    let node = Node::new(2, None, false);
    for _ in 0..count {
        say(&node.hub, "x");
    }
    let commands = std::iter::from_fn(|| node.port.next().now_or_never().flatten());
    let payload = |command| match command {
        Command::Publish(publication) => Some(publication.payload().clone()),
        _ => None,
    };
    commands.filter_map(payload).collect()
}

#[test]
fn who_comes_back_waits_for_the_past() {
    check(|| {
        let node = Node::new(1, Some(History::new()), true);
        let payloads = of_another(4);
        let port = node.port.clone();
        let relay = spawn(async move {
            while let Some(command) = port.next().await {
                match command {
                    Command::Subscribe(topic) if *topic == *"x" => {
                        for payload in &payloads[..2] {
                            port.replay("x", payload).unwrap();
                        }
                        port.caught_up("x");
                        for payload in &payloads[2..] {
                            port.deliver("x", payload).unwrap();
                        }
                    }
                    Command::Publish(publication) => publication.acknowledge(),
                    _ => {}
                }
            }
        });
        let publishers = publishers(&node.hub, 1, 2);
        let guests = (0..2).map(|_| {
            let hub = node.hub.clone();
            thread::spawn(move || {
                let visitor = Visitor::new();
                let joined = block_on(hub.join_since("x", &visitor.sender(), &[]));
                assert!(joined.complete);
                (joined.membership, visitor, joined.positions[0].epoch)
            })
        });
        let guests = join_all(guests.collect());
        join_all(publishers);
        node.settle();
        drop(node);
        block_on(relay).unwrap();
        for (membership, visitor, epoch) in guests {
            drop(membership);
            let heard = visitor.rest();
            assert_eq!(piece(&of(&heard, epoch)), 1..=2);
            assert_eq!(heard.len(), 2 + 4);
            let other = heard.iter().find(|position| position.epoch != epoch).unwrap();
            assert_eq!(piece(&of(&heard, other.epoch)), 1..=4);
        }
    });
}
