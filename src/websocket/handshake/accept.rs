use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use sha1::{Digest, Sha1};

/// A `Sec-WebSocket-Key`: 16 bytes in base64 (RFC 6455 §4.1).
#[derive(Debug)]
pub(super) struct Key([u8; 24]);

impl Key {
    pub(super) fn parse(value: &HeaderValue) -> Option<Self> {
        let key: [u8; 24] = value.as_bytes().try_into().ok()?;
        let mut decoded = [0; 18];
        let length = BASE64_STANDARD.decode_slice(key, &mut decoded).ok()?;
        (length == 16).then_some(Self(key))
    }

    /// Proves to the client that the server has understood (RFC 6455 §4.2.2).
    pub(super) fn accept(&self) -> HeaderValue {
        let mut hash = Sha1::new();
        hash.update(self.0);
        hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = BASE64_STANDARD.encode(hash.finalize());
        HeaderValue::try_from(accept).expect("base64 is visible ASCII")
    }
}
