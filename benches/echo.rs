//! Whole messages through hyper, the layer and a session, over a transport in memory: no kernel.
//!
//! `cargo bench --bench echo`; times are those of one message, or of one request.

#![allow(missing_docs, reason = "criterion's macros make functions")]

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::StreamExt;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::runtime::Runtime;
use upsock::ws::{self, UpgradeLayer};

const SIZES: [(&str, usize); 5] = [
    ("20 B", 20),
    ("125 B", 125),
    ("1 KiB", 1 << 10),
    ("16 KiB", 16 << 10),
    ("1 MiB", 1 << 20),
];

/// What the transport holds each way: about what the kernel's buffers do.
const TRANSPORT: usize = 256 << 10;

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const PLAIN: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";

async fn echo(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(ws::upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.next().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    })
    .into_response())
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("Hello, World!")))
}

/// The client's end.
struct Client {
    read: ReadHalf<DuplexStream>,
    write: WriteHalf<DuplexStream>,
    buffer: Vec<u8>,
}

impl Client {
    fn new(transport: DuplexStream) -> Self {
        let (read, write) = tokio::io::split(transport);
        Self {
            read,
            write,
            buffer: vec![0; 64 << 10],
        }
    }

    /// A connection to this service.
    fn connect<S>(service: S) -> Self
    where
        S: HttpService<Incoming, ResBody = Full<Bytes>, Error = Infallible, Future: Send> + Send + 'static,
    {
        let (client, server) = tokio::io::duplex(TRANSPORT);
        tokio::spawn(
            http1::Builder::new()
                .serve_connection(TokioIo::new(server), service)
                .with_upgrades(),
        );
        Self::new(client)
    }

    /// Writes a request that has a short response, and returns that.
    async fn ask(&mut self, request: &str) -> String {
        self.write
            .write_all(request.as_bytes())
            .await
            .expect("the server reads");
        let length = self.read.read(&mut self.buffer).await.expect("the server answers");
        String::from_utf8_lossy(&self.buffer[..length]).into_owned()
    }

    /// Writes all requests, while it reads replies of so many bytes.
    async fn exchange(&mut self, requests: &[u8], replies: usize) {
        let (read, write, buffer) = (&mut self.read, &mut self.write, &mut self.buffer);
        let receive = async {
            let mut missing = replies;
            while missing > 0 {
                let length = read.read(buffer).await.expect("the server answers");
                assert!((1..=missing).contains(&length), "{length} bytes instead of {missing}");
                missing -= length;
            }
        };
        let (sent, ()) = tokio::join!(write.write_all(requests), receive);
        sent.expect("the server reads");
    }

    /// The time of `count` requests, this many of them at a time.
    async fn measure(&mut self, requests: &[u8], replies: usize, in_flight: u64, count: u64) -> Duration {
        let batches = count.div_ceil(in_flight);
        let start = Instant::now();
        for _ in 0..batches {
            self.exchange(requests, replies).await;
        }
        start.elapsed().mul_f64(count as f64 / (batches * in_flight) as f64)
    }
}

/// A client's frame, and the length of the same message in a server's frame.
fn frame(payload: &[u8]) -> (Vec<u8>, usize) {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x82];
    match payload.len() {
        length @ 0..=125 => frame.put_u8(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.put_u8(0x80 | 126);
            frame.put_u16(length as u16);
        }
        length => {
            frame.put_u8(0x80 | 127);
            frame.put_u64(length as u64);
        }
    }
    let reply = frame.len() + payload.len();
    frame.put_slice(&KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    (frame, reply)
}

fn messages(criterion: &mut Criterion) {
    let runtime = runtime();
    for in_flight in [1, 16] {
        let mut group = criterion.benchmark_group(format!("echo, {in_flight} in flight"));
        for (name, size) in SIZES {
            let (frame, reply) = frame(&vec![0xa5; size]);
            let requests = frame.repeat(in_flight as usize);
            let replies = reply * in_flight as usize;
            group.throughput(Throughput::Bytes(size as u64));

            let mut client = runtime.block_on(async {
                let mut client = Client::connect(UpgradeLayer::new().layer(service_fn(echo)));
                let response = client.ask(HANDSHAKE).await;
                assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
                client
            });
            group.bench_function(BenchmarkId::new("upsock", name), |bencher| {
                bencher.iter_custom(|count| runtime.block_on(client.measure(&requests, replies, in_flight, count)));
            });

            // What the transport and this client cost by themselves.
            let mut client = runtime.block_on(async {
                let (client, mut server) = tokio::io::duplex(TRANSPORT);
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 << 10];
                    while let Ok(length @ 1..) = server.read(&mut buffer).await {
                        if server.write_all(&buffer[..length]).await.is_err() {
                            break;
                        }
                    }
                });
                Client::new(client)
            });
            group.bench_function(BenchmarkId::new("bytes, no protocol", name), |bencher| {
                bencher
                    .iter_custom(|count| runtime.block_on(client.measure(&requests, requests.len(), in_flight, count)));
            });
        }
    }
}

/// What requests pay that are not for us.
fn plain_get(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("plain GET");
    let mut measure = |name, connect: fn() -> Client| {
        let mut client = runtime.block_on(async { connect() });
        let response = runtime.block_on(client.ask(PLAIN));
        assert!(response.ends_with("Hello, World!"), "{response}");
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| runtime.block_on(client.measure(PLAIN.as_bytes(), response.len(), 1, count)));
        });
    };
    measure("hyper alone", || Client::connect(service_fn(hello)));
    measure("through the layer", || {
        Client::connect(UpgradeLayer::new().layer(service_fn(hello)))
    });
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
}

criterion_group!(benches, messages, plain_get);
criterion_main!(benches);
