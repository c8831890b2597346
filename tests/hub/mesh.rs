//! A message system in this process, with the faults of real ones.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use upsock::ws::hub::{Command, Hub, HubBuilder, Port, Relay};

type Item = (Arc<str>, Bytes);

/// The system. Its clones are the same.
#[derive(Clone)]
pub(crate) struct Mesh {
    nodes: Arc<Mutex<Vec<UnboundedSender<Item>>>>,
    /// What was published, for those who come later.
    log: Option<Arc<Mutex<Vec<Item>>>>,
    up: watch::Sender<bool>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    acknowledges: bool,
    pub(crate) delivered: Arc<AtomicUsize>,
}

/// What happens to the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Lost,
    Twice,
    /// It comes after the one that follows.
    Late,
}

impl Mesh {
    pub(crate) fn new() -> Self {
        Self {
            nodes: Arc::default(),
            log: None,
            up: watch::Sender::new(true),
            faults: Arc::default(),
            acknowledges: true,
            delivered: Arc::default(),
        }
    }

    pub(crate) fn with_history(mut self) -> Self {
        self.log = Some(Arc::default());
        self
    }

    pub(crate) fn without_acknowledgements(mut self) -> Self {
        self.acknowledges = false;
        self
    }

    pub(crate) fn set_up(&self, up: bool) {
        self.up.send_replace(up);
    }

    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// A hub on it.
    pub(crate) fn hub(&self, configure: impl FnOnce(HubBuilder) -> HubBuilder) -> Hub {
        configure(Hub::builder().relay(Node(self.clone()))).build()
    }

    /// Gives every node anything.
    pub(crate) fn publish(&self, topic: &str, payload: Bytes) {
        for node in &*self.nodes.lock().unwrap() {
            let _ = node.send((topic.into(), payload.clone()));
        }
    }
}

struct Node(Mesh);

impl Relay for Node {
    async fn run(self, port: Port) {
        let Self(mesh) = self;
        let mut up = mesh.up.subscribe();
        let mut topics = HashSet::new();
        // It is there while the system is down: which node hears of that first must not matter.
        let (sender, mut inbox) = unbounded_channel();
        mesh.nodes.lock().unwrap().push(sender);
        let mut connected = false;
        let mut late: Option<Item> = None;
        loop {
            if !*up.borrow_and_update() {
                port.down();
                connected = false;
                tokio::select! {
                    () = port.closed() => return,
                    _ = up.changed() => continue,
                }
            }
            if !std::mem::replace(&mut connected, true) {
                topics.clear();
                for topic in port.topics() {
                    mesh.replay(&port, &topic);
                    topics.insert(topic);
                }
                port.up();
            }
            tokio::select! {
                biased;
                _ = up.changed() => {}
                command = port.next() => match command {
                    None => return,
                    Some(Command::Subscribe(topic)) => {
                        mesh.replay(&port, &topic);
                        topics.insert(topic);
                    }
                    Some(Command::Unsubscribe(topic)) => assert!(topics.remove(&topic)),
                    Some(Command::Publish(publication)) => {
                        let item: Item = (publication.topic().into(), publication.payload().clone());
                        let fault = mesh.faults.lock().unwrap().pop_front().unwrap_or(Fault::None);
                        if let Some(log) = &mesh.log {
                            log.lock().unwrap().push(item.clone());
                        }
                        match fault {
                            Fault::None => mesh.publish(&item.0, item.1),
                            Fault::Lost => {}
                            Fault::Twice => {
                                mesh.publish(&item.0, item.1.clone());
                                mesh.publish(&item.0, item.1);
                            }
                            Fault::Late => {
                                late = Some(item);
                                continue;
                            }
                        }
                        if let Some((topic, payload)) = late.take() {
                            mesh.publish(&topic, payload);
                        }
                        if mesh.acknowledges {
                            publication.acknowledge();
                        }
                    }
                    Some(other) => panic!("{other:?}"),
                },
                Some((topic, payload)) = inbox.recv() => {
                    if topics.contains(&topic) {
                        mesh.delivered.fetch_add(1, Ordering::Relaxed);
                        let _ = port.deliver(&topic, &payload);
                    }
                }
            }
        }
    }

    fn keeps_history(&self) -> bool {
        self.0.log.is_some()
    }
}

impl Mesh {
    fn replay(&self, port: &Port, topic: &str) {
        let Some(log) = &self.log else { return };
        for (_, payload) in log.lock().unwrap().iter().filter(|(there, _)| **there == *topic) {
            port.replay(topic, payload).unwrap();
        }
        port.caught_up(topic);
    }
}
