//! Echo works in all the ways that people write it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join};
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use tokio::time::{interval, sleep};
use upsock::ws::{self, Message, WebSocket};

use crate::peer::{BINARY, Raw, Server, endless, in_memory, soon};
use crate::{is_data, with_recv};

type Handler = fn(WebSocket) -> BoxFuture<'static, ()>;

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
