//! Typed messages: JSON (RFC 8259) in texts.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tungstenite::Message;

use super::{Error, Sender, WebSocket};

impl WebSocket {
    /// Receives the next text or binary message as JSON: `None` at the end. Pings, pongs and the Close frame are passed
    /// over. Needs the feature `json`.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use upsock::ws::{Error, WebSocket};
    ///
    /// #[derive(Deserialize)]
    /// struct Sum {
    ///     a: i64,
    ///     b: i64,
    /// }
    ///
    /// async fn add(mut socket: WebSocket) -> Result<(), Error> {
    ///     while let Some(sum) = socket.recv_json().await {
    ///         // What is no sum closes the socket with 1007; the reason names the place.
    ///         let Sum { a, b } = sum?;
    ///         socket.send_json(&a.saturating_add(b)).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::is_json`] if the message is not JSON, or not of a `T`: it names the line and column, and the socket goes
    /// on. A handler that returns it closes the socket with 1007. Other errors are those of [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// No message is lost if the future is dropped.
    pub async fn recv_json<T: DeserializeOwned>(&mut self) -> Option<Result<T, Error>> {
        loop {
            let message = match self.recv().await? {
                Ok(message) => message,
                Err(error) => return Some(Err(error)),
            };
            let value = match &message {
                Message::Text(text) => serde_json::from_str(text),
                Message::Binary(data) => serde_json::from_slice(data),
                _ => continue,
            };
            return Some(value.map_err(Error::not_json));
        }
    }

    /// Sends a value as JSON in a text: [`send`](Self::send). Needs the feature `json`.
    ///
    /// # Errors
    /// [`Error::is_unsendable`] if the value cannot be JSON; otherwise those of [`send`](Self::send).
    ///
    /// # Cancel safety
    /// That of [`send`](Self::send).
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let message = text(value)?;
        self.send(message).await
    }
}

impl Sender {
    /// Sends a value as JSON in a text: [`send`](Self::send). Needs the feature `json`.
    ///
    /// # Errors
    /// [`Error::is_unsendable`] if the value cannot be JSON; otherwise those of [`send`](Self::send).
    ///
    /// # Cancel safety
    /// That of [`send`](Self::send).
    pub async fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Error> {
        let message = text(value)?;
        self.send(message).await
    }
}

fn text<T: Serialize + ?Sized>(value: &T) -> Result<Message, Error> {
    serde_json::to_string(value)
        .map(Message::text)
        .map_err(Error::not_serializable)
}
