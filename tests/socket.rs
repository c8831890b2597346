//! The socket as a handler uses it: whole, split, moved, cancelled, and with a peer that is slow.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

mod peer;

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, join};
use futures_util::stream::{FusedStream, FuturesUnordered, SplitSink, SplitStream};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt, TryStreamExt};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc::{self, unbounded_channel};
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::task::yield_now;
use tokio::time::{interval, sleep};
use tokio_tungstenite::tungstenite;
use upsock::ws::{self, CloseCode, Error, Message, WebSocket};

use crate::peer::{BINARY, CLOSE, PING, PONG, Raw, Server, TEXT, describe, endless, frame, in_memory, soon, watch};

type Handler = fn(WebSocket) -> BoxFuture<'static, ()>;

/// A handler as it is, and the same in a task that the closure does not wait for.
async fn run(moved: bool, handler: impl Future<Output = ()> + Send + 'static) {
    if moved {
        tokio::spawn(handler);
    } else {
        handler.await;
    }
}

// Echo, in all the ways that people write it.

async fn with_recv(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if is_data(&message) {
            socket.send(message).await.unwrap();
        }
    }
}

async fn with_next(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.next().await {
        if is_data(&message) {
            SinkExt::send(&mut socket, message).await.unwrap();
        }
    }
}

async fn with_forward(socket: WebSocket) {
    let (sink, stream) = socket.split();
    let _ = stream
        .try_filter(|message| std::future::ready(is_data(message)))
        .forward(sink)
        .await;
}

async fn with_halves_in_one_loop(socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    while let Some(Ok(message)) = stream.next().await {
        if is_data(&message) {
            sink.send(message).await.unwrap();
        }
    }
}

async fn halfway(mut stream: SplitStream<WebSocket>, there: mpsc::Sender<Message>) {
    while let Some(Ok(message)) = stream.next().await {
        if is_data(&message) {
            there.send(message).await.unwrap();
        }
    }
}

async fn back(mut here: mpsc::Receiver<Message>, mut sink: SplitSink<WebSocket, Message>) {
    while let Some(message) = here.recv().await {
        sink.send(message).await.unwrap();
    }
}

fn split(socket: WebSocket) -> (impl Future<Output = ()> + Send, impl Future<Output = ()> + Send) {
    let (sink, stream) = socket.split();
    let (there, here) = mpsc::channel(1);
    (halfway(stream, there), back(here, sink))
}

async fn with_the_sink_moved(socket: WebSocket) {
    let (halfway, back) = split(socket);
    tokio::spawn(back);
    halfway.await;
}

async fn with_the_stream_moved(socket: WebSocket) {
    let (halfway, back) = split(socket);
    tokio::spawn(halfway);
    back.await;
}

async fn with_both_moved(socket: WebSocket) {
    let (halfway, back) = split(socket);
    tokio::spawn(halfway);
    tokio::spawn(back);
}

async fn with_all_moved(socket: WebSocket) {
    tokio::spawn(with_recv(socket));
}

async fn with_join(socket: WebSocket) {
    let (halfway, back) = split(socket);
    tokio::join!(halfway, back);
}

async fn with_futures_join(socket: WebSocket) {
    let (halfway, back) = split(socket);
    join(halfway, back).await;
}

async fn with_select(mut socket: WebSocket) {
    let mut tick = interval(Duration::from_millis(1));
    loop {
        tokio::select! {
            item = socket.recv() => match item {
                Some(Ok(message)) if is_data(&message) => socket.send(message).await.unwrap(),
                Some(Ok(_)) => {}
                _ => break,
            },
            _ = tick.tick() => {}
        }
    }
}

/// An executor within the closure, with wakers of its own.
async fn with_futures_unordered(socket: WebSocket) {
    let (halfway, back) = split(socket);
    let mut all: FuturesUnordered<BoxFuture<'static, ()>> = [halfway.boxed(), back.boxed()].into_iter().collect();
    while all.next().await.is_some() {}
}

