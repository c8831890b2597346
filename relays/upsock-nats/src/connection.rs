//! One connection to a server, from its beginning to its end.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::client::PublishErrorKind;
use async_nats::{Client, Message, Subject, Subscriber};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use upsock::ws::hub::{Command, Port};

use crate::client::connect;
use crate::nats::{Nats, Server};
use crate::window::Window;

pub(crate) struct Connection<'a> {
    relay: &'a Nats,
    port: &'a Arc<Port>,
    server: &'a Server,
    client: Client,
    /// Messages of some room were dropped.
    overflow: Arc<Notify>,
    /// What is published here comes back when the server has all that was published before: the client's own `flush` says
    /// only that it is written.
    marks: Subscriber,
    mark_subject: Subject,
    /// The mark that is on its way, since when.
    awaited: Option<(u64, Instant)>,
    /// How many bytes had come, when that was last seen to have changed.
    heard: (u64, Instant),
    rooms: HashMap<Arc<str>, AbortHandle>,
    /// One for each room, which gives the hub what comes.
    tasks: JoinSet<()>,
    up: bool,
    /// Nothing is published yet.
    holds: bool,
}

/// What a connection was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The hub is gone, and the server has all that it has sent.
    Done,
    Lost,
    /// Lost before it was of any use.
    Useless,
}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    Closed,
    Silent,
    Mute,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the connection has ended",
            Self::Silent => "it does not answer",
            Self::Mute => "the relay does not hear itself: it stands still, no_echo is set, or a permission is missing",
        })
    }
}

impl<'a> Connection<'a> {
    pub(crate) async fn open(
        relay: &'a Nats,
        port: &'a Arc<Port>,
        server: &'a Server,
        number: u64,
    ) -> Result<Self, async_nats::Error> {
        let overflow = Arc::new(Notify::new());
        let client = connect(relay, server, overflow.clone()).await?;
        let mark_subject = Subject::from(relay.subjects.marks(port.node(), number));
        let marks = client.subscribe(mark_subject.clone()).await?;
        Ok(Self {
            relay,
            port,
            server,
            overflow,
            marks,
            mark_subject,
            client,
            awaited: None,
            heard: (0, Instant::now()),
            rooms: HashMap::new(),
            tasks: JoinSet::new(),
            up: false,
            holds: true,
        })
    }

    /// Works until the connection ends, or the hub. What was not acknowledged stays in the window.
    pub(crate) async fn run(mut self, window: &mut Window, interrupted: bool) -> End {
        let result = self.work(window, interrupted).await;
        self.port.down();
        if let Err(lost) = result {
            tracing::warn!("NATS at {:?} is lost: {lost}", self.server);
        }
        let end = match result {
            Ok(()) => End::Done,
            Err(_) if self.up => End::Lost,
            Err(_) => End::Useless,
        };
        self.close(result).await;
        end
    }

