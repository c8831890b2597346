//! yawc over hyper.

use std::io;

use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use yawc::{CompressionLevel, DeflatePool, OpCode, Options, UpgradeFut, WebSocket, WebSocketError};

/// How many contexts of each kind wait for messages: as many as upsock keeps for a thread.
const POOL: usize = 4;

async fn echo(socket: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = socket.await?;
    while let Some(frame) = socket.next().await {
        if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
            socket.send(frame).await?;
        }
    }
    Ok(())
}

async fn route(mut request: Request<Incoming>, options: Options) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, socket) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(echo(socket));
    Ok(response)
}

fn options() -> Options {
    // The others check texts without being asked.
    let options = Options::default().with_utf8();
    let Some(deflate) = compare::deflate() else {
        return options;
    };
    let options = options
        .with_compression_level(CompressionLevel::new(deflate.level.into()))
        .server_no_context_takeover()
        .client_no_context_takeover()
        .with_deflate_pool(DeflatePool::new(POOL));
    match deflate.threshold {
        Some(bytes) => options.with_compression_threshold(bytes),
        None => options,
    }
}

fn main() -> io::Result<()> {
    let options = options();
    compare::run(async |listener| {
        loop {
            let stream = TokioIo::new(compare::accept(&listener).await);
            let options = options.clone();
            let service = service_fn(move |request| route(request, options.clone()));
            tokio::spawn(http1::Builder::new().serve_connection(stream, service).with_upgrades());
        }
    })
}
