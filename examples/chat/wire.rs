//! The JSON that travels. Every message is one object; unknown fields are ignored, so that both sides may learn more.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use upsock::ws::Utf8Bytes;
use uuid::Uuid;

use crate::name::SYSTEM;

/// What a client may ask for.
#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "camelCase")]
pub(crate) enum Request {
    Message {
        message: String,
        /// Comes back with the message (or the error), so that the client knows which of its own was heard.
        #[serde(rename = "ref")]
        reference: Option<String>,
    },
    SetUsername {
        username: String,
    },
    #[serde(other)]
    Unknown,
}

/// What the server tells.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(crate) enum Event<'a> {
    /// First of all: who you are.
    Welcome {
        #[serde(rename = "self")]
        id: &'a str,
        username: &'a str,
    },
    /// Who is here. The first one after `Welcome` also says that the history is complete.
    People { people: Vec<Person<'a>> },
    /// Somebody said something.
    Message(Post<'a>),
    /// Something happened.
    System(Post<'a>),
    /// Your last request was refused.
    Error(Post<'a>),
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
            from: None,
            action: None,
            reference: None,
        }
    }
}

impl Event<'_> {
    /// Encoded once; clones of the text share one allocation, however many people get it.
    pub(crate) fn encode(&self) -> Utf8Bytes {
        serde_json::to_string(self).expect("only strings and numbers").into()
    }
}

pub(crate) fn new_id() -> String {
    Uuid::new_v4().to_string()
}
