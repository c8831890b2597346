//! The closure returns, fails or panics: the code on the wire is the one that says so.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::sleep;
use upsock::ws::{self, CloseCode, Error, WebSocket};

use crate::peer::{CLOSE, Server, TEXT, endless, soon};
use crate::{RESERVED, closes_and_waits, echo};

// The closure returns.

#[tokio::test]
async fn a_closure_that_returns_closes_with_1000() {
    let server = Server::new(|| ws::upgrade(|_socket| async {}).configure(endless));
    closes_and_waits(&server, 1000, "").await;
    let server = Server::new(|| ws::upgrade(|_socket| async { Ok::<_, Error>(()) }).configure(endless));
    closes_and_waits(&server, 1000, "").await;
}

#[tokio::test]
async fn what_was_sent_before_the_return_arrives_before_the_close() {
    let server = Server::new(|| {
        ws::upgrade(|mut socket: WebSocket| async move {
            for i in 0..3 {
                socket.send(format!("{i}").into()).await?;
            }
            socket.send(vec![7; 1 << 20].into()).await
        })
    });
    let mut client = server.raw().await;
    for i in 0..3 {
        client.expect(TEXT, format!("{i}")).await;
    }
    assert_eq!(client.frame().await.payload, vec![7; 1 << 20]);
    client.expect_close(1000, "").await;
}

#[tokio::test]
async fn an_error_closes_with_1011() {
    let server = Server::new(|| ws::upgrade(|_socket| async { Err("a secret") }).configure(endless));
    closes_and_waits(&server, 1011, "internal error").await;
    let server = Server::new(|| ws::upgrade(|_socket| async { Err(std::io::Error::other("a secret")) }));
    closes_and_waits(&server, 1011, "internal error").await;
}

#[derive(Debug)]
struct Wrapped(Box<dyn StdError + Send + Sync>);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl StdError for Wrapped {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

#[tokio::test]
async fn an_error_with_a_code_closes_with_that() {
    fn error() -> Error {
        Error::close(CloseCode::Policy, "no cats")
    }
    type Boxed = Box<dyn StdError + Send + Sync>;
    let server = Server::new(|| ws::upgrade(|_socket| async { Err(error()) }).configure(endless));
    closes_and_waits(&server, 1008, "no cats").await;
    let server = Server::new(|| ws::upgrade(|_socket| async { Err(Boxed::from(error())) }));
    closes_and_waits(&server, 1008, "no cats").await;
    let server = Server::new(|| ws::upgrade(|_socket| async { Err(Wrapped(error().into())) }));
    closes_and_waits(&server, 1008, "no cats").await;
    let server =
        Server::new(|| ws::upgrade(|_socket| async { Err(Boxed::from(Wrapped(Wrapped(error().into()).into()))) }));
    closes_and_waits(&server, 1008, "no cats").await;
    let code = CloseCode::Library(4321);
    let server =
        Server::new(move || ws::upgrade(move |_socket| async move { Err(Error::close(code, "é".repeat(100))) }));
    closes_and_waits(&server, 4321, &"é".repeat(61)).await;
}

#[tokio::test]
async fn an_error_with_a_reserved_code_closes_with_1011() {
    let next = AtomicUsize::new(0);
    let server = Server::new(move || {
        let code = CloseCode::from(RESERVED[next.fetch_add(1, Ordering::Relaxed)]);
        ws::upgrade(move |_socket| async move { Err(Error::close(code, "reason")) })
    });
    for code in RESERVED {
        let frame = server.raw().await.frame().await;
        assert_eq!(
            (frame.opcode, &frame.payload[..2]),
            (CLOSE, &1011u16.to_be_bytes()[..]),
            "{code}"
        );
    }
}

// The closure panics.

/// Panics when it is dropped; as a future it is ready at once.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

impl Future for Bomb {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

#[tokio::test]
async fn a_panic_closes_with_1011_and_harms_nobody_else() {
    let count = AtomicUsize::new(0);
    let server = Server::new(move || match count.fetch_add(1, Ordering::Relaxed) {
        1 => ws::upgrade(|_socket| -> std::future::Ready<()> { panic!("in the closure") }),
        2 => ws::upgrade(|socket| async move { assert!(socket.handshake().is_none(), "in the future") }),
        3 => ws::upgrade(|_socket| async {
            sleep(Duration::from_millis(10)).await;
            assert_eq!(1, 2, "in the future, later");
        }),
        4 => ws::upgrade(|mut socket: WebSocket| async move {
            let _bomb = Bomb;
            let _ = socket.send("before".into()).await;
        }),
        5 => ws::upgrade(|_socket| Bomb),
        _ => ws::upgrade(echo),
    });
    let mut other = server.client().await;
    for number in 1..=5 {
        let mut client = server.raw().await;
        if number == 4 {
            client.expect(TEXT, "before").await;
        }
        client.expect_close(1011, "internal error").await;
        client.send_close(1011).await;
        client.expect_end().await;
        other.send("still here".into()).await.unwrap();
        assert_eq!(soon(other.next()).await.unwrap().unwrap(), "still here".into());
    }
}

/// `panic_any` takes anything, also what panics when it is thrown away.
#[tokio::test]
async fn a_panic_with_a_payload_that_panics_closes_with_1011() {
    let server = Server::new(|| {
        ws::upgrade(|_socket| async {
            if true {
                panic_any(Bomb)
            }
        })
    });
    closes_and_waits(&server, 1011, "internal error").await;
}

#[tokio::test]
async fn a_panic_in_the_error_that_was_returned_closes_with_1011() {
    struct Bad(&'static str);
    impl fmt::Debug for Bad {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }
    impl fmt::Display for Bad {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            assert_ne!(self.0, "display");
            f.write_str(self.0)
        }
    }
    impl StdError for Bad {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            assert_ne!(self.0, "source");
            None
        }
    }
    impl Drop for Bad {
        fn drop(&mut self) {
            assert_ne!(self.0, "drop");
        }
    }
    for part in ["display", "source", "drop"] {
        let server = Server::new(move || ws::upgrade(move |_socket| async move { Err(Bad(part)) }));
        closes_and_waits(&server, 1011, "internal error").await;
    }
}
