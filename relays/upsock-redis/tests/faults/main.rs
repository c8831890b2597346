//! The relay on real servers, which are killed, stopped, emptied: what was acknowledged arrives, in order, once.

// What the tests share is part of them; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

mod bounds;
mod deployments;
mod moving;
mod outages;
mod stress;
mod traffic;
mod trimmed;

use std::time::Duration;

use redis::FromRedisValue;
use support::{Server, soon, until};
use upsock::ws::hub::{Event, Events, History, Hub};
use upsock_redis::Redis;

/// For servers that say nothing.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Where that would be an error of its own.
const PATIENCE: Duration = Duration::from_secs(20);

fn relay(url: &str) -> Redis {
    Redis::new(url).unwrap().response_timeout(TIMEOUT)
}

fn plain(server: &Server) -> Hub {
    Hub::builder().relay(relay(&server.url())).build()
}

fn keeping(server: &Server) -> Hub {
    let builder = Hub::builder().relay(relay(&server.url()));
    builder.history(History::new().messages(1000)).build()
}

fn is_up(hub: &Hub) -> bool {
    hub.relay_state().unwrap().up
}

async fn up(hub: &Hub) {
    until(|| is_up(hub)).await;
}

async fn down(hub: &Hub) {
    until(|| !is_up(hub)).await;
}

/// Waits for such an event.
async fn event(events: &mut Events, which: impl Fn(&Event) -> bool) {
    soon(async { while !which(&events.recv().await.unwrap()) {} }).await;
}

fn is_any_gap(event: &Event) -> bool {
    matches!(event, Event::Gap { room: None, .. })
}

/// Somebody else on the server.
async fn command<T: FromRedisValue>(server: &Server, command: &str) -> T {
    let mut words = command.split(' ');
    let mut query = redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        query.arg(word);
    });
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    query.query_async(&mut connection).await.unwrap()
}