async fn with_executors_within_executors(socket: WebSocket) {
    let mut outer: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    outer.push(with_futures_unordered(socket).boxed());
    outer.push(sleep(Duration::from_millis(5)).boxed());
    while outer.next().await.is_some() {}
}

/// With the names and bounds of a handler that was written for `WebSocketStream`.
async fn as_for_tokio_tungstenite(socket: WebSocket) {
    async fn handle<S, E>(mut stream: S) -> Result<(), E>
    where
        S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
    {
        while let Some(message) = stream.next().await {
            let message = message?;
            match message {
                Message::Text(_) | Message::Binary(_) => stream.send(message).await?,
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
            }
        }
        Ok(())
    }
    handle(socket).await.unwrap();
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

const ECHOES: [(&str, Handler); 14] = [
    ("recv", |socket| with_recv(socket).boxed()),
    ("next", |socket| with_next(socket).boxed()),
    ("forward", |socket| with_forward(socket).boxed()),
    ("halves in one loop", |socket| with_halves_in_one_loop(socket).boxed()),
    ("sink moved", |socket| with_the_sink_moved(socket).boxed()),
    ("stream moved", |socket| with_the_stream_moved(socket).boxed()),
    ("both moved", |socket| with_both_moved(socket).boxed()),
    ("all moved", |socket| with_all_moved(socket).boxed()),
    ("join!", |socket| with_join(socket).boxed()),
    ("join", |socket| with_futures_join(socket).boxed()),
    ("select!", |socket| with_select(socket).boxed()),
    ("FuturesUnordered", |socket| with_futures_unordered(socket).boxed()),
    ("nested", |socket| with_executors_within_executors(socket).boxed()),
    ("WebSocketStream", |socket| as_for_tokio_tungstenite(socket).boxed()),
];

#[tokio::test]
async fn echo_in_all_the_ways_that_people_write_it() {
    for (name, echo) in ECHOES {
        println!("{name}");
        let server = Server::new(move || ws::upgrade(echo).configure(endless));
        let mut client = server.client().await;
        for i in 0..100 {
            client.send(format!("one by one, {i}").into()).await.unwrap();
            assert_eq!(
                soon(client.next()).await.unwrap().unwrap(),
                format!("one by one, {i}").into()
            );
        }
        for i in 0..100 {
            client.feed(format!("all at once, {i}").into()).await.unwrap();
        }
        client.send(vec![5; 500_000].into()).await.unwrap();
        for i in 0..100 {
            assert_eq!(
                soon(client.next()).await.unwrap().unwrap(),
                format!("all at once, {i}").into()
            );
        }
        assert_eq!(soon(client.next()).await.unwrap().unwrap(), vec![5; 500_000].into());
        let mut client = Raw::new(client.into_inner());
        client.ping_pong().await;
        client.send_close(4000).await;
        client.expect_close(4000, "").await;
        client.expect_end().await;
    }
}

/// A transport that takes a byte at a time cuts everything everywhere.
#[tokio::test]
async fn echo_through_the_eye_of_a_needle() {
    for (name, echo) in ECHOES {
        println!("{name}");
        let mut client = in_memory(1, move || ws::upgrade(echo).configure(endless)).await;
        for length in [0, 1, 125, 126, 300] {
            client.send(BINARY, vec![3; length]).await;
            assert_eq!(client.frame().await.payload, vec![3; length]);
        }
        client.leave().await;
    }
}

#[tokio::test]
async fn many_sockets_at_once() {
    let server = Arc::new(Server::new(|| ws::upgrade(with_recv)));
    let clients: Vec<_> = (0..200)
        .map(|number| {
            let server = server.clone();
            tokio::spawn(async move {
                let mut client = server.client().await;
                for i in 0..50 {
                    let text = format!("{number} {i}");
                    client.send(text.clone().into()).await.unwrap();
                    assert_eq!(soon(client.next()).await.unwrap().unwrap(), text.into());
                }
                client.close(None).await.unwrap();
                while let Some(message) = soon(client.next()).await {
                    assert!(message.unwrap().is_close());
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}

// Pings.

#[tokio::test]
async fn pings_are_answered_and_delivered() {
    let (server, mut seen) = Server::watching(endless);
    let mut client = server.raw().await;
    let long = "x".repeat(125);
    for payload in ["", "a", &long] {
        client.send(PING, payload).await;
        client.expect(PONG, payload).await;
    }
    // Also between the fragments of a message.
    client.write(&frame(0x01, "he")).await;
    client.send(PING, "between").await;
    client.expect(PONG, "between").await;
    client.send(PONG, "unasked").await;
    client.write(&frame(0x80, "llo")).await;
    client.leave().await;
    let expected = [
        "ping ",
        "ping a",
        &format!("ping {long}"),
        "ping between",
        "pong unasked",
        "text hello",
        "close 1000",
    ];
    assert_eq!(soon(seen.recv()).await.unwrap(), expected);
}

#[tokio::test]
async fn pings_are_answered_while_the_handler_is_busy() {
    for moved in [false, true] {
        for first in ["", "has read", "has waited", "has sent"] {
            let go = Arc::new(Notify::new());
            let wait = go.clone();
            let (report, mut seen) = unbounded_channel();
            let server = Server::new(move || {
                let (wait, report) = (wait.clone(), report.clone());
                ws::upgrade(move |mut socket: WebSocket| {
                    run(moved, async move {
                        match first {
                            "has read" => assert!(socket.recv().await.is_some()),
                            "has waited" => {
                                assert!(socket.recv().now_or_never().is_none());
                                socket.send("hello".into()).await.unwrap();
                            }
                            "has sent" => socket.send("hello".into()).await.unwrap(),
                            _ => {}
                        }
                        wait.notified().await;
                        let _ = report.send(watch(&mut socket).await);
                    })
                })
            });
            println!("moved: {moved}, {first}");
            let mut client = server.raw().await;
            let mut expected = Vec::new();
            match first {
                "has read" => client.send(TEXT, "to be read").await,
                "has waited" | "has sent" => client.expect(TEXT, "hello").await,
                _ => {}
            }
            for i in 0..5 {
                client.send(TEXT, format!("{i}")).await;
                client.send(PING, format!("{i}")).await;
                client.expect(PONG, format!("{i}")).await;
                expected.extend([format!("text {i}"), format!("ping {i}")]);
            }
            go.notify_one();
            client.leave().await;
            expected.push("close 1000".into());
            assert_eq!(soon(seen.recv()).await.unwrap(), expected);
        }
    }
}

// What is sent.

#[tokio::test]
async fn what_was_sent_leaves_whatever_the_handler_waits_for() {
    async fn wait(number: usize) {
        let mutex = Arc::new(Mutex::new(()));
        let _guard = mutex.lock().await;
        let (_sender, receiver) = oneshot::channel::<()>();
        match number % 5 {
            0 => sleep(Duration::from_secs(600)).await,
            1 => drop(receiver.await),
            2 => drop(mutex.lock().await),
            3 => pending().await,
            // Never ready, never quiet.
            _ => loop {
                yield_now().await;
            },
        }
    }
    for moved in [false, true] {
        for feed in [false, true] {
            let number = AtomicUsize::new(0);
            let server = Server::new(move || {
                let number = number.fetch_add(1, Ordering::Relaxed);
                ws::upgrade(move |mut socket: WebSocket| {
                    run(moved, async move {
                        if feed {
                            socket.feed("at once".into()).await.unwrap();
                        } else {
                            socket.send("at once".into()).await.unwrap();
                        }
                        wait(number).await;
                        drop(socket);
                    })
                })
            });
            for _ in 0..5 {
                server.raw().await.expect(TEXT, "at once").await;
            }
        }
    }
}

#[tokio::test]
async fn a_burst_arrives_complete_and_in_order() {
    for moved in [false, true] {
        let server = Server::new(move || {
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    for i in 0..1000 {
                        // Short and long ones take different ways through the encoder.
                        let padding = "x".repeat(if i % 50 == 0 { 10_000 } else { i % 7 });
                        socket.send(format!("{i} {padding}").into()).await.unwrap();
                    }
                })
            })
        });
        let mut client = server.client().await;
        for i in 0..1000 {
            let message = soon(client.next()).await.unwrap().unwrap();
            let text = message.to_text().unwrap();
            assert_eq!(text.split(' ').next(), Some(&*i.to_string()));
            assert_eq!(
                text.trim_end_matches('x').len() + if i % 50 == 0 { 10_000 } else { i % 7 },
                text.len()
            );
        }
        assert!(soon(client.next()).await.unwrap().unwrap().is_close());
    }
}

/// Counts the writes that reach the transport.
struct Counting(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counting {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_burst_is_one_write() {
    let (client, server) = tokio::io::duplex(1 << 20);
    let writes = Arc::new(AtomicUsize::new(0));
    peer::serve(
        Counting(server, writes.clone()),
        Arc::new(|| {
            ws::upgrade(|mut socket: WebSocket| async move {
                while let Some(Ok(message)) = socket.next().await {
                    for _ in 0..10 {
                        socket.send(message.clone()).await.unwrap();
                    }
                }
            })
        }),
    );
    let mut client = Raw::handshake(client).await;
    let before = writes.load(Ordering::SeqCst);
    let burst: Vec<u8> = (0..10).flat_map(|_| frame(0x80 | TEXT, "a")).collect();
    client.write(&burst).await;
    for _ in 0..100 {
        client.expect(TEXT, "a").await;
    }
    assert_eq!(writes.load(Ordering::SeqCst) - before, 1);
}

#[tokio::test]
async fn order_is_kept_when_a_half_moves_back_and_forth() {
    for (transport, high_water_mark) in [(1 << 16, 1 << 16), (100, 1000), (1, 1)] {
        let mut client = in_memory(transport, move || {
            ws::upgrade(|socket: WebSocket| async move {
                let (mut sink, _stream) = socket.split();
                for i in 0..50 {
                    let message = |part| Message::text(format!("{i} {part} {}", "x".repeat(200)));
                    sink.send(message("closure")).await.unwrap();
                    let (first, second) = (message("first"), message("second"));
                    sink = tokio::spawn(async move {
                        sink.send(first).await.unwrap();
                        sink.send(second).await.unwrap();
                        sink
                    })
                    .await
                    .unwrap();
                }
            })
            .configure(|config| config.high_water_mark(high_water_mark))
        })
        .await;
        for i in 0..50 {
            for part in ["closure", "first", "second"] {
                client.expect(TEXT, format!("{i} {part} {}", "x".repeat(200))).await;
            }
        }
        client.expect_close(1000, "").await;
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_the_socket_stays_open() {
    for moved in [false, true] {
        let server = Server::new(move || {
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    let raw = tungstenite::protocol::frame::Frame::ping("raw");
                    for message in [
                        Message::Frame(raw),
                        Message::Ping(vec![0; 126].into()),
                        Message::Pong(vec![0; 126].into()),
                        Message::Ping(vec![0; 100_000].into()),
                    ] {
                        let error = socket.send(message).await.unwrap_err();
                        assert!(
                            error.is_unsendable() && !error.is_closed() && !error.is_abnormal(),
                            "{error:?}"
                        );
                    }
                    socket.send(Message::Ping(vec![b'x'; 125].into())).await.unwrap();
                    socket.send(Message::Pong("unasked".into())).await.unwrap();
                    with_recv(socket).await;
                })
            })
        });
        let mut client = server.raw().await;
        client.expect(PING, "x".repeat(125)).await;
        client.expect(PONG, "unasked").await;
        client.send(TEXT, "usable").await;
        client.expect(TEXT, "usable").await;
        client.leave().await;
    }
}

#[tokio::test]
async fn large_messages_both_ways() {
    const LARGE: usize = 16 << 20;
    for moved in [false, true] {
        let server = Server::new(move || {
            ws::upgrade(move |socket| run(moved, with_recv(socket)))
                .configure(|config| config.max_message(LARGE).max_frame(LARGE))
        });
        let mut client = server.raw().await;
        let data: Vec<u8> = (0..LARGE).map(|i| (i % 251) as u8).collect();
        client.send(BINARY, &data).await;
        let answer = client.frame().await;
        assert!(answer.opcode == BINARY && answer.payload == data);
        // Text, in fragments that cut its characters.
        let text = "aé€😀".repeat(LARGE / 10);
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(1_000_003).collect();
        for (i, piece) in pieces.iter().enumerate() {
            let first = u8::from(i == 0) | if i + 1 == pieces.len() { 0x80 } else { 0 };
            client.write(&frame(first, piece)).await;
        }
        let answer = client.frame().await;
        assert!(answer.opcode == TEXT && answer.payload == text.as_bytes());
        client.leave().await;
    }
}

#[tokio::test]
async fn a_mebibyte_passes_by_default_and_a_byte_more_does_not() {
    let server = Server::new(|| ws::upgrade(with_recv));
    let mut client = server.raw().await;
    client.send(BINARY, vec![1; 1 << 20]).await;
    assert_eq!(client.frame().await.payload, vec![1; 1 << 20]);
    client.send(BINARY, vec![1; (1 << 20) + 1]).await;
    client.expect_close(1009, "frame is too big").await;
    client.expect_end().await;
}

// A peer that does not read.

/// Sends numbers and counts them, as fast as the socket takes them.
async fn pour(mut socket: WebSocket, count: usize, accepted: Arc<AtomicUsize>) {
    for i in 0..count {
        socket.send(format!("{i:0>100}").into()).await.unwrap();
        accepted.fetch_add(1, Ordering::SeqCst);
    }
}

/// Waits until the count stays where it is.
async fn settled(count: &AtomicUsize) -> usize {
    let mut last = 0;
    soon(async {
        loop {
            sleep(Duration::from_millis(200)).await;
            let now = count.load(Ordering::SeqCst);
            if now > 0 && now == last {
                return now;
            }
            last = now;
        }
    })
    .await
}

#[tokio::test]
async fn sending_waits_for_a_peer_that_does_not_read() {
    for moved in [false, true] {
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let mut client = in_memory(1000, move || {
            let count = count.clone();
            ws::upgrade(move |socket| run(moved, pour(socket, 200, count)))
                .configure(|config| endless(config).high_water_mark(2000))
        })
        .await;
        // What the transport holds, what the client has read behind the response, what is below the mark, one message.
        let most = (1000 + 64 + 2000) / 102 + 1;
        let stalled = settled(&accepted).await;
        assert!(stalled <= most, "{stalled} of {most}, moved: {moved}");
        // Not sent one by one, either.
        assert!(stalled >= 1000 / 102 + 5, "{stalled}");
        for i in 0..200 {
            client.expect(TEXT, format!("{i:0>100}")).await;
        }
        client.expect_close(1000, "").await;
        assert_eq!(accepted.load(Ordering::SeqCst), 200);
    }
}

#[tokio::test]
async fn sending_waits_for_a_peer_that_does_not_read_from_tcp() {
    const COUNT: usize = 50_000;
    for moved in [false, true] {
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        let server = Server::with_buffers(Some(16 * 1024), move || {
            let count = count.clone();
            ws::upgrade(move |socket| run(moved, pour(socket, COUNT, count))).configure(endless)
        });
        let mut client = server.raw_with_buffers(16 * 1024).await;
        let stalled = settled(&accepted).await;
        assert!(stalled * 102 < 1 << 20, "{stalled}");
        for i in 0..COUNT {
            client.expect(TEXT, format!("{i:0>100}")).await;
        }
        client.expect_close(1000, "").await;
    }
}

/// A handler that waits for room still hears what the peer says, in its other half.
#[tokio::test]
async fn a_full_output_does_not_stop_the_input() {
    for name in ["join", "sink moved", "stream moved", "FuturesUnordered"] {
        let (report, mut seen) = unbounded_channel();
        let mut client = in_memory(1000, move || {
            let report = report.clone();
            ws::upgrade(move |socket: WebSocket| async move {
                let (mut sink, mut stream) = socket.split();
                let write = async move {
                    for _ in 0..100 {
                        sink.send("x".repeat(1000).into()).await.unwrap();
                    }
                };
                let read = async move {
                    while let Some(item) = stream.next().await {
                        let _ = report.send(describe(&item));
                    }
                };
                match name {
                    "join" => {
                        join(write, read).await;
                    }
                    "sink moved" => {
                        tokio::spawn(write);
                        read.await;
                    }
                    "stream moved" => {
                        tokio::spawn(read);
                        write.await;
                    }
                    _ => {
                        let mut all: FuturesUnordered<_> = [write.boxed(), read.boxed()].into_iter().collect();
                        while all.next().await.is_some() {}
                    }
                }
            })
            .configure(|config| endless(config).high_water_mark(1))
        })
        .await;
        for i in 0..100 {
            let text = format!("{i}");
            client.send(TEXT, &text).await;
            assert_eq!(soon(seen.recv()).await.unwrap(), format!("text {i}"), "{name}");
        }
        for _ in 0..100 {
            client.expect(TEXT, "x".repeat(1000)).await;
        }
        client.leave().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), "close 1000");
    }
}

