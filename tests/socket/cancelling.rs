//! A future that is dropped halfway loses nothing and repeats nothing.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use tokio::task::yield_now;
use upsock::ws::{self, CloseCode, WebSocket};

use crate::peer::{Server, TEXT, frame, in_memory};
use crate::{is_data, run};

#[tokio::test]
async fn receiving_is_cancel_safe() {
    for moved in [false, true] {
        let cancelled = Arc::new(AtomicUsize::new(0));
        let count = cancelled.clone();
        let server = Server::new(move || {
            let count = count.clone();
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    loop {
                        tokio::select! {
                            biased;
                            item = socket.recv() => match item {
                                Some(Ok(message)) if is_data(&message) => socket.send(message).await.unwrap(),
                                Some(Ok(_)) => {}
                                _ => break,
                            },
                            () = yield_now() => {
                                count.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                })
            })
        });
        let mut client = server.raw().await;
        let mut number = 0;
        while number < 3000 || cancelled.load(Ordering::Relaxed) < 3000 {
            let batch: Vec<u8> = (number..number + 30)
                .flat_map(|i| frame(0x80 | TEXT, i.to_string()))
                .collect();
            for piece in batch.chunks(100) {
                client.write(piece).await;
                yield_now().await;
            }
            for i in number..number + 30 {
                client.expect(TEXT, i.to_string()).await;
            }
            number += 30;
        }
        client.leave().await;
    }
}

#[tokio::test]
async fn sending_is_cancel_safe() {
    const COUNT: usize = 3000;
    for moved in [false, true] {
        let cancelled = Arc::new(AtomicUsize::new(0));
        let count = cancelled.clone();
        let mut client = in_memory(300, move || {
            let count = count.clone();
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    for i in 0..COUNT {
                        loop {
                            tokio::select! {
                                biased;
                                sent = socket.send(i.to_string().into()) => {
                                    sent.unwrap();
                                    break;
                                }
                                () = yield_now() => {
                                    count.fetch_add(1, Ordering::Relaxed);
                                }
                            }
                        }
                    }
                })
            })
            .configure(|config| config.high_water_mark(100))
        })
        .await;
        for i in 0..COUNT {
            if i % 100 == 0 {
                for _ in 0..20 {
                    yield_now().await;
                }
            }
            client.expect(TEXT, i.to_string()).await;
        }
        client.expect_close(1000, "").await;
        assert!(cancelled.load(Ordering::Relaxed) > 300, "{cancelled:?}");
    }
}

#[tokio::test]
async fn closing_goes_on_when_its_future_is_dropped() {
    for moved in [false, true] {
        let server = Server::new(move || {
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    let _ = socket.close(CloseCode::Away, "").now_or_never();
                    pending::<()>().await;
                    drop(socket);
                })
            })
        });
        let mut client = server.raw().await;
        client.expect_close(1001, "").await;
        client.send_close(1001).await;
        client.expect_end().await;
    }
}
