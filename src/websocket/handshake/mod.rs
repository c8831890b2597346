//! The client's request to open a WebSocket (RFC 6455 §4.2.1), parsed and valid.

mod accept;
#[cfg(feature = "deflate")]
mod extension;
mod origin;
mod subprotocol;

use std::sync::Arc;

use http::header::{CONNECTION, HOST, HeaderValue, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

use crate::Rejection;
use crate::capture::has_body;
use crate::extended_connect::protocol;
use crate::headers::has_token;

#[cfg(feature = "deflate")]
use super::{Compression, protocol::Agreement};

use self::accept::Key;
pub use self::origin::Origins;
pub(crate) use self::subprotocol::select as select_subprotocol;

/// A client's valid request to open a WebSocket (RFC 6455 §4.2.1, over HTTP/2 RFC 8441 §5).
///
/// Below [`UpgradeLayer`](crate::UpgradeLayer) each request that is one carries it in its extensions, for handlers and
/// middleware; with the feature `axum` it is an extractor. The socket keeps it: [`WebSocket::handshake`].
/// `examples/echo.rs` is a whole server.
///
/// Cloning it is cheap.
///
/// [`WebSocket::handshake`]: super::WebSocket::handshake
#[derive(Clone, Debug)]
pub struct Handshake(Arc<Fields>);

// Each value is copied out of the request: a `HeaderValue` would keep the connection's whole read buffer for as long as
// the socket is open.
#[derive(Debug)]
struct Fields {
    key: Option<Key>,
    host: Box<str>,
    origin: Option<Box<str>>,
    protocols: Box<[Box<str>]>,
    #[cfg(feature = "deflate")]
    compression: Option<extension::Offer>,
    version: Version,
}

impl Handshake {
    /// Parses the handshake of a request, without taking anything from it.
    ///
    /// # Errors
    /// If the request is no valid handshake.
    pub fn from_request<B>(request: &Request<B>) -> Result<Self, Rejection> {
        Self::parse(
            request.method(),
            request.uri(),
            request.version(),
            request.headers(),
            request.extensions(),
        )
    }

    pub(crate) fn parse(
        method: &Method,
        uri: &Uri,
        version: Version,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Self, Rejection> {
        // A target in absolute form overrides the header (RFC 9112 §3.2.2), and so does `:authority` (RFC 9113 §8.3.1).
        let authority = uri.authority().map(|authority| Box::from(authority.as_str()));
        let host = single(headers, HOST).map(lossy);
        let key = single(headers, SEC_WEBSOCKET_KEY).and_then(Key::parse);
        let (host, key) = match protocol(extensions) {
            None => {
                check_upgrade(method, version, headers)?;
                let host = host.ok_or(Rejection::Host)?;
                (authority.unwrap_or(host), Some(key.ok_or(Rejection::Key)?))
            }
            Some(protocol) => {
                check_extended_connect(protocol, headers)?;
                // A key is not needed, but some clients want the answer to theirs.
                (authority.or(host).ok_or(Rejection::Host)?, key)
            }
        };
        if has_body(headers) {
            return Err(Rejection::Body);
        }
        Ok(Self(Arc::new(Fields {
            key,
            host,
            // Several make none that any policy but `any` knows.
            origin: headers
                .get_all(ORIGIN)
                .iter()
                .map(lossy)
                .reduce(|all, next| format!("{all}, {next}").into()),
            protocols: subprotocol::parse(headers).ok_or(Rejection::Subprotocol)?,
            #[cfg(feature = "deflate")]
            compression: extension::Offer::first(headers),
            version,
        })))
    }

    /// The subprotocols that the client can speak, in its order of preference (`Sec-WebSocket-Protocol`).
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        self.0.protocols.iter().map(|protocol| &**protocol)
    }

    pub(crate) fn protocol_at(&self, place: Option<u16>) -> Option<&str> {
        self.protocols().nth(place?.into())
    }

    /// The origin of the page that opened the WebSocket; clients other than browsers send none (RFC 6454).
    pub fn origin(&self) -> Option<&str> {
        self.0.origin.as_deref()
    }

    /// The server's name and port as the client knows them (`Host`, or `:authority`).
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The version of HTTP that the request came in.
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// What is agreed on if the client offers compression, and the value of `Sec-WebSocket-Extensions` that says so.
    #[cfg(feature = "deflate")]
    pub(crate) fn compress(&self, compression: &Compression) -> Option<(Agreement, HeaderValue)> {
        let offer = self.0.compression.filter(|_| compression.enabled)?;
        Some(offer.accept(compression))
    }

    /// The value of `Sec-WebSocket-Accept`; none if there is no key, over HTTP/2.
    pub(crate) fn accept(&self) -> Option<HeaderValue> {
        self.0.key.as_ref().map(Key::accept)
    }
}

/// RFC 6455 §4.2.1.
fn check_upgrade(method: &Method, version: Version, headers: &HeaderMap) -> Result<(), Rejection> {
    if version != Version::HTTP_11
        || !has_token(headers, UPGRADE, "websocket")
        || !has_token(headers, CONNECTION, "upgrade")
    {
        return Err(Rejection::NotAnUpgrade);
    }
    if method != Method::GET {
        return Err(Rejection::Method);
    }
    if single(headers, SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Rejection::Version);
    }
    Ok(())
}

