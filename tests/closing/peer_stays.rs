//! The peer does not do its part: it holds nothing beyond the close timeout.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::sleep;
use upsock::ws::{self, CloseCode, Error, WebSocket};

use crate::peer::{Server, TEXT, frame, short, soon, watch};

#[tokio::test]
async fn a_peer_that_never_answers_is_dropped_after_the_close_timeout() {
    let server = Server::new(|| ws::upgrade(|_socket| async {}).configure(short));
    let mut client = server.raw().await;
    let start = Instant::now();
    client.expect_close(1000, "").await;
    client.expect_end().await;
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_peer_that_talks_on_is_dropped_after_the_close_timeout() {
    let server = Server::new(|| ws::upgrade(|_socket| async {}).configure(short));
    let mut client = server.raw().await;
    client.expect_close(1000, "").await;
    let (_reader, mut writer) = client.into_split();
    let message = frame(0x80 | TEXT, "x".repeat(1000));
    soon(async { while writer.write(&message).await.is_ok() {} }).await;
}

#[tokio::test]
async fn a_handler_hears_that_the_peer_did_not_answer() {
    let (report, mut seen) = unbounded_channel();
    let count = AtomicUsize::new(0);
    let server = Server::new(move || {
        let report = report.clone();
        let moved = count.fetch_add(1, Ordering::Relaxed) > 0;
        ws::upgrade(move |mut socket: WebSocket| async move {
            let run = async move {
                socket.close(CloseCode::Away, "bye").await.unwrap();
                let _ = report.send(watch(&mut socket).await);
            };
            if moved {
                tokio::spawn(run);
            } else {
                run.await;
            }
        })
        .configure(short)
    });
    for _ in 0..2 {
        let mut client = server.raw().await;
        client.expect_close(1001, "bye").await;
        client.send(TEXT, "what?").await;
        client.expect_end().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["text what?", "abnormal"]);
    }
}

/// Also more than may wait for a handler is not lost when the connection ends under it.
#[tokio::test]
async fn what_has_arrived_outlives_the_connection() {
    for moved in [false, true] {
        let (report, mut seen) = unbounded_channel();
        let server = Server::new(move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| async move {
                let run = async move {
                    socket.close(CloseCode::Away, "").await.unwrap();
                    // Longer than the close timeout.
                    sleep(Duration::from_millis(600)).await;
                    let _ = report.send(watch(&mut socket).await);
                };
                if moved {
                    tokio::spawn(run);
                } else {
                    run.await;
                }
            })
            .configure(short)
        });
        let mut client = server.raw().await;
        client.expect_close(1001, "").await;
        let input: Vec<u8> = (0..40).flat_map(|i| frame(0x80 | TEXT, i.to_string())).collect();
        client.write(&input).await;
        client.expect_end().await;
        let mut expected: Vec<String> = (0..40).map(|i| format!("text {i}")).collect();
        expected.push("abnormal".into());
        assert_eq!(soon(seen.recv()).await.unwrap(), expected, "moved: {moved}");
    }
}

/// Says that the handler is at its end, whichever that is.
struct Ended(UnboundedSender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// How a handler may end with more unsent than the peer, which does not read, lets the kernel take.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Return,
    Error,
    Panic,
    Close,
    SinkClose,
}

#[tokio::test]
async fn a_peer_that_never_reads_holds_nothing_beyond_the_close_timeout() {
    for moved in [false, true] {
        for ending in [
            Ending::Return,
            Ending::Error,
            Ending::Panic,
            Ending::Close,
            Ending::SinkClose,
        ] {
            let (report, mut seen) = unbounded_channel();
            let server = Server::new(move || {
                let report = report.clone();
                ws::upgrade(move |mut socket: WebSocket| async move {
                    let run = async move {
                        let _ended = Ended(report);
                        socket.send(vec![0; 20_000_000].into()).await?;
                        match ending {
                            Ending::Return => Ok(()),
                            Ending::Error => Err(Error::close(CloseCode::Again, "")),
                            Ending::Panic => panic!("of the test"),
                            Ending::Close => socket.close(CloseCode::Normal, "").await,
                            Ending::SinkClose => SinkExt::close(&mut socket).await,
                        }
                    };
                    if moved {
                        tokio::spawn(run).await.unwrap_or(Ok(()))
                    } else {
                        run.await
                    }
                })
                .configure(short)
            });
            let mut client = server.raw().await;
            println!("{ending:?}, moved: {moved}");
            soon(seen.recv()).await.unwrap();
            client.expect_dropped().await;
        }
    }
}

#[tokio::test]
async fn a_peer_that_never_reads_cannot_hold_a_session_with_halves_in_both_places() {
    let server = Server::new(|| {
        ws::upgrade(|mut socket: WebSocket| async move {
            socket.send(vec![0; 20_000_000].into()).await.unwrap();
            tokio::spawn(async move {
                let _ = futures_util::FutureExt::now_or_never(socket.send("one more".into()));
            });
        })
        .configure(|config| short(config).high_water_mark(1000))
    });
    let mut client = server.raw().await;
    client.expect_dropped().await;
}
