//! One call, or several, at whatever moment.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::{JoinSet, yield_now};
use upsock::UpgradeLayer;
use upsock::ws::{self, CloseCode, Config, Rejection, Sockets, WebSocket};

use crate::peer::{CLOSE, Raw, TEXT, frame, soon, watch};
use crate::support::{self, Head};
use crate::{connect, counts, echo, serve};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn handshakes_are_refused_from_the_first_poll_on() {
    let layer = UpgradeLayer::new();
    let sockets = layer.sockets();
    let server = serve(&layer, || ws::upgrade(echo)).await;
    let mut client = connect(server).await;
    let shutdown = sockets.shutdown(MINUTE);
    assert!(!sockets.is_shutting_down());
    let mut shutdown = Box::pin(shutdown);
    assert!((&mut shutdown).now_or_never().is_none());
    assert!(layer.sockets().is_shutting_down());

    let answer = support::ask(server, &Head::handshake("/")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    let (_peer, io) = tokio::io::duplex(64);
    assert_eq!(sockets.open(io, Config::new()).err(), Some(Rejection::ShuttingDown));
    assert_eq!(sockets.stats().refused, 2);

    client.expect_close(1001, "server is shutting down").await;
    client.send_close(1001).await;
    client.expect_end().await;
    drop(client);
    assert_eq!(counts(soon(shutdown).await), (1, 0));
    assert_eq!(support::ask(server, &Head::handshake("/")).await.status, 503);
}

#[tokio::test]
async fn an_empty_set_is_shut_down_at_once_and_again() {
    let sockets = Sockets::new();
    for _ in 0..2 {
        assert_eq!(counts(soon(sockets.shutdown(MINUTE)).await), (0, 0));
    }
    assert!(sockets.is_shutting_down());
    assert_eq!(counts(soon(sockets.shutdown(Duration::ZERO)).await), (0, 0));
    assert_eq!(counts(soon(sockets.shutdown(Duration::MAX)).await), (0, 0));
}

fn open(sockets: &Sockets) -> (Raw<tokio::io::DuplexStream>, WebSocket) {
    let (peer, io) = tokio::io::duplex(256);
    (Raw::new(peer), sockets.open(io, Config::new()).unwrap())
}

#[tokio::test]
async fn a_shutdown_that_is_given_up_closes_on_and_aborts_nothing() {
    let sockets = Sockets::new();
    let (mut peer, mut socket) = open(&sockets);
    assert!(sockets.shutdown(MINUTE).now_or_never().is_none());
    peer.expect_close(1001, "server is shutting down").await;
    assert!(sockets.is_shutting_down());
    assert_eq!(sockets.len(), 1);
    peer.send_close(1001).await;
    peer.expect_end().await;
    assert_eq!(soon(watch(&mut socket)).await, ["close 1001"]);
    drop((peer, socket));
    // A second call waits for what is left.
    assert_eq!(soon(sockets.shutdown(MINUTE)).await.aborted, 0);
    assert!(sockets.is_empty());
}

#[tokio::test]
async fn two_shutdowns_at_once_see_the_same_end() {
    let sockets = Sockets::new();
    let (mut peer, socket) = open(&sockets);
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let sockets = sockets.clone();
            tokio::spawn(async move { sockets.shutdown(MINUTE).await })
        })
        .collect();
    peer.expect_close(1001, "server is shutting down").await;
    peer.send_close(1001).await;
    peer.expect_end().await;
    drop((peer, socket));
    for call in calls {
        assert_eq!(counts(soon(call).await.unwrap()), (1, 0));
    }
}

#[tokio::test]
async fn what_senders_have_queued_leaves_first_and_a_code_of_ones_own_stays() {
    let sockets = Sockets::new();
    let (peer, io) = tokio::io::duplex(64);
    let mut peer = Raw::new(peer);
    let socket = sockets.open(io, Config::new().high_water_mark(1)).unwrap();
    let (mut closing, other) = open(&sockets);
    for number in 0..500 {
        socket.sender().try_send(number.to_string().into()).unwrap();
    }
    other.sender().close(CloseCode::Library(4001), "own").unwrap();
    let shutdown = tokio::spawn({
        let sockets = sockets.clone();
        async move { sockets.shutdown(MINUTE).await }
    });
    yield_now().await;
    for number in 0..500 {
        peer.expect(TEXT, number.to_string()).await;
    }
    peer.expect_close(1001, "server is shutting down").await;
    closing.expect_close(4001, "own").await;
    for peer in [&mut peer, &mut closing] {
        peer.send_close(1000).await;
        peer.expect_end().await;
    }
    drop((peer, closing, socket, other));
    assert_eq!(counts(soon(shutdown).await.unwrap()), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn handshakes_that_race_with_a_shutdown_are_refused_or_closed() {
    for round in 0..10 {
        let layer = UpgradeLayer::new();
        let sockets = layer.sockets();
        let server = serve(&layer, || ws::upgrade(echo)).await;
        let mut tasks = JoinSet::new();
        for _ in 0..40 {
            tasks.spawn(async move {
                let mut client = support::Client::connect(server).await;
                client.send(Head::handshake("/").and("")).await;
                let status = client.answer().await.status;
                if status == 101 {
                    // Header, code and reason of the Close frame.
                    assert_eq!(client.take(4).await, [0x88, 25, 3, 233]);
                    client.take(23).await;
                    client.send(frame(0x80 | CLOSE, 1001u16.to_be_bytes())).await;
                    assert_eq!(client.rest().await, b"");
                } else {
                    assert_eq!(status, 503);
                }
                status
            });
        }
        for _ in 0..round {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        let drained = soon(sockets.shutdown(MINUTE)).await;
        let answers = soon(tasks.join_all()).await;
        let opened = answers.iter().filter(|status| **status == 101).count();
        // Those that had ended before are no longer there to be counted; none has.
        assert_eq!(counts(drained), (opened, 0));
        assert_eq!(sockets.stats().opened as usize, opened);
        assert_eq!(sockets.stats().refused as usize, 40 - opened);
        assert!(sockets.is_empty());
    }
}
