//! One person's socket, from joining to leaving.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use serde::Deserialize;
use upsock::ws::hub::Position;
use upsock::ws::{self, CloseCode, Message, Sender, WebSocket};

use crate::chat::{Chat, Said};
use crate::name::RoomName;
use crate::people::Place;
use crate::wire::{Event, Post, Request, Words};

/// A reference only comes back to its sender's page, but it is kept with the message.
const MAX_REFERENCE: usize = 64;

/// As many as a room remembers.
const MAX_POSITIONS: usize = 64;

/// How many messages of one person may be on their way to the relay, which may be away for long.
const MAX_SAYING: usize = 64;

/// What somebody comes for: the query of the URL.
#[derive(Deserialize)]
pub(crate) struct Wish {
    room: Option<String>,
    /// The last position of each epoch that the page has seen, with commas between.
    #[serde(default)]
    seen: String,
}

impl Wish {
    fn positions(&self) -> Vec<Position> {
        let positions = self.seen.split(',').filter_map(|position| position.parse().ok());
        positions.take(MAX_POSITIONS).collect()
    }
}

pub(crate) async fn visit(socket: WebSocket, chat: Arc<Chat>, username: String, wish: Wish) -> Result<(), ws::Error> {
    let sender = socket.sender();
    tokio::select! {
        // First what has arrived before the end.
        biased;
        result = stay(socket, &sender, &chat, &username, &wish) => result,
        // Too slow, or the server is to stop. They have left, whatever `stay` is waiting for.
        () = sender.closed() => Ok(()),
    }
}

async fn stay(
    mut socket: WebSocket,
    sender: &Sender,
    chat: &Chat,
    username: &str,
    wish: &Wish,
) -> Result<(), ws::Error> {
    let (room, wrong_room) = RoomName::parse_or_lobby(wish.room.as_deref());
    let Some((mut place, notice)) = chat.people.join(&room, sender, username) else {
        return Err(ws::Error::close(CloseCode::Again, "the room is full"));
    };
    let name = place.person.name();
    let welcome = Event::Welcome {
        id: &place.person.id,
        username: name.as_str(),
        room: room.as_str(),
        node: chat.people.node(),
    };
    socket.send(welcome.encode()).await?;

    // What was missed, and then what is said from now on. A sender's messages and a room's keep their order.
    let there = chat.talk.join_since(room.as_str(), sender, &wish.positions()).await;
    let caught_up = Event::CaughtUp {
        complete: there.complete,
        positions: there.positions.iter().map(ToString::to_string).collect(),
    };
    sender.send(caught_up.encode()).await?;
    let wrong_room = wrong_room.map(|why| refusal(why, None, None));
    for notice in notice.into_iter().chain(wrong_room) {
        sender.send(notice).await?;
    }
    place.enter();

    let mut saying = FuturesOrdered::new();
    loop {
        let answer = tokio::select! {
            // What was said before, before what is said next.
            biased;
            Some(said) = saying.next() => said?,
            message = socket.recv(), if saying.len() < MAX_SAYING => match message {
                None => return Ok(()),
                Some(message) => match hear(&place, &message?) {
                    Ok(Some(words)) => {
                        saying.push_back(say(chat, &place, words));
                        None
                    }
                    Ok(None) => None,
                    Err(refusal) => Some(refusal),
                }
            },
        };
        if let Some(answer) = answer {
            sender.send(answer).await?;
        }
    }
}

/// Does what a message asks for, or says why not: whoever errs stays connected. What is to be said is returned.
fn hear(place: &Place, message: &Message) -> Result<Option<Words>, Message> {
    let text = match message {
        Message::Text(text) => text,
        Message::Binary(_) => return Err(refusal("Only text messages, please.", None, None)),
        // Pings are answered and Close is noticed without us.
        _ => return Ok(None),
    };
    match serde_json::from_str(text) {
        Ok(Request::Message(words)) => Ok(Some(words)),
        Ok(Request::SetUsername { username }) => match place.rename(&username) {
            Ok(()) => Ok(None),
            Err(why) => Err(refusal(&why, Some("setUsername"), None)),
        },
        Ok(Request::Unknown) => Err(refusal(
            "Unknown action: there are “message” and “setUsername”.",
            None,
            None,
        )),
        Err(why) => Err(refusal(&format!("Not a request in JSON: {why}."), None, None)),
    }
}

/// Says it; returns the answer to its author.
async fn say(chat: &Chat, place: &Place, mut words: Words) -> Result<Option<Message>, ws::Error> {
    words.reference = words.reference.filter(|reference| reference.len() <= MAX_REFERENCE);
    let reference = words.reference.as_deref();
    match chat.say(place, &words).await {
        Said::Safely => Ok(reference.map(|reference| Event::Sent { reference }.encode())),
        Said::Wrongly(why) => Ok(Some(refusal(&why, Some("message"), reference))),
        // The page keeps what was not acknowledged, and comes back with it.
        Said::InVain => Err(ws::Error::close(CloseCode::Again, "cut off from the other nodes")),
    }
}

fn refusal(why: &str, action: Option<&str>, reference: Option<&str>) -> Message {
    let post = Post {
        action,
        reference,
        ..Post::new(why)
    };
    Event::Error(post).encode()
}
