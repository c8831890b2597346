use http::HeaderMap;
use http::header::SEC_WEBSOCKET_PROTOCOL;

use super::Handshake;
use crate::headers::elements;

/// The subprotocols that a client offers; `None` if one is no token.
pub(super) fn parse(headers: &HeaderMap) -> Option<Box<[Box<str>]>> {
    elements(headers, SEC_WEBSOCKET_PROTOCOL)
        .map(|element| {
            let token = std::str::from_utf8(element).ok()?;
            is_token(element).then(|| token.into())
        })
        .collect()
}

/// The first of the server's that the client offers too: its place among the client's. None in common means that none is
/// agreed on (RFC 6455 §4.2.2).
pub(crate) fn select(supported: &[String], handshake: &Handshake) -> Option<u16> {
    let place = supported
        .iter()
        .find_map(|supported| handshake.protocols().position(|offered| offered == supported))?;
    u16::try_from(place).ok()
}

/// Whether this is a token (RFC 9110 §5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        assert!(is_token(b"graphql-transport-ws"));
        assert!(is_token(b"v1.chat+json"));
        for bad in ["", "a b", "a/b", "\"a\"", "a;b", "é"] {
            assert!(!is_token(bad.as_bytes()), "{bad:?}");
        }
    }
}
