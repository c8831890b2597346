//! A peer that does not answer a ping is gone, and everyone on our side learns it.

use std::future::pending;

use tokio::sync::mpsc::unbounded_channel;
use upsock::ws::{self, WebSocket};

use crate::peer::{TEXT, frame, in_memory, timed, watch};
use crate::{PONG, run, watched};

#[tokio::test(start_paused = true)]
async fn a_handler_that_reads_learns_it_once() {
    for moved in [false, true] {
        let (mut client, mut seen) = watched(moved, |config| config).await;
        client.send(TEXT, "the last word").await;
        client.expect_ping_after(25.0).await;
        client.expect_end_after(20.0).await;
        let (report, seconds) = timed(seen.recv()).await;
        assert_eq!(report.unwrap(), ["text the last word", "abnormal"], "moved: {moved}");
        assert!(seconds < 0.5, "{seconds}");
    }
}

/// Half a pong is a sign of life too, and the rest of it must not be missing for ever.
#[tokio::test(start_paused = true)]
async fn a_pong_in_pieces_is_an_answer() {
    let (mut client, mut seen) = watched(false, |config| config).await;
    for cut in [1, 2, 5, 6, 7, 10] {
        let payload = client.expect_ping_after(25.0).await;
        let pong = frame(0x80 | PONG, payload);
        client.write(&pong[..cut]).await;
        client.expect_ping_after(25.0).await;
        client.write(&pong[cut..]).await;
    }
    // Nothing is left of the pieces that a deadline would still look at.
    for _ in 0..10 {
        let payload = client.expect_ping_after(25.0).await;
        client.send(PONG, payload).await;
    }
    client.leave().await;
    assert_eq!(seen.recv().await.unwrap(), ["close 1000"]);
}

/// How a handler can be elsewhere when its peer goes.
#[derive(Clone, Copy, Debug)]
enum Elsewhere {
    Hangs,
    ReadsOnce,
    Sends,
    Writes,
    Splits,
}

#[tokio::test(start_paused = true)]
async fn whatever_the_handler_does_the_connection_ends() {
    use Elsewhere::{Hangs, ReadsOnce, Sends, Splits, Writes};
    for moved in [false, true] {
        for elsewhere in [Hangs, ReadsOnce, Sends, Writes, Splits] {
            let (report, mut seen) = unbounded_channel();
            let mut client = in_memory(1000, move || {
                let report = report.clone();
                ws::upgrade(move |mut socket: WebSocket| {
                    run(moved, async move {
                        let sender = socket.sender();
                        tokio::spawn(async move {
                            sender.closed().await;
                            let refused = sender.send("late".into()).await.unwrap_err();
                            let _ = report.send(refused.is_closed());
                        });
                        match elsewhere {
                            Hangs => {}
                            ReadsOnce => assert!(socket.recv().await.unwrap().unwrap().is_text()),
                            Sends => socket.send("hello".into()).await.unwrap(),
                            // More than the transport and the high-water mark take: it must not wait for ever.
                            Writes => {
                                let failed = async { while socket.send(vec![0; 9000].into()).await.is_ok() {} };
                                failed.await;
                                assert_eq!(watch(&mut socket).await.last().unwrap(), "abnormal");
                            }
                            Splits => {
                                let (sink, _stream) = futures_util::StreamExt::split(socket);
                                drop(sink);
                                return pending().await;
                            }
                        }
                        let _socket = socket;
                        pending::<()>().await;
                    })
                })
            })
            .await;
            client.send(TEXT, "a message").await;
            let (closed, seconds) = timed(seen.recv()).await;
            assert!(closed.unwrap(), "{elsewhere:?}");
            // If it does not read either, the write deadline is the first to notice.
            let expected = if matches!(elsewhere, Writes) { 10.0 } else { 45.0 };
            assert!(
                (expected..=expected + 1.0).contains(&seconds),
                "{elsewhere:?}, moved: {moved}: {seconds}"
            );
            let ((), seconds) = timed(client.drain()).await;
            assert!(seconds < 0.01, "the transport is kept");
        }
    }
}
