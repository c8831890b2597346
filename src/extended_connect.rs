//! Extended CONNECT (RFC 8441): how a client asks for another protocol on a stream of HTTP/2.

use http::header::{ALLOW, CONNECTION, HeaderValue, UPGRADE};
use http::{Extensions, StatusCode, Version, response};

/// The `:protocol` of the request with these extensions (RFC 8441 §4).
///
/// Only an extended CONNECT has one, also if a layer shows it as a GET.
pub(crate) fn protocol(extensions: &Extensions) -> Option<&str> {
    #[cfg(feature = "http2")]
    return extensions
        .get::<hyper::ext::Protocol>()
        .map(hyper::ext::Protocol::as_str);
    #[cfg(not(feature = "http2"))]
    {
        let _ = extensions;
        None
    }
}

/// What a response must be for its request, besides what the handler and the promotion have made of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// `Connection` and `Upgrade` are of HTTP/1.1.
    hop_by_hop: bool,
    /// The client sent CONNECT, and the handler was shown GET.
    shown_as_get: bool,
}

impl Form {
    pub(crate) fn new(version: Version, shown_as_get: bool) -> Self {
        Self {
            hop_by_hop: version < Version::HTTP_2,
            shown_as_get,
        }
    }

    pub(crate) fn apply(self, promoted: bool, response: &mut response::Parts) {
        if !self.hop_by_hop {
            // Forbidden there (RFC 9113 §8.2.2).
            response.headers.remove(CONNECTION);
            response.headers.remove(UPGRADE);
        }
        if self.shown_as_get && !promoted && response.status.is_success() {
            // A page, which the client would take for the open socket: any success accepts a CONNECT (RFC 9110 §9.3.6).
            response.status = StatusCode::METHOD_NOT_ALLOWED;
            response.headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
    }
}
