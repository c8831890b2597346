//! The servers are real, and die; the visitors hear.

#![allow(clippy::unwrap_used)]

use std::net::TcpStream;
use std::time::Duration;

use support::{Server, Visitor};
use upsock::ws::hub::Hub;

#[tokio::test]
async fn servers_start_die_and_start_again() {
    for mut server in [Server::redis_stopped(), Server::nats_stopped()] {
        let address = ("127.0.0.1", server.port());
        assert!(TcpStream::connect(address).is_err());
        for _ in 0..2 {
            server.start().await;
            assert!(TcpStream::connect(address).is_ok());
            server.pause().await;
            server.resume();
            server.kill();
            assert!(TcpStream::connect(address).is_err());
        }
        server.start().await;
        drop(server);
        assert!(TcpStream::connect(address).is_err());
    }
}

#[tokio::test]
async fn visitors_hear_what_is_said_in_their_rooms() {
    let hub = Hub::new();
    let mut visitor = Visitor::of(&hub, "x");
    hub.broadcast("x", "1");
    hub.broadcast("y", "not here");
    visitor.expect("1").await;
    let mut other = Visitor::new();
    assert!(other.join_since(&hub, "x", &[]).await.membership.is_member());
    visitor.leave();
    hub.broadcast("x", "2");
    visitor.silence(Duration::from_millis(20)).await;
    assert!(visitor.received().is_empty());
}
