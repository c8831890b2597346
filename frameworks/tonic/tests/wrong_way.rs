//! tonic's own `Server` offers upgrades and does not drive them: the client gets a `101` and then nothing. The log says
//! what is missing, and `Upgrade::on_failed` is called.

use axum::routing::get;
use smoke::{Events, ask, handshake};
use tonic::service::Routes;
use upsock::ws::{self, UpgradeLayer};

#[tokio::test]
async fn tonics_own_server_fails_behind_the_101_and_the_log_says_why() {
    let events = Events::listen();
    let (_, health) = tonic_health::server::health_reporter();
    let router = Routes::new(health)
        .into_axum_router()
        .route("/echo", get(async || ws::upgrade(|_| async {})));
    let incoming = tonic::transport::server::TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .accept_http1(true)
        .layer(UpgradeLayer::new())
        .add_routes(Routes::from(router));
    tokio::spawn(server.serve_with_incoming(incoming));
    let answer = tokio::task::spawn_blocking(move || ask(address, handshake("/echo", ""))).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, &*answer.body), (101, b"".as_slice()));
    let events = events.of_upsock();
    assert!(
        events.contains("ERROR") && events.contains("does not drive upgrades"),
        "{events}"
    );
}
