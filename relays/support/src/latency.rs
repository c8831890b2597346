//! A bench of two processes, joined by a relay: how long a message takes from one to the other, and how many pass.
//!
//! This process publishes to a room; in the other one a member receives it, and sends it back to another room, in which
//! this one has a member. One way is half of that. It begins with `broadcast`, and ends when a client has the message:
//! hubs, sockets and clients (in memory) are in it, besides the relays and the server.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::time::timeout;
use upsock::ws::hub::Hub;

use crate::{Server, Visitor};

/// What is measured.
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// Its server, not yet started.
    pub server: fn() -> Server,
    /// A hub on the server with this URL.
    pub hub: fn(&str) -> Hub,
}

const LENGTH: usize = 20;
const ROUNDS: usize = 5000;
const BURSTS: usize = 30;
const BURST: usize = 1000;
/// The last of a burst; the others are zeros.
const LAST: u8 = 1;
const SINGLE: u8 = 2;

/// A bench's `main`: measures each case, and prints a table of it. The other process is this program as well.
///
/// # Panics
/// If something fails: it is a bench.
pub fn main(cases: &'static [Case]) {
    let runtime = Runtime::new().expect("a runtime");
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, case, url] = arguments.as_slice()
        && word == "peer"
    {
        let case = &cases[case.parse::<usize>().expect("a number")];
        let url = url.clone();
        run(&runtime, async move { echo(&(case.hub)(&url)).await });
        return;
    }
    println!("| | p50 | p99 | messages/s |\n|---|---|---|---|");
    for (number, case) in cases.iter().enumerate() {
        run(&runtime, measure(number, case));
    }
}

/// As servers do, in tasks: what `block_on` itself runs is in another thread than all that it waits for.
fn run(runtime: &Runtime, work: impl Future<Output = ()> + Send + 'static) {
    runtime.block_on(runtime.spawn(work)).expect("no panic");
}

/// The other process: ends with the first.
async fn echo(hub: &Hub) {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let mut visitor = Visitor::of(hub, "ping");
    loop {
        let message = visitor.message().await;
        if message.clone().into_data().first() != Some(&0) {
            hub.broadcast("pong", message);
        }
    }
}

struct Peer(Child);

impl Peer {
    fn new(case: usize, url: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let child = Command::new(program)
            .args(["peer", &case.to_string(), url])
            .stdin(Stdio::piped())
            .spawn();
        Self(child.expect("another process"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn measure(number: usize, case: &'static Case) {
    let mut server = (case.server)();
    server.start().await;
    let url = server.url();
    let hub = (case.hub)(&url);
    let _peer = Peer::new(number, &url);
    let mut visitor = Visitor::of(&hub, "pong");
    // Until both are there.
    loop {
        hub.broadcast("ping", vec![SINGLE; LENGTH]);
        if timeout(Duration::from_millis(100), visitor.message()).await.is_ok() {
            break;
        }
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    visitor.received();

    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS + ROUNDS / 10 {
        let from = Instant::now();
        hub.broadcast("ping", vec![SINGLE; LENGTH]);
        visitor.message().await;
        // The first ones warm up.
        if round >= ROUNDS / 10 {
            times.push(from.elapsed() / 2);
        }
    }
    times.sort_unstable();

    let from = Instant::now();
    for _ in 0..BURSTS {
        for _ in 1..BURST {
            hub.broadcast("ping", vec![0; LENGTH]);
        }
        hub.broadcast("ping", vec![LAST; LENGTH]);
        visitor.message().await;
    }
    let rate = (BURSTS * BURST) as f64 / from.elapsed().as_secs_f64();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        "| {} | {:.0} \u{b5}s | {:.0} \u{b5}s | {rate:.0} |",
        case.name,
        micros(times[ROUNDS / 2]),
        micros(times[ROUNDS * 99 / 100]),
    );
}
