//! Sockets of one set in two runtimes: whichever ends, the other's peers are still watched. In real time, over TCP.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;
use upsock::ws::{Config, KeepAlive, Sockets};

use crate::peer::{PING, Raw, soon, watch};

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// Opens a socket in the runtime, and waits until it is at work.
async fn open(sockets: &Sockets, runtime: &Runtime) -> Raw {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sockets = sockets.clone();
    runtime.spawn(async move {
        let (io, _) = listener.accept().await.unwrap();
        let quick = KeepAlive::new(Duration::from_millis(250), Duration::from_millis(250));
        let mut socket = sockets.open(io, Config::new().keep_alive(quick)).unwrap();
        watch(&mut socket).await;
    });
    let mut client = Raw::new(soon(TcpStream::connect(address)).await.unwrap());
    client.expect_ping().await;
    client
}

impl Raw {
    async fn expect_ping(&mut self) {
        assert_eq!(self.frame().await.opcode, PING);
        self.send(crate::TEXT, "here").await;
    }
}

#[tokio::test]
async fn whichever_ends() {
    tokio::join!(one_ends(true), one_ends(false));
}

async fn one_ends(the_first: bool) {
    let sockets = Sockets::new();
    // The sweep runs in the first.
    let (first, second) = (runtime(), runtime());
    let mut one = open(&sockets, &first).await;
    let mut other = open(&sockets, &second).await;
    let (ends, lives, client) = if the_first {
        (first, second, &mut other)
    } else {
        (second, first, &mut one)
    };
    ends.shutdown_background();
    client.expect_ping().await;
    // A ping, and no answer to it.
    assert_eq!(client.frame().await.opcode, PING);
    client.expect_end().await;
    soon(async {
        while !sockets.is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    lives.shutdown_background();
}