    async fn work(&mut self, window: &mut Window, interrupted: bool) -> Result<(), Lost> {
        window.rewind();
        for topic in self.port.topics() {
            self.subscribe(topic).await?;
        }
        self.mark(window).await?;
        let mut tick = interval(self.relay.timeout / 4);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let hold = if interrupted { self.relay.settle } else { Duration::ZERO };
        let mut settled = pin!(sleep(hold));
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                mark = self.marks.next() => {
                    let mark = mark.ok_or(Lost::Closed)?;
                    self.hear_mark(&mark, window, interrupted).await?;
                }
                () = self.overflow.notified() => self.port.gap(None),
                _ = tick.tick() => self.watch(window).await?,
                () = &mut settled, if self.up && self.holds => {
                    self.holds = false;
                    self.publish(window).await?;
                    self.mark_new(window).await?;
                }
                command = self.port.next(), if open && !window.is_full() => open = self.take(command, window).await?,
            }
            if !open && window.is_empty() {
                return Ok(());
            }
        }
    }

    /// Does this command, and those that come at once; returns whether there may be more.
    async fn take(&mut self, mut command: Option<Command>, window: &mut Window) -> Result<bool, Lost> {
        loop {
            match command {
                None => {
                    self.mark_new(window).await?;
                    return Ok(false);
                }
                Some(Command::Publish(publication)) => {
                    window.push(publication);
                    if !self.holds {
                        self.publish(window).await?;
                    }
                }
                Some(Command::Subscribe(topic)) => self.subscribe(topic).await?,
                Some(Command::Unsubscribe(topic)) => {
                    if let Some(room) = self.rooms.remove(&topic) {
                        room.abort();
                    }
                }
                Some(_) => {}
            }
            // What is taken is kept: so it is taken only if there is room.
            let next = if window.is_full() {
                None
            } else {
                self.port.next().now_or_never()
            };
            let Some(next) = next else {
                self.mark_new(window).await?;
                return Ok(true);
            };
            command = next;
        }
    }

    async fn subscribe(&mut self, topic: Arc<str>) -> Result<(), Lost> {
        let subject = self.relay.subjects.room(&topic);
        let messages = self.in_time(self.client.subscribe(subject)).await?;
        let messages = messages.map_err(|_| Lost::Closed)?;
        let task = self.tasks.spawn(listen(self.port.clone(), topic.clone(), messages));
        if let Some(before) = self.rooms.insert(topic, task) {
            before.abort();
        }
        while self.tasks.try_join_next().is_some() {}
        Ok(())
    }

    /// Publishes what was not published on this connection yet.
    async fn publish(&mut self, window: &mut Window) -> Result<(), Lost> {
        while let Some(publication) = window.next() {
            let subject = self.relay.subjects.room(publication.topic());
            let payload = publication.payload().clone();
            match self.in_time(self.client.publish(subject, payload)).await? {
                Ok(()) => window.was_sent(),
                Err(error) if error.kind() == PublishErrorKind::Send => return Err(Lost::Closed),
                Err(error) => {
                    tracing::warn!("a message to {:?} is given up: {error}", publication.topic());
                    window.skip();
                }
            }
        }
        Ok(())
    }

    /// Asks how far the server is, unless that is under way.
    async fn mark_new(&mut self, window: &Window) -> Result<(), Lost> {
        if window.awaits() && self.awaited.is_none() {
            self.mark(window).await?;
        }
        Ok(())
    }

    async fn mark(&mut self, window: &Window) -> Result<(), Lost> {
        let mark = window.mark();
        let payload = mark.to_be_bytes().to_vec().into();
        let published = self.client.publish(self.mark_subject.clone(), payload);
        self.in_time(published).await?.map_err(|_| Lost::Closed)?;
        self.awaited = Some((mark, Instant::now()));
        Ok(())
    }

    async fn hear_mark(&mut self, message: &Message, window: &mut Window, interrupted: bool) -> Result<(), Lost> {
        let Some((mark, _)) = self
            .awaited
            .filter(|(mark, _)| message.payload[..] == mark.to_be_bytes())
        else {
            // Somebody else's.
            return Ok(());
        };
        self.awaited = None;
        if !std::mem::replace(&mut self.up, true) {
            self.port.up();
            if interrupted {
                self.port.gap(None);
            }
        }
        window.acknowledge(mark);
        self.mark_new(window).await
    }

    /// Looks whether the server is there: asks it, if nothing else does.
    async fn watch(&mut self, window: &Window) -> Result<(), Lost> {
        let Some((_, since)) = self.awaited else {
            return self.mark(window).await;
        };
        let bytes = self.client.statistics().in_bytes.load(Ordering::Relaxed);
        if self.heard.0 != bytes {
            self.heard = (bytes, Instant::now());
        }
        let since = if self.up { since.max(self.heard.1) } else { since };
        if since.elapsed() >= self.relay.timeout / 2 {
            return Err(if self.up { Lost::Silent } else { Lost::Mute });
        }
        Ok(())
    }

    /// The client's queue is full when the server reads nothing.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Lost> {
        timeout(self.relay.timeout / 2, work).await.map_err(|_| Lost::Silent)
    }

    /// Lets go of the connection. What has come on it goes to its rooms, before anything of the next one does.
    async fn close(mut self, result: Result<(), Lost>) {
        drop((self.client, self.marks));
        if result == Err(Lost::Closed) {
            let listened = async { while self.tasks.join_next().await.is_some() {} };
            let _ = timeout(self.relay.timeout, listened).await;
        }
        self.tasks.shutdown().await;
    }
}

async fn listen(port: Arc<Port>, topic: Arc<str>, mut messages: Subscriber) {
    while let Some(message) = messages.next().await {
        if port.deliver(&topic, &message.payload).is_err() {
            tracing::debug!("a message at {} is not of a hub", message.subject);
        }
    }
}
