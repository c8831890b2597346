//! An idle socket holds no buffers, also after traffic: counted by the allocator, not timed.

#![cfg(feature = "websocket")]
#![allow(clippy::unwrap_used)]

use std::alloc::System;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use cap::Cap;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use upsock::ws::{self, UpgradeLayer, WebSocket};

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

const SOCKETS: usize = 10_000;
const MESSAGE: usize = 64 * 1024;
/// The clients are a process of their own, so that their memory and file descriptors do not count: this test binary,
/// told where to connect to and how often.
const CLIENT: &str = "UPSOCK_TEST_CLIENT";

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn route(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(match request.uri().path() {
        "/echo" => ws::upgrade(echo).configure(patient).into_response(),
        #[cfg(feature = "deflate")]
        "/deflate" => ws::upgrade(echo)
            .configure(|config| patient(config).compression(ws::Compression::on()))
            .into_response(),
        _ => bare(&mut request),
    })
}

/// The clients answer no pings, and on a slow machine this takes longer than they may be silent.
fn patient(config: ws::Config) -> ws::Config {
    config.keep_alive(ws::KeepAlive::off())
}

/// What hyper and tokio cost for an upgraded connection with nothing on it.
fn bare(request: &mut Request<Incoming>) -> Response<Empty<Bytes>> {
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgraded.await.unwrap());
        let _ = io.read_u8().await;
    });
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response
        .headers_mut()
        .insert(UPGRADE, HeaderValue::from_static("websocket"));
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response
}

#[test]
fn an_idle_socket_costs_at_most_a_kibibyte_after_an_echo_of_64() {
    // Many systems start processes with 1,024 files.
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    if let Ok(orders) = std::env::var(CLIENT) {
        return client(&orders);
    }
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let service = UpgradeLayer::new().layer(service_fn(route));
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
                tokio::spawn(connection.with_upgrades());
            }
        });
        let bare = heap_for_each(address, "/bare", SOCKETS).await;
        let socket = heap_for_each(address, "/echo", SOCKETS).await;
        println!("bytes of heap for each of {SOCKETS} idle connections: {socket}, of which hyper's and tokio's {bare}");
        assert!(
            socket - bare <= 1024,
            "{} bytes of our own for each socket",
            socket - bare
        );
        #[cfg(feature = "deflate")]
        {
            let compressed = heap_for_each(address, "/deflate", SOCKETS / 10).await;
            println!("and with compression: {compressed}");
            assert!(
                compressed - bare <= 1024,
                "{} bytes of our own for each socket that compresses",
                compressed - bare
            );
        }
    });
}

async fn heap_for_each(address: SocketAddr, path: &str, count: usize) -> usize {
    // The first pays for what the thread and the runtime keep.
    let _first = clients(address, path, 1).await;
    let before = HEAP.allocated();
    let _all = clients(address, path, count).await;
    (HEAP.allocated() - before) / count
}

/// Starts a process that opens `count` sockets, and waits until each is idle.
async fn clients(address: SocketAddr, path: &str, count: usize) -> Clients {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "an_idle_socket_costs_at_most_a_kibibyte_after_an_echo_of_64",
            "--nocapture",
        ])
        .env(CLIENT, format!("{address} {path} {count}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    let ready = tokio::task::spawn_blocking(|| {
        BufReader::new(output)
            .lines()
            .any(|line| line.unwrap().contains("READY"))
    });
    assert!(ready.await.unwrap(), "the clients have failed");
    Clients(child)
}

struct Clients(Child);

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn client(orders: &str) {
    let [address, path, count] = orders.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let count: usize = count.parse().unwrap();
    let mut frame = vec![0x82, 0xff];
    frame.extend((MESSAGE as u64).to_be_bytes());
    frame.extend([0; 4]);
    frame.resize(frame.len() + MESSAGE, 7);
    let mut answer = vec![0; 10 + MESSAGE];
    let sockets: Vec<TcpStream> = (0..count)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            write!(
                stream,
                "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
            )
            .unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            assert!(head.starts_with(b"HTTP/1.1 101 "));
            if path == "/deflate" {
                stream.write_all(&compressed_frame()).unwrap();
                // FIN, RSV1 and binary.
                let mut start = [0; 2];
                stream.read_exact(&mut start).unwrap();
                assert!(start[0] == 0xc2 && start[1] <= 126, "{start:?}");
                let length = if start[1] < 126 {
                    usize::from(start[1])
                } else {
                    let mut length = [0; 2];
                    stream.read_exact(&mut length).unwrap();
                    usize::from(u16::from_be_bytes(length))
                };
                stream.read_exact(&mut answer[..length]).unwrap();
            }
            if path == "/echo" {
                stream.write_all(&frame).unwrap();
                stream.read_exact(&mut answer).unwrap();
                assert!(answer[10..].iter().all(|byte| *byte == 7));
            }
            stream
        })
        .collect();
    println!("READY");
    // Until the test is done with us.
    let _ = std::io::stdin().read(&mut [0]);
    drop(sockets);
}

/// The same message, compressed.
fn compressed_frame() -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&[7; MESSAGE]).unwrap();
    encoder.flush().unwrap();
    let payload = encoder.get_ref();
    let payload = &payload[..payload.len() - 4];
    let mut frame = vec![0xc2, 0xfe];
    frame.extend((payload.len() as u16).to_be_bytes());
    if payload.len() < 126 {
        frame = vec![0xc2, 0x80 | payload.len() as u8];
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}
