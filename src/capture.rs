//! What is taken from a request before it is routed.

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, Request, Version};
use hyper::upgrade::OnUpgrade;

use crate::Rejection;
use crate::headers::has_token;
use crate::io::Unbox;
#[cfg(feature = "websocket")]
use crate::websocket::Handshake;

#[derive(Debug)]
pub(crate) struct Capture {
    /// hyper offers it for any HTTP/1.1 request with `Upgrade` and for any CONNECT: its presence proves nothing.
    pub(crate) on_upgrade: Option<OnUpgrade>,
    /// Of the layer, for the transport.
    pub(crate) unbox: Option<Unbox>,
    /// The lines of `Upgrade`, if the request may be upgraded at all.
    offered: Result<Vec<HeaderValue>, Rejection>,
    #[cfg(feature = "websocket")]
    pub(crate) handshake: Result<Handshake, Rejection>,
}

impl Capture {
    /// `None` for a plain request: one look at its head is all that it pays.
    #[inline]
    pub(crate) fn take<B>(request: &mut Request<B>, unbox: Option<Unbox>) -> Option<Box<Self>> {
        if request.headers().contains_key(UPGRADE) || request.method() == Method::CONNECT {
            Some(Box::new(Self::new(request, unbox)))
        } else {
            None
        }
    }

    #[cold]
    fn new<B>(request: &mut Request<B>, unbox: Option<Unbox>) -> Self {
        // Cloned, not removed, so that a framework's own upgrades keep working below us.
        let on_upgrade = request.extensions().get::<OnUpgrade>().cloned();
        let offered = check(request.method(), request.version(), request.headers())
            .map(|()| request.headers().get_all(UPGRADE).iter().cloned().collect());
        #[cfg(feature = "websocket")]
        let handshake = Handshake::from_request(request);
        #[cfg(feature = "websocket")]
        if let Ok(handshake) = &handshake {
            request.extensions_mut().insert(handshake.clone());
        }
        Self {
            on_upgrade,
            unbox,
            offered,
            #[cfg(feature = "websocket")]
            handshake,
        }
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
