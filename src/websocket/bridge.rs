//! The transport handed to tokio-tungstenite.

use std::io;

use tokio_tungstenite::WebSocketStream;
use tungstenite::protocol::{Role, WebSocketConfig};

use super::{Error, WebSocket, lending};
use crate::Io;

impl WebSocket {
    /// Hands the connection to tokio-tungstenite, for code that needs its [`WebSocketStream`] and no other type. Needs
    /// the feature `tokio-tungstenite`.
    ///
    /// Call it first of all in the closure. From then on the socket is theirs: nothing that this crate promises of
    /// pings, deadlines and closing holds, and the connection ends when the stream is dropped. It still counts among the
    /// layer's [`Sockets`](super::Sockets) until the closure has ended.
    ///
    /// ```
    /// use futures_util::{SinkExt, StreamExt};
    /// use upsock::ws;
    ///
    /// let echo = ws::upgrade(|socket| async move {
    ///     let mut stream = socket.into_tungstenite(None).await?;
    ///     while let Some(message) = stream.next().await {
    ///         let message = message?;
    ///         if message.is_text() || message.is_binary() {
    ///             stream.send(message).await?;
    ///         }
    ///     }
    ///     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    /// });
    /// # drop(echo);
    /// ```
    ///
    /// # Errors
    /// [`Error::is_abnormal`] if the connection is over, if a message has been received or sent, or if this is not the
    /// task that runs the closure.
    pub async fn into_tungstenite(self, config: Option<WebSocketConfig>) -> Result<WebSocketStream<Io>, Error> {
        let given = lending::with(self.link(), super::connection::Connection::give_away).flatten();
        let (io, early) = given.ok_or_else(|| io::Error::other("the connection is in use, and cannot be handed on"))?;
        Ok(WebSocketStream::from_partially_read(io, early, Role::Server, config).await)
    }
}
