//! What is taken from a request before it is routed.

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, Request, Version};
use hyper::upgrade::OnUpgrade;

use crate::Rejection;
use crate::handover::Handover;
use crate::headers::has_token;
use crate::io::Unbox;
#[cfg(feature = "websocket")]
use crate::websocket::Handshake;

#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) handover: Option<Handover>,
    /// The lines of `Upgrade`, if the request may be upgraded at all.
    offered: Result<Vec<HeaderValue>, Rejection>,
    #[cfg(feature = "websocket")]
    pub(crate) handshake: Result<Handshake, Rejection>,
}

impl Capture {
    /// `None` for a plain request: one look at its head is all that it pays.
    #[inline]
    pub(crate) fn take<B>(request: &mut Request<B>, unbox: Option<Unbox>) -> Option<Box<Self>> {
        if asks(request) {
            Some(Box::new(Self::from_hyper(request, unbox)))
        } else {
            None
        }
    }

    #[cold]
    fn from_hyper<B>(request: &mut Request<B>, unbox: Option<Unbox>) -> Self {
        // Cloned, not removed, so that a framework's own upgrades keep working below us.
        let on_upgrade = request.extensions().get::<OnUpgrade>().cloned();
        let capture = Self::new(
            request,
            on_upgrade.map(|on_upgrade| Handover::Hyper { on_upgrade, unbox }),
        );
        #[cfg(feature = "websocket")]
        if let Ok(handshake) = &capture.handshake {
            request.extensions_mut().insert(handshake.clone());
        }
        capture
    }

    fn new<B>(request: &Request<B>, handover: Option<Handover>) -> Self {
        let offered = check(request.method(), request.version(), request.headers())
            .map(|()| request.headers().get_all(UPGRADE).iter().cloned().collect());
        Self {
            handover,
            offered,
            #[cfg(feature = "websocket")]
            handshake: Handshake::from_request(request),
        }
    }

    /// The same of a request that did not come through hyper, and whose connection comes by `handover`.
    #[cfg(feature = "websocket")]
    pub(crate) fn of<B>(request: &Request<B>, handover: Handover) -> Option<Self> {
        asks(request).then(|| Self::new(request, Some(handover)))
    }

    /// Whether the request asks for this protocol.
    pub(crate) fn offers(&self, protocol: &str) -> Result<(), Rejection> {
        let mut headers = HeaderMap::new();
        for line in self.offered.as_ref().map_err(|rejection| *rejection)? {
            headers.append(UPGRADE, line.clone());
        }
        if has_token(&headers, UPGRADE, protocol) {
            Ok(())
        } else {
            Err(Rejection::NotAnUpgrade)
        }
    }
}

/// Whether a request asks for an upgrade at all.
#[inline]
fn asks<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(UPGRADE) || request.method() == Method::CONNECT
}

/// What any HTTP/1.1 upgrade needs (RFC 9110 §7.8).
fn check(method: &Method, version: Version, headers: &HeaderMap) -> Result<(), Rejection> {
    if method == Method::CONNECT || version != Version::HTTP_11 || !has_token(headers, CONNECTION, "upgrade") {
        return Err(Rejection::NotAnUpgrade);
    }
    if has_body(headers) {
        return Err(Rejection::Body);
    }
    Ok(())
}

/// Whether a request has a body (RFC 9112 §6).
pub(crate) fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0")
}
