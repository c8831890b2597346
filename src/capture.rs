//! What is taken from a request before it is routed.

#[cfg(not(feature = "http2"))]
use http::header::SEC_WEBSOCKET_VERSION;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use hyper::upgrade::OnUpgrade;

use crate::extended_connect::{Form, protocol};
use crate::handover::Handover;
use crate::headers::has_token;
#[cfg(not(feature = "http2"))]
use crate::trace;
#[cfg(feature = "websocket")]
use crate::websocket::{Handshake, Sockets};
use crate::{Rejection, UpgradeLayer};

#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) handover: Option<Handover>,
    /// If the request may be upgraded at all.
    offered: Result<Offer, Rejection>,
    pub(crate) form: Form,
    #[cfg(feature = "websocket")]
    pub(crate) handshake: Result<Handshake, Rejection>,
    #[cfg(feature = "websocket")]
    pub(crate) sockets: Sockets,
}

/// Where the client names the protocols that it would speak.
#[derive(Debug)]
enum Offer {
    /// The lines of `Upgrade` (HTTP/1.1).
    Upgrade(Vec<HeaderValue>),
    /// `:protocol` (HTTP/2).
    ExtendedConnect(Box<str>),
}

impl Capture {
    /// `None` for a plain request: one look at its head is all that it pays.
    ///
    /// A WebSocket's extended CONNECT becomes a GET for whoever sees it next, unless it is to keep its method.
    #[inline]
    pub(crate) fn take<B>(request: &mut Request<B>, layer: &UpgradeLayer) -> Option<Box<Self>> {
        if asks(request) {
            Some(Box::new(Self::from_hyper(request, layer)))
        } else {
            None
        }
    }

    #[cold]
    fn from_hyper<B>(request: &mut Request<B>, layer: &UpgradeLayer) -> Self {
        // Cloned, not removed, so that a framework's own upgrades keep working below us.
        let on_upgrade = request.extensions().get::<OnUpgrade>().cloned();
        let unbox = layer.unbox;
        let handover = on_upgrade.map(|on_upgrade| Handover::Hyper { on_upgrade, unbox });
        let shown_as_get = request.method() == Method::CONNECT
            && !layer.keep_connect_method
            && protocol(request.extensions()).is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"));
        let capture = Self::new(request, handover, Form::new(request.version(), shown_as_get), layer);
        #[cfg(not(feature = "http2"))]
        if request.version() == Version::HTTP_2 && request.headers().contains_key(SEC_WEBSOCKET_VERSION) {
            trace::no_http2();
        }
        #[cfg(feature = "websocket")]
        if let Ok(handshake) = &capture.handshake {
            request.extensions_mut().insert(handshake.clone());
        }
        if shown_as_get {
            *request.method_mut() = Method::GET;
        }
        capture
    }

    fn new<B>(
        request: &Request<B>,
        handover: Option<Handover>,
        form: Form,
        #[cfg_attr(not(feature = "websocket"), allow(unused_variables))] layer: &UpgradeLayer,
    ) -> Self {
        Self {
            handover,
            offered: Offer::parse(request),
            form,
            #[cfg(feature = "websocket")]
            handshake: Handshake::from_request(request),
            #[cfg(feature = "websocket")]
            sockets: layer.sockets(),
        }
    }

    /// The same of a request that did not come through hyper, and whose connection comes by `handover`.
    #[cfg(feature = "websocket")]
    pub(crate) fn of<B>(request: &Request<B>, handover: Handover) -> Option<Self> {
        let form = Form::new(request.version(), false);
        asks(request).then(|| Self::new(request, Some(handover), form, &UpgradeLayer::none()))
    }

    /// Whether the request asks for this protocol.
    pub(crate) fn offers(&self, protocol: &str) -> Result<(), Rejection> {
        match self.offered.as_ref().map_err(|rejection| *rejection)? {
            Offer::Upgrade(lines) => {
                let mut headers = HeaderMap::new();
                for line in lines {
                    headers.append(UPGRADE, line.clone());
                }
                has_token(&headers, UPGRADE, protocol)
                    .then_some(())
                    .ok_or(Rejection::NotAnUpgrade)
            }
            Offer::ExtendedConnect(offered) => offered
                .eq_ignore_ascii_case(protocol)
                .then_some(())
                .ok_or(Rejection::Protocol),
        }
    }

    /// The status that accepts the request.
    pub(crate) fn success(&self) -> StatusCode {
        match self.offered {
            Ok(Offer::ExtendedConnect(_)) => StatusCode::OK,
            _ => StatusCode::SWITCHING_PROTOCOLS,
        }
    }
}

/// Whether a request asks for an upgrade at all.
#[inline]
fn asks<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(&UPGRADE) || *request.method() == Method::CONNECT
}

impl Offer {
    /// What any upgrade needs (RFC 9110 §7.8, RFC 8441 §4).
    fn parse<B>(request: &Request<B>) -> Result<Self, Rejection> {
        let headers = request.headers();
        let offer = match protocol(request.extensions()) {
            Some(protocol) => Self::ExtendedConnect(protocol.into()),
            None => {
                if request.method() == Method::CONNECT
                    || request.version() != Version::HTTP_11
                    || !has_token(headers, CONNECTION, "upgrade")
                {
                    return Err(Rejection::NotAnUpgrade);
                }
                Self::Upgrade(headers.get_all(UPGRADE).iter().cloned().collect())
            }
        };
        if has_body(headers) {
            return Err(Rejection::Body);
        }
        Ok(offer)
    }
}

/// Whether a request has a body (RFC 9112 §6).
pub(crate) fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0")
}