/// RFC 8441 §5: proxies keep the client's spelling of the protocol, and not all clients send a version.
fn check_extended_connect(protocol: &str, headers: &HeaderMap) -> Result<(), Rejection> {
    if !protocol.eq_ignore_ascii_case("websocket") {
        return Err(Rejection::Protocol);
    }
    if headers.contains_key(SEC_WEBSOCKET_VERSION)
        && single(headers, SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13")
    {
        return Err(Rejection::Version);
    }
    Ok(())
}

fn single(headers: &HeaderMap, name: http::HeaderName) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

fn lossy(value: &HeaderValue) -> Box<str> {
    String::from_utf8_lossy(value.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use http::header::SEC_WEBSOCKET_PROTOCOL;

    use super::*;

    fn request(edit: impl FnOnce(&mut Request<()>)) -> Result<Handshake, Rejection> {
        let mut request = Request::builder()
            .uri("/chat")
            .header(HOST, "server.example.com")
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "Upgrade")
            .header(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .body(())
            .unwrap();
        edit(&mut request);
        Handshake::from_request(&request)
    }

    fn with(name: http::HeaderName, value: &'static str) -> Result<Handshake, Rejection> {
        request(|request| drop(request.headers_mut().insert(name, HeaderValue::from_static(value))))
    }

    fn also(name: http::HeaderName, value: &'static str) -> Result<Handshake, Rejection> {
        request(|request| {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        })
    }

    fn without(name: http::HeaderName) -> Rejection {
        request(|request| drop(request.headers_mut().remove(name))).unwrap_err()
    }

    #[test]
    fn the_example_of_rfc_6455_1_3() {
        let handshake = request(|_| ()).unwrap();
        assert_eq!(handshake.accept().unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!((handshake.host(), handshake.origin()), ("server.example.com", None));
        assert_eq!(handshake.protocols().count(), 0);
    }

    #[test]
    fn token_lists_in_any_case_over_several_lines() {
        assert!(with(UPGRADE, "h2c, WebSocket").is_ok());
        assert!(with(CONNECTION, "keep-alive, UPGRADE").is_ok());
        assert!(also(CONNECTION, "keep-alive").is_ok());
        assert_eq!(
            with(CONNECTION, "noupgradeplease").unwrap_err(),
            Rejection::NotAnUpgrade
        );
        assert_eq!(with(UPGRADE, "websocket2").unwrap_err(), Rejection::NotAnUpgrade);
    }

    #[test]
    fn what_is_no_handshake() {
        assert_eq!(without(UPGRADE), Rejection::NotAnUpgrade);
        assert_eq!(without(CONNECTION), Rejection::NotAnUpgrade);
        for version in [Version::HTTP_10, Version::HTTP_2] {
            let rejection = request(|request| *request.version_mut() = version).unwrap_err();
            assert_eq!(rejection, Rejection::NotAnUpgrade);
        }
        for method in [Method::POST, Method::HEAD, Method::CONNECT] {
            let rejection = request(|request| *request.method_mut() = method).unwrap_err();
            assert_eq!(rejection, Rejection::Method);
        }
        assert_eq!(without(HOST), Rejection::Host);
        assert_eq!(also(HOST, "other.example.com").unwrap_err(), Rejection::Host);
    }

    #[test]
    fn versions() {
        assert_eq!(without(SEC_WEBSOCKET_VERSION), Rejection::Version);
        assert_eq!(also(SEC_WEBSOCKET_VERSION, "13").unwrap_err(), Rejection::Version);
        for version in ["8", "", "013", "13, 8"] {
            assert_eq!(with(SEC_WEBSOCKET_VERSION, version).unwrap_err(), Rejection::Version);
        }
    }

    #[test]
    fn keys() {
        assert_eq!(without(SEC_WEBSOCKET_KEY), Rejection::Key);
        assert_eq!(
            also(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==").unwrap_err(),
            Rejection::Key
        );
        for key in [
            "",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=?",
            "AAAA",
        ] {
            assert_eq!(with(SEC_WEBSOCKET_KEY, key).unwrap_err(), Rejection::Key, "{key}");
        }
    }

    #[test]
    fn bodies() {
        assert_eq!(with(http::header::CONTENT_LENGTH, "5").unwrap_err(), Rejection::Body);
        assert_eq!(
            with(http::header::TRANSFER_ENCODING, "chunked").unwrap_err(),
            Rejection::Body
        );
        assert!(with(http::header::CONTENT_LENGTH, "0").is_ok());
    }

    #[test]
    fn subprotocols() {
        let handshake = request(|request| {
            for line in ["v2.chat, v1.chat", "", "x"] {
                request
                    .headers_mut()
                    .append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(line));
            }
        });
        assert!(handshake.unwrap().protocols().eq(["v2.chat", "v1.chat", "x"]));
        assert_eq!(
            with(SEC_WEBSOCKET_PROTOCOL, "a, b c").unwrap_err(),
            Rejection::Subprotocol
        );
    }
}