// Cancelled futures.

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

// The stream.

#[tokio::test]
async fn the_stream_is_fused() {
    for moved in [false, true] {
        let (report, mut seen) = unbounded_channel();
        let server = Server::new(move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| {
                run(moved, async move {
                    let mut seen = Vec::new();
                    assert!(!socket.is_terminated());
                    loop {
                        futures_util::select! {
                            item = socket.select_next_some() => seen.push(describe(&item)),
                            complete => break,
                        }
                    }
                    assert!(socket.is_terminated());
                    for _ in 0..3 {
                        assert!(socket.next().await.is_none());
                    }
                    let _ = report.send(seen);
                })
            })
        });
        let mut client = server.raw().await;
        client.send(TEXT, "a").await;
        client.leave().await;
        assert_eq!(soon(seen.recv()).await.unwrap(), ["text a", "close 1000"]);
        let mut client = server.raw().await;
        client.write(&frame(0x83, "")).await;
        assert_eq!(client.frame().await.opcode, CLOSE);
        assert_eq!(soon(seen.recv()).await.unwrap(), ["protocol"]);
    }
}

/// The first messages may come in the same packet as the handshake.
#[tokio::test]
async fn messages_that_come_with_the_handshake_are_received() {
    let (client, server) = tokio::io::duplex(1 << 16);
    peer::serve(server, Arc::new(|| ws::upgrade(with_recv)));
    let mut client = Raw::new(client);
    let mut input =
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .to_vec();
    input.extend(frame(0x80 | TEXT, "eager"));
    client.write(&input).await;
    client.skip_response().await;
    client.expect(TEXT, "eager").await;
    client.leave().await;
}

/// What a socket is made of can go everywhere.
#[test]
fn sockets_and_their_errors_are_send() {
    fn is_send<T: Send + 'static>() {}
    fn is_sync<T: Sync>() {}
    is_send::<WebSocket>();
    is_send::<Error>();
    is_sync::<Error>();
    is_sync::<WebSocket>();
}
