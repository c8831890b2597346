//! upsock over hyper.

use std::convert::Infallible;
use std::io;

use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use upsock::ws::{self, Compression, UpgradeLayer, WebSocket};

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = StreamExt::next(&mut socket).await {
        if (message.is_text() || message.is_binary()) && SinkExt::send(&mut socket, message).await.is_err() {
            break;
        }
    }
}

async fn route(_: Request<Incoming>, compression: Compression) -> Result<Response<Empty<Bytes>>, Infallible> {
    let upgrade = ws::upgrade(echo).configure(|config| config.compression(compression));
    Ok(upgrade.into_response())
}

fn compression() -> Compression {
    let Some(deflate) = compare::deflate() else {
        return Compression::off();
    };
    let compression = Compression::on().level(deflate.level);
    match deflate.threshold {
        Some(bytes) => compression.threshold(bytes),
        None => compression,
    }
}

fn main() -> io::Result<()> {
    let compression = compression();
    compare::run(async |listener| {
        let service = UpgradeLayer::new().layer(service_fn(move |request| route(request, compression)));
        loop {
            let stream = TokioIo::new(compare::accept(&listener).await);
            tokio::spawn(
                http1::Builder::new()
                    .serve_connection(stream, service.clone())
                    .with_upgrades(),
            );
        }
    })
}
