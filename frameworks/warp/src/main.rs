//! warp 0.4: the filters become a service, and the layer goes around it. `warp::serve` takes no layers, so the server
//! is hyper-util's.

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use upsock::ws::{self, Message, UpgradeLayer, WebSocket};
use warp::Filter;
use warp::reply::Response;

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        match message {
            Message::Text(text) if text == "bye" => break,
            Message::Text(_) | Message::Binary(_) => drop(socket.send(message).await),
            _ => {}
        }
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let upgrade = warp::path!("echo").map(|| -> Response { ws::upgrade(echo).into() });
    let page = warp::path::end().map(|| "an ordinary page".to_string());
    let service = UpgradeLayer::new().layer(warp::service(upgrade.or(page)));
    let service = TowerToHyperService::new(service);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http1().timer(TokioTimer::new());
            server.http2().enable_connect_protocol();
            server.http2().initial_stream_window_size(64 << 10).initial_connection_window_size(2 << 20);
            server
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await
        });
    }
}
