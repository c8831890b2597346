//! tokio-websockets with its own handshake: there is no HTTP server below.

use std::io;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{Error, ServerBuilder};

async fn echo(stream: TcpStream) -> Result<(), Error> {
    let (_, mut socket) = ServerBuilder::new().accept(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    compare::run(async |listener| {
        loop {
            tokio::spawn(echo(compare::accept(&listener).await));
        }
    })
}
