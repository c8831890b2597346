//! A layered service as an endpoint of poem's own `Server` comes too late: poem has taken `OnUpgrade` away. The client
//! gets 500, and the log says what is missing.

use std::convert::Infallible;

use http_body_util::combinators::BoxBody;
use hyper::body::Bytes;
use poem::endpoint::TowerCompatExt;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{Route, Server};
use smoke::{Events, ask, handshake};
use upsock::ws::{self, UpgradeLayer};

#[tokio::test]
async fn a_layer_within_poem_answers_500_and_the_log_says_why() {
    let events = Events::listen();
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
    let address = *acceptor.local_addr()[0].as_socket_addr().unwrap();
    let inner = tower::service_fn(async |_: http::Request<_>| {
        let response: http::Response<BoxBody<Bytes, std::io::Error>> = ws::upgrade(|_| async {}).into();
        Ok::<_, Infallible>(response)
    });
    let routes = Route::new().nest("/echo", UpgradeLayer::new().layer(inner).compat());
    tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
    let answer = tokio::task::spawn_blocking(move || ask(address, handshake("/echo", ""))).await;
    assert_eq!(answer.unwrap().status, 500);
    let events = events.of_upsock();
    assert!(
        events.contains("ERROR") && events.contains("`hyper::upgrade::OnUpgrade`"),
        "{events}"
    );
}
