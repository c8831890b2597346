//! The JSON that travels. Every message is one object; unknown fields are ignored, so that both sides may learn more.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use upsock::ws::Message;
use uuid::Uuid;

use crate::name::SYSTEM;

/// What a client may ask for.
#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "camelCase")]
pub(crate) enum Request {
    Message(Words),
    SetUsername {
        username: String,
    },
    #[serde(other)]
    Unknown,
}

/// Something to be said.
#[derive(Deserialize)]
pub(crate) struct Words {
    pub(crate) message: String,
    /// Comes back when it is sent (or refused), so that the client knows which of its own that was.
    #[serde(rename = "ref")]
    pub(crate) reference: Option<String>,
    /// Who sends something again, not knowing whether it has arrived, gives it the same id: so it is shown once.
    pub(crate) id: Option<Uuid>,
}

/// What the server tells.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(crate) enum Event<'a> {
    /// First of all: who you are, and where.
    Welcome {
        #[serde(rename = "self")]
        id: &'a str,
        username: &'a str,
        room: &'a str,
        node: &'a Node,
    },
    /// All that is left of what you have missed was sent. `positions` are to be given when coming back, each replaced by
    /// those of newer messages of its epoch.
    CaughtUp { complete: bool, positions: Vec<String> },
    /// Who is here, on this node.
    People { node: &'a Node, people: Vec<Person<'a>> },
    /// Somebody said something.
    Message(Post<'a>),
    /// Your message cannot be lost any more.
    Sent {
        #[serde(rename = "ref")]
        reference: &'a str,
    },
    /// Something happened.
    System(Post<'a>),
    /// Your last request was refused.
    Error(Post<'a>),
}

/// A process that serves this chat.
#[derive(Serialize)]
pub(crate) struct Node {
    /// Tells it from all others, also from one that had its name before.
    id: String,
    name: String,
}

#[derive(Serialize)]
pub(crate) struct Person<'a> {
    pub(crate) id: &'a str,
    pub(crate) username: &'a str,
}

#[derive(Serialize)]
pub(crate) struct Post<'a> {
    pub(crate) id: String,
    pub(crate) username: &'a str,
    pub(crate) message: &'a str,
    /// Unix seconds.
    pub(crate) timestamp: u64,
    /// Where it is in its room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<String>,
    /// The author's id: names change and repeat over time, ids do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<&'a str>,
    /// The request that an error is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<&'a str>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<&'a str>,
}

impl<'a> Post<'a> {
    /// A post by nobody in particular; authors fill in the rest.
    pub(crate) fn new(message: &'a str) -> Self {
        Self {
            id: new_id(),
            username: SYSTEM,
            message,
            timestamp: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            position: None,
            from: None,
            action: None,
            reference: None,
        }
    }
}

impl Node {
    pub(crate) fn new(name: String) -> Self {
        Self { id: new_id(), name }
    }
}

impl Event<'_> {
    pub(crate) fn encode(&self) -> Message {
        Message::text(serde_json::to_string(self).expect("only strings and numbers"))
    }

    /// The beginning of a list of people, which names its node; `None` for other events.
    pub(crate) fn list_of(text: &str) -> Option<&str> {
        let (node, _people) = text.split_once(r#","people":["#)?;
        node.starts_with(r#"{"kind":"people","#).then_some(node)
    }
}

pub(crate) fn new_id() -> String {
    Uuid::new_v4().to_string()
}
