//! The client of one connection, which never connects again by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::rustls::crypto;
use async_nats::{Client, ConnectError, Event, ReconnectToServer, ServerAddr};
use tokio::sync::Notify;

use crate::nats::{Nats, Server};

/// Nobody is there: connecting fails at once.
const NOWHERE: &str = "nats://127.0.0.1:0";

/// Connects to a server; `overflow` is notified when messages of a room are dropped, because too many wait.
///
/// The client's own reconnecting would publish what is left in its queue, without what was lost on the way: later messages
/// before earlier ones, which the relay sends again. So it finds nobody when it tries, and ends.
pub(crate) async fn connect(relay: &Nats, server: &Server, overflow: Arc<Notify>) -> Result<Client, ConnectError> {
    // If several are compiled in, rustls would not know which to take. One that the process has chosen stays.
    let _ = crypto::ring::default_provider().install_default();
    let here = server.addr.clone();
    let nowhere: ServerAddr = NOWHERE.parse().unwrap_or_else(|_| here.clone());
    let tried = Arc::new(AtomicBool::new(false));
    let pool = [here.clone(), nowhere.clone()];
    let options = relay
        .options
        .clone()
        .connection_timeout(relay.timeout)
        // The relay itself notices sooner: this ends what is left of a connection to a server that does not read.
        .ping_interval(10 * relay.timeout)
        .subscription_capacity(relay.capacity)
        .ignore_discovered_servers()
        .skip_subject_validation(true)
        .max_reconnects(1)
        .reconnect_to_server_callback(move |_, _| {
            let first = !tried.swap(true, Ordering::Relaxed);
            let addr = if first { here.clone() } else { nowhere.clone() };
            async move {
                Some(ReconnectToServer {
                    addr,
                    delay: Some(Duration::ZERO),
                })
            }
        })
        .event_callback(move |event| {
            let overflow = overflow.clone();
            async move {
                match event {
                    Event::SlowConsumer(_) => overflow.notify_one(),
                    Event::ServerError(error) => tracing::warn!("the NATS server refuses something: {error}"),
                    _ => {}
                }
            }
        });
    server.log_in(options).connect(&pool[..]).await
}
