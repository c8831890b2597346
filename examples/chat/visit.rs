//! One person's socket, from joining to leaving.

use std::convert::Infallible;
use std::sync::Arc;

use upsock::ws::{self, CloseCode, Message, Utf8Bytes, WebSocket};

use crate::room::{Member, Room};
use crate::wire::{Event, Post, Request};

/// A reference only comes back to its sender's page, but it is kept with the message.
const MAX_REFERENCE: usize = 64;

/// Why a visit ends.
enum End {
    /// They have closed, or vanished: for a chat that is the same.
    Theirs,
    Ours(CloseCode, &'static str),
}

const FULL: End = End::Ours(CloseCode::Again, "the room is full");
/// What they have missed is gone from the queue. The page comes back, and gets the history.
const TOO_SLOW: End = End::Ours(CloseCode::Again, "too slow for this room");

impl From<ws::Error> for End {
    fn from(_: ws::Error) -> Self {
        Self::Theirs
    }
}

pub(crate) async fn visit(mut socket: WebSocket, room: Arc<Room>, username: String) -> Result<(), ws::Error> {
    match stay(&mut socket, &room, &username).await {
        Err(End::Ours(code, reason)) => Err(ws::Error::close(code, reason)),
        Err(End::Theirs) => Ok(()),
    }
}

async fn stay(socket: &mut WebSocket, room: &Arc<Room>, username: &str) -> Result<Infallible, End> {
    let (mut member, greeting) = room.join(username).ok_or(FULL)?;
    for text in greeting {
        tell(socket, text).await?;
    }
    loop {
        tokio::select! {
            event = member.next() => tell(socket, event.ok_or(TOO_SLOW)?).await?,
            message = socket.recv() => {
                if let Err(refusal) = hear(&member, &message.ok_or(End::Theirs)??) {
                    tell(socket, refusal).await?;
                }
            }
        }
    }
}

/// Somebody who does not read is waited for until the socket's write deadline. Nobody else waits for it.
async fn tell(socket: &mut WebSocket, text: Utf8Bytes) -> Result<(), End> {
    Ok(socket.send(Message::Text(text)).await?)
}

/// Does what a message asks for, or says why not. Whoever errs stays connected.
fn hear(member: &Member, message: &Message) -> Result<(), Utf8Bytes> {
    let text = match message {
        Message::Text(text) => text,
        Message::Binary(_) => return Err(refusal("Only text messages, please.", None, None)),
        // Pings are answered and Close is noticed without us.
        _ => return Ok(()),
    };
    match serde_json::from_str(text) {
        Ok(Request::Message { message, reference }) => {
            let reference = reference
                .as_deref()
                .filter(|reference| reference.len() <= MAX_REFERENCE);
            member
                .say(&message, reference)
                .map_err(|why| refusal(&why, Some("message"), reference))
        }
        Ok(Request::SetUsername { username }) => member
            .rename(&username)
            .map_err(|why| refusal(&why, Some("setUsername"), None)),
        Ok(Request::Unknown) => Err(refusal(
            "Unknown action: there are “message” and “setUsername”.",
            None,
            None,
        )),
        Err(why) => Err(refusal(&format!("Not a request in JSON: {why}."), None, None)),
    }
}

fn refusal(why: &str, action: Option<&str>, reference: Option<&str>) -> Utf8Bytes {
    let post = Post {
        action,
        reference,
        ..Post::new(why)
    };
    Event::Error(post).encode()
}
