//! Several servers, one of which goes.

use std::net::TcpListener;
use std::time::Duration;

use support::{Server, Visitor, soon};
use tokio::time::timeout;
use upsock::ws::hub::Hub;
use upsock_nats::Nats;

use crate::{down, hub, up};

fn free_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("nats://{}", listener.local_addr().unwrap())
}

/// Sends until the other one hears it: servers tell each other only after a while who is subscribed.
async fn reaches(from: &Hub, to: &mut Visitor, text: &str) {
    soon(async {
        loop {
            from.publish("x", text).await.unwrap();
            while let Ok(heard) = timeout(Duration::from_millis(50), to.text()).await {
                if heard == text {
                    return;
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_next_server_takes_over() {
    let (route, other) = (free_url(), free_url());
    let mut one = Server::nats_with(&["--cluster", &route, "--routes", &other]).await;
    let two = Server::nats_with(&["--cluster", &other, "--routes", &route]).await;
    let urls = format!("{},{}", one.url(), two.url());
    let near: Hub = Hub::builder().relay(Nats::new(&urls).unwrap()).build();
    let far = hub(&two);
    let mut visitors = [Visitor::of(&near, "x"), Visitor::of(&far, "x")];
    up(&near).await;
    up(&far).await;
    reaches(&near, &mut visitors[1], "from near").await;
    reaches(&far, &mut visitors[0], "from far").await;
    one.kill();
    down(&near).await;
    up(&near).await;
    assert!(far.relay_state().unwrap().up);
    reaches(&near, &mut visitors[1], "from near again").await;
    reaches(&far, &mut visitors[0], "from far again").await;
}
