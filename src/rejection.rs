use std::fmt;

use http::header::{ALLOW, CONNECTION, HeaderValue, RETRY_AFTER, UPGRADE};
use http::{HeaderMap, StatusCode, response};
use hyper::ext::ReasonPhrase;

use crate::trace;

/// Why a request that reached an upgrading handler was not upgraded.
///
/// The refusing response carries it in its extensions, so that layers around [`UpgradeLayer`](crate::UpgradeLayer) can
/// log or restyle the refusal. Over HTTP/1.1 its text is also the reason phrase of the status line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// The request does not ask for this upgrade: no such token in `Upgrade`, no `upgrade` in `Connection`, or neither
    /// HTTP/1.1 nor an extended CONNECT. Status 426 (RFC 9110 §15.5.22).
    NotAnUpgrade,
    /// An extended CONNECT for another protocol (RFC 8441 §4, RFC 9220 §3). Status 501.
    Protocol,
    /// `Sec-WebSocket-Version` is not 13. Status 426 (RFC 6455 §4.4).
    Version,
    /// A WebSocket handshake by another method than GET. Status 405.
    Method,
    /// `Host` is absent or there are several (RFC 6455 §4.2.1, RFC 9112 §3.2); over HTTP/2 it may stand in for
    /// `:authority`. Status 400.
    Host,
    /// `Sec-WebSocket-Key` is absent, there are several, or it is not 16 bytes in base64. Status 400. Over HTTP/2 none is
    /// needed.
    Key,
    /// The request has a body, which would be read as the new protocol. Status 400.
    Body,
    /// `Sec-WebSocket-Protocol` has an element that is no token. Status 400.
    Subprotocol,
    /// The page that opened the WebSocket is not one of the allowed origins. Status 403.
    Origin,
    /// There is nothing to upgrade: the request did not come from a hyper connection, something has dropped its
    /// extensions on the way, or the service was not called in a tokio runtime. Status 500.
    ///
    /// A hyper connection without `with_upgrades` offers upgrades and then fails them, after the `101`: see `on_failed`.
    CannotUpgrade,
    /// As many sockets are open as [`UpgradeLayer::max_sockets`](crate::UpgradeLayer::max_sockets) allows. Status 503,
    /// with `Retry-After`.
    TooManySockets,
    /// [`Sockets::shutdown`](crate::websocket::Sockets::shutdown) has begun. Status 503, with `Retry-After`.
    ShuttingDown,
}

/// In seconds: time for a socket to end, or for a server to take the place of this one.
const RETRY_SOON: HeaderValue = HeaderValue::from_static("5");

impl Rejection {
    /// The status of the refusing response.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Protocol => StatusCode::NOT_IMPLEMENTED,
            Self::NotAnUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Host | Self::Key | Self::Body | Self::Subprotocol => StatusCode::BAD_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::CannotUpgrade => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooManySockets | Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::NotAnUpgrade => "Upgrade Required",
            Self::Protocol => "Not the protocol of this resource",
            Self::Version => "Upgrade Required: Sec-WebSocket-Version must be 13",
            Self::Method => "WebSocket handshake must be GET",
            Self::Host => "Host header absent or repeated",
            Self::Key => "Sec-WebSocket-Key must be 16 bytes in base64, once",
            Self::Body => "Upgrade request must not have a body",
            Self::Subprotocol => "Sec-WebSocket-Protocol must be a list of tokens",
            Self::Origin => "Origin not allowed",
            Self::CannotUpgrade => "Server does not upgrade connections",
            Self::TooManySockets => "Too many WebSockets are open",
            Self::ShuttingDown => "Server is shutting down",
        }
    }

    /// Turns a placeholder's head into this refusal.
    pub(crate) fn refuse(self, response: &mut response::Parts) {
        response.status = self.status();
        if response.status == StatusCode::UPGRADE_REQUIRED {
            let upgrade_close = HeaderValue::from_static("upgrade, close");
            response.headers.insert(CONNECTION, upgrade_close);
        } else {
            end(&mut response.headers);
        }
        if self == Self::Method {
            response.headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        if response.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers.insert(RETRY_AFTER, RETRY_SOON);
        }
        trace::refused(&self, response.status.as_u16());
        let reason = ReasonPhrase::from_static(self.text().as_bytes());
        response.extensions.insert(reason);
        response.extensions.insert(self);
    }
}

/// What is pipelined behind a failed upgrade must not be served as a request, nor its body be read as one.
pub(crate) fn end(headers: &mut HeaderMap) {
    headers.remove(UPGRADE);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Rejection {}
