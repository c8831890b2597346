//! A response that is made by `Response::from` has lost the upgrade: the client gets 426, and the log says why.

use salvo::prelude::*;
use smoke::{Events, ask, handshake};
use upsock::ws::{self, UpgradeLayer};

#[handler]
async fn upgrade(response: &mut Response) {
    *response = Response::from(ws::upgrade(|_| async {}).into_response::<String>());
}

#[tokio::test]
async fn a_response_without_its_extensions_is_426_and_the_log_says_why() {
    let events = Events::listen();
    let acceptor = TcpListener::new("127.0.0.1:0").bind().await;
    let address = acceptor.local_addr().unwrap();
    let router = Router::with_path("echo")
        .hoop(UpgradeLayer::new().compat())
        .get(upgrade);
    tokio::spawn(Server::new(acceptor).serve(router));
    let request = handshake("/echo", "Connection: close\r\n");
    let answer = tokio::task::spawn_blocking(move || ask(address, request)).await;
    assert_eq!(answer.unwrap().status, 426);
    let events = events.of_upsock();
    assert!(events.contains("WARN") && events.contains("extensions"), "{events}");
}
