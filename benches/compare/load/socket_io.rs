//! As much of Socket.IO 5 as a client needs: over a WebSocket from the beginning, in the main namespace.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::Error;
use crate::frame::{self, Kind};

/// Engine.IO 4, without long polling before.
pub const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

/// Engine.IO's "message", Socket.IO's "connect".
const CONNECT: &str = "40";

/// Engine.IO's.
const PING: &str = "2";
const PONG: &str = "3";

/// Waits for the server's greeting, and enters the main namespace.
pub fn connect(stream: &mut TcpStream) -> Result<(), Error> {
    expect(&receive(stream)?, "0{")?;
    send(stream, CONNECT)?;
    // socketioxide sends a ping at once, before its answer or after it; the next comes when the load is long over.
    let (mut pinged, mut connected) = (false, false);
    while !(pinged && connected) {
        let packet = receive(stream)?;
        if packet == PING {
            send(stream, PONG)?;
            pinged = true;
        } else {
            expect(&packet, "40{")?;
            connected = true;
        }
    }
    Ok(())
}

/// An event with this JSON: Engine.IO's "message", Socket.IO's "event".
pub fn event(json: &str) -> String {
    format!(r#"42["message",{json}]"#)
}

fn send(stream: &mut TcpStream, packet: &str) -> Result<(), Error> {
    let mut request = Vec::new();
    frame::request(&mut request, Kind::Text, packet.as_bytes(), [0x37, 0xfa, 0x21, 0x3d]);
    Ok(stream.write_all(&request)?)
}

fn expect(packet: &str, start: &str) -> Result<(), Error> {
    if packet.starts_with(start) {
        return Ok(());
    }
    Err(format!("{start} was expected, and not {packet:?}").into())
}

fn receive(stream: &mut TcpStream) -> Result<String, Error> {
    let mut header = vec![0; 2];
    stream.read_exact(&mut header)?;
    if header[1] == 126 {
        header.resize(4, 0);
        stream.read_exact(&mut header[2..])?;
    }
    let length = frame::payload_length(&header).filter(|_| header[0] == frame::TEXT);
    let mut packet = vec![0; length.ok_or("not a short text")?];
    stream.read_exact(&mut packet)?;
    Ok(String::from_utf8(packet)?)
}
