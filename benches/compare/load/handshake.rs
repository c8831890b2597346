//! A connection, opened.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Error;
use crate::deflate::OFFER;

/// The example of RFC 6455 §1.3: no server here cares that it is always the same.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A server that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens a WebSocket, with compression or without; the stream is blocking.
pub fn open(address: SocketAddr, compressed: bool) -> Result<TcpStream, Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let extensions = if compressed {
        format!("Sec-WebSocket-Extensions: {OFFER}\r\n")
    } else {
        String::new()
    };
    let request = format!(
        "GET /echo HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{extensions}\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Err("closed during the handshake".into()),
            length => head.extend(&buffer[..length]),
        }
    }
    let head = String::from_utf8_lossy(&head);
    if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
        return Err(format!("not upgraded: {head}").into());
    }
    if compressed && !OFFER.split("; ").all(|parameter| head.contains(parameter)) {
        return Err(format!("without what was offered: {head}").into());
    }
    Ok(stream)
}
