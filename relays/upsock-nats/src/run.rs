//! One connection after the other, until the hub is gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use upsock::ws::hub::{Command, Port};

use crate::connection::{Connection, End};
use crate::nats::Nats;
use crate::window::Window;

/// Between two attempts to connect, and not longer than so.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn run(relay: Nats, port: Port) {
    let port = Arc::new(port);
    let mut window = Window::default();
    tokio::select! {
        () = work(&relay, &port, &mut window) => {}
        () = overdue(&relay, &port) => tracing::warn!("NATS has not got all that a hub that is gone has sent"),
    }
}

/// Waits until the hub is gone, and what it has sent has had its time.
async fn overdue(relay: &Nats, port: &Port) {
    port.closed().await;
    sleep(relay.timeout).await;
}

async fn work(relay: &Nats, port: &Arc<Port>, window: &mut Window) {
    // Not all processes try at the same moments.
    let spread = 1.0 + (port.node() % 64) as f64 / 128.0;
    let mut pause = PAUSE;
    let mut interrupted = false;
    for (number, server) in (0..).zip(relay.servers.iter().cycle()) {
        let opened = tokio::select! {
            opened = Connection::open(relay, port, server, number) => opened,
            () = nothing_left(port, window) => return,
        };
        match opened {
            Ok(connection) => match connection.run(window, interrupted).await {
                End::Done => return,
                End::Lost => pause = PAUSE,
                End::Useless => {}
            },
            // Said once, not all the time.
            Err(error) if pause == PAUSE => tracing::warn!("NATS at {server:?} is not reached: {error}"),
            Err(error) => tracing::debug!("NATS at {server:?} is not reached: {error}"),
        }
        interrupted = true;
        tokio::select! {
            () = sleep(pause.mul_f64(spread)) => pause = LONGEST_PAUSE.min(2 * pause),
            () = nothing_left(port, window) => return,
        }
    }
}

/// Waits until the hub is gone, and there is nothing more to publish.
async fn nothing_left(port: &Port, window: &mut Window) {
    port.closed().await;
    while !window.is_full() {
        match port.next().await {
            Some(Command::Publish(publication)) => window.push(publication),
            Some(_) => {}
            None if window.is_empty() => return,
            None => break,
        }
    }
    std::future::pending().await
}
