//! A server with one route, on TCP or in memory.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_tungstenite::WebSocketStream;
use upsock::ws::{self, Config, Upgrade, UpgradeLayer, WebSocket};

use super::{Raw, soon, watch};

/// hyper, the layer and one route, in a runtime of its own: a session that spins or blocks fails its test, and no more.
pub struct Server {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    pub fn new(route: impl Fn() -> Upgrade + Send + Sync + 'static) -> Self {
        Self::with_buffers(None, route)
    }

    /// The kernel's buffers for each connection are of this size, or what it makes of it.
    pub fn with_buffers(bytes: Option<usize>, route: impl Fn() -> Upgrade + Send + Sync + 'static) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        if let Some(bytes) = bytes {
            socket.set_recv_buffer_size(bytes).expect("SO_RCVBUF");
            socket.set_send_buffer_size(bytes).expect("SO_SNDBUF");
        }
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .expect("bind");
        socket.listen(1024).expect("listen");
        socket.set_nonblocking(true).expect("non-blocking");
        let guard = runtime.enter();
        let listener = TcpListener::from_std(socket.into()).expect("a listener");
        drop(guard);
        let address = listener.local_addr().expect("an address");
        let route = Arc::new(route);
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accept");
                stream.set_nodelay(true).expect("no delay");
                serve(stream, route.clone());
            }
        });
        Self {
            address,
            runtime: Some(runtime),
        }
    }

    /// The handler reports what it sees until the end; returns how the reports are to be received.
    pub fn watching(configure: fn(Config) -> Config) -> (Self, UnboundedReceiver<Vec<String>>) {
        let (report, seen) = unbounded_channel();
        let server = Self::new(move || {
            let report = report.clone();
            ws::upgrade(move |mut socket: WebSocket| async move {
                let _ = report.send(watch(&mut socket).await);
            })
            .configure(configure)
        });
        (server, seen)
    }

    /// Drops all that runs on the server, where it is.
    pub fn stop(mut self) {
        self.runtime.take().expect("a runtime").shutdown_background();
    }

    pub async fn tcp(&self) -> TcpStream {
        let stream = soon(TcpStream::connect(self.address)).await.expect("connect");
        stream.set_nodelay(true).expect("no delay");
        stream
    }

    /// A client that writes and reads frames as they are.
    pub async fn raw(&self) -> Raw {
        Raw::handshake(self.tcp().await).await
    }

    pub async fn raw_with_buffers(&self, bytes: usize) -> Raw {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("SO_RCVBUF");
        socket.set_send_buffer_size(bytes).expect("SO_SNDBUF");
        socket.connect(&self.address.into()).expect("connect");
        socket.set_nonblocking(true).expect("non-blocking");
        Raw::handshake(TcpStream::from_std(socket.into()).expect("a stream")).await
    }

    /// The independent client.
    pub async fn client(&self) -> WebSocketStream<TcpStream> {
        let request = format!("ws://{}/", self.address);
        let handshake = tokio_tungstenite::client_async(request, self.tcp().await);
        soon(handshake).await.expect("a handshake").0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The same on a transport that holds this many bytes each way; it runs in the runtime of the test.
pub async fn in_memory(bytes: usize, route: impl Fn() -> Upgrade + Send + Sync + 'static) -> Raw<DuplexStream> {
    let (client, server) = tokio::io::duplex(bytes);
    serve(server, Arc::new(route));
    Raw::handshake(client).await
}

pub fn serve<I, R>(io: I, route: Arc<R>)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    R: Fn() -> Upgrade + Send + Sync + 'static,
{
    let service = UpgradeLayer::new().layer(service_fn(move |_: Request<Incoming>| {
        let response: Response<Empty<Bytes>> = route().into_response();
        async { Ok::<_, Infallible>(response) }
    }));
    tokio::spawn(
        http1::Builder::new()
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades(),
    );
}
