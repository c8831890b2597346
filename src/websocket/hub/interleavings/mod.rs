//! The hub in thousands of orders of events.
//!
//! shuttle runs all threads and sessions of a scenario by turns, and says at each lock and atomic whose turn it is. What
//! waits for ever it tells as a deadlock. The sessions are whole, and so are the peers; only a closure's poll is left
//! out, because the connection that it is lent belongs to the one thread on which shuttle runs everything.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test --lib --features hub interleavings`
//!
//! The orders are the same in each run. With `SHUTTLE_RANDOM_SEED` they are others: a number, or the one that a failure
//! has printed, and that order is the first.

mod history;
mod relay;
mod rooms;
mod senders;

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use shuttle::future::{JoinHandle, block_on};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Runner, thread};
use tokio::io::{DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tungstenite::Message;
use tungstenite::protocol::{CloseFrame, Role};

use super::{Hub, Position};
use crate::Io;
use crate::websocket::protocol::Extensions;
use crate::websocket::registry::Registry;
use crate::websocket::session::Session;
use crate::websocket::{CloseCode, Config, Sender, WebSocket};

/// Of each scenario: so many orders of each kind.
const ORDERS: usize = 1000;
const SEED: u64 = 6455;

fn check(scenario: impl Fn() + Clone + Send + Sync + 'static) {
    let scenario = move || {
        // Time stands still: what is only kept going by a timeout is a deadlock here.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let _entered = runtime.enter();
        scenario();
    };
    let mut config = shuttle::Config::new();
    config.stack_size = 512 * 1024;
    config.silence_warnings = true;
    // Any thread may be next, each time; and few changes of turn, each of them anywhere.
    Runner::new(RandomScheduler::new_from_seed(SEED, ORDERS), config.clone()).run(scenario.clone());
    Runner::new(PctScheduler::new_from_seed(SEED, 3, ORDERS), config).run(scenario);
}

/// A socket, its session and its peer.
struct Visitor {
    socket: WebSocket,
    peer: WebSocketStream<DuplexStream>,
    session: JoinHandle<()>,
}

impl Visitor {
    fn new() -> Self {
        Self::with(1 << 16, Config::new())
    }

    /// One who takes so many bytes unread, and no more.
    fn with(buffer: usize, config: Config) -> Self {
        let registry = Arc::new(Registry::default());
        let member = registry.admit(&config).unwrap();
        let link = Arc::clone(&member);
        let (peer, io) = duplex(buffer);
        let session = Session::new(Io::new(io), &config, &Extensions::default(), member, Ok(None));
        let limits = tungstenite::protocol::WebSocketConfig::default().read_buffer_size(1024);
        let peer = WebSocketStream::from_raw_socket(peer, Role::Client, Some(limits));
        Self {
            socket: WebSocket::new(&config, link, None, None),
            peer: peer.now_or_never().unwrap(),
            session: shuttle::future::spawn(session),
        }
    }

    fn sender(&self) -> Sender {
        self.socket.sender()
    }

    /// What has come by now.
    fn heard(&mut self) -> Vec<Position> {
        let now = std::iter::from_fn(|| self.peer.next().now_or_never());
        now.map(|message| position(&message.unwrap().unwrap())).collect()
    }

    /// Closes the socket after what was sent, unless it is closed; returns what still comes, and the last word.
    fn end(mut self) -> (Vec<Position>, CloseFrame) {
        let _ = self.sender().close(CloseCode::Normal, "");
        let (mut heard, mut last) = (Vec::new(), None);
        while let Some(message) = block_on(self.peer.next()) {
            match message.unwrap() {
                Message::Close(frame) => assert!(std::mem::replace(&mut last, frame).is_none()),
                message => heard.push(position(&message)),
            }
        }
        drop(self.peer);
        block_on(self.session).unwrap();
        (heard, last.unwrap())
    }

    /// What still comes before the last word, which is not about a failure.
    fn rest(self) -> Vec<Position> {
        let (heard, last) = self.end();
        assert_eq!(last.code, CloseCode::Normal);
        heard
    }
}

/// Every message is the text of its own position.
fn position(message: &Message) -> Position {
    message.to_text().unwrap().parse().unwrap()
}

/// Sends a message; returns how many it has reached.
fn say(hub: &Hub, room: &str) -> usize {
    hub.broadcast_at(room, |position| position.to_string().into())
}

/// Has several threads say so much to a room; returns whom that has reached, all together.
fn publishers(hub: &Hub, count: usize, messages: usize) -> Vec<thread::JoinHandle<usize>> {
    let publisher = || {
        let hub = hub.clone();
        thread::spawn(move || (0..messages).map(|_| say(&hub, "x")).sum())
    };
    (0..count).map(|_| publisher()).collect()
}

fn join_all<T>(threads: Vec<thread::JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// The offsets, which are of one epoch and without a hole.
fn piece(heard: &[Position]) -> std::ops::RangeInclusive<u64> {
    for pair in heard.windows(2) {
        assert_eq!(pair[0].epoch, pair[1].epoch);
        assert_eq!(pair[0].offset + 1, pair[1].offset);
    }
    match heard {
        [first, .., last] => first.offset..=last.offset,
        [only] => only.offset..=only.offset,
        [] => 1..=0,
    }
}
