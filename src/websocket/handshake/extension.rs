//! permessage-deflate: what a client offers, and the answer (RFC 6455 §9.1, RFC 7692 §5 and §7.1).

use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};

use super::subprotocol::is_token;
use crate::websocket::Compression;
use crate::websocket::protocol::{Agreement, Profile};

/// An offer that can be accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    /// 9 to 15.
    server_max_window_bits: Option<u8>,
    /// 8 to 15: what the client will not exceed, and may be asked to lower.
    client_max_window_bits: Option<u8>,
}

impl Offer {
    /// The first that can be accepted; what cannot, or is no offer at all, is passed over.
    pub(super) fn first(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(SEC_WEBSOCKET_EXTENSIONS)
            .iter()
            .flat_map(|line| split(line.as_bytes(), b','))
            .find_map(Self::parse)
    }

    fn parse(element: &[u8]) -> Option<Self> {
        let mut parts = split(element, b';').map(<[u8]>::trim_ascii);
        if !parts.next()?.eq_ignore_ascii_case(b"permessage-deflate") {
            return None;
        }
        let mut offer = Self::default();
        for part in parts {
            let mut sides = part.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
            let name = sides.next()?.to_ascii_lowercase();
            let value = match sides.next() {
                Some(value) => Some(unquoted(value)?),
                None => None,
            };
            // Each only once (RFC 7692 §7.1).
            match (&name[..], value) {
                (b"server_no_context_takeover", None) if !offer.server_no_context_takeover => {
                    offer.server_no_context_takeover = true;
                }
                (b"client_no_context_takeover", None) if !offer.client_no_context_takeover => {
                    offer.client_no_context_takeover = true;
                }
                (b"server_max_window_bits", Some(value)) if offer.server_max_window_bits.is_none() => {
                    // zlib has no window of 256 bytes: it would use a larger one than it was told.
                    offer.server_max_window_bits = Some(bits(&value).filter(|bits| *bits > 8)?);
                }
                (b"client_max_window_bits", None) if offer.client_max_window_bits.is_none() => {
                    offer.client_max_window_bits = Some(15);
                }
                (b"client_max_window_bits", Some(value)) if offer.client_max_window_bits.is_none() => {
                    offer.client_max_window_bits = Some(bits(&value)?);
                }
                _ => return None,
            }
        }
        Some(offer)
    }

    /// What is agreed on, and the header that says so.
    pub(super) fn accept(&self, compression: &Compression) -> (Agreement, HeaderValue) {
        let server_context_takeover = compression.server_context_takeover && !self.server_no_context_takeover;
        let client_context_takeover = compression.client_context_takeover && !self.client_no_context_takeover;
        let window_bits = compression
            .server_max_window_bits
            .min(self.server_max_window_bits.unwrap_or(15));
        let client_window_bits = self
            .client_max_window_bits
            .filter(|offered| compression.client_max_window_bits < *offered)
            .map(|_| compression.client_max_window_bits);

        let mut answer = String::from("permessage-deflate");
        if !server_context_takeover {
            answer += "; server_no_context_takeover";
        }
        if !client_context_takeover {
            answer += "; client_no_context_takeover";
        }
        // An offer of it must be answered, and may be answered unasked (§7.1.2.1); the client's only if offered (§7.1.2.2).
        if self.server_max_window_bits.is_some() || window_bits < 15 {
            answer += &format!("; server_max_window_bits={window_bits}");
        }
        if let Some(bits) = client_window_bits {
            answer += &format!("; client_max_window_bits={bits}");
        }
        let agreement = Agreement {
            profile: Profile {
                level: compression.level,
                window_bits,
            },
            threshold: compression.threshold,
            server_context_takeover,
            client_context_takeover,
            max_ratio: compression.max_ratio,
        };
        (agreement, HeaderValue::try_from(answer).expect("it is visible ASCII"))
    }
}

/// A window's size: 8 to 15, in decimal without leading zeros.
fn bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// The value of a parameter: a token, or one in quotes (RFC 6455 §9.1).
fn unquoted(value: &[u8]) -> Option<Vec<u8>> {
    let token = match value {
        [b'"', inner @ .., b'"'] => {
            let mut escaped = false;
            let unescaped = inner.iter().copied().filter(|byte| {
                escaped = *byte == b'\\' && !escaped;
                !escaped
            });
            unescaped.collect()
        }
        _ => value.to_vec(),
    };
    is_token(&token).then_some(token)
}

/// Splits at separators that are not within quotes (RFC 9110 §5.6.4).
fn split(line: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    line.split(move |byte| {
        match byte {
            b'\\' if quoted && !escaped => {
                escaped = true;
                return false;
            }
            b'"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = false;
        *byte == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(lines: &[&'static str]) -> Option<Offer> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(line));
        }
        Offer::first(&headers)
    }

    fn answer(lines: &[&'static str], compression: Compression) -> String {
        let (_, answer) = offer(lines).unwrap().accept(&compression);
        answer.to_str().unwrap().into()
    }

    const NO_TAKEOVER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    #[test]
    fn offers_that_can_be_accepted() {
        let plain = Offer::default();
        let server = |bits| Offer {
            server_max_window_bits: Some(bits),
            ..plain
        };
        let client = |bits| Offer {
            client_max_window_bits: Some(bits),
            ..plain
        };
        for (line, expected) in [
            ("permessage-deflate", plain),
            ("  permessage-deflate  ", plain),
            ("PerMessage-Deflate", plain),
            (
                "permessage-deflate;server_no_context_takeover",
                Offer {
                    server_no_context_takeover: true,
                    ..plain
                },
            ),
            (
                "permessage-deflate;\tclient_no_context_takeover ; server_max_window_bits = 12",
                Offer {
                    client_no_context_takeover: true,
                    ..server(12)
                },
            ),
            ("permessage-deflate; server_max_window_bits=9", server(9)),
            ("permessage-deflate; server_max_window_bits=\"10\"", server(10)),
            ("permessage-deflate; server_max_window_bits=\"1\\0\"", server(10)),
            ("permessage-deflate; client_max_window_bits", client(15)),
            ("permessage-deflate; client_max_window_bits=8", client(8)),
            ("permessage-deflate; client_max_window_bits=\"15\"", client(15)),
        ] {
            assert_eq!(offer(&[line]), Some(expected), "{line}");
        }
    }

    #[test]
    fn offers_that_are_declined() {
        for line in [
            "",
            ",",
            ";",
            "permessage-deflate; unknown",
            "permessage-deflate;",
            "permessage-deflate; ; server_no_context_takeover",
            "permessage-deflate=1",
            "permessage-deflate; =",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover=",
            "permessage-deflate; client_no_context_takeover=true",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=010",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; server_max_window_bits=1 0",
            "permessage-deflate; server_max_window_bits=\"10",
            "permessage-deflate; server_max_window_bits=10\"",
            "permessage-deflate; server_max_window_bits=\"\"",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits=08",
            "permessage-deflate; client_max_window_bits=\"\"",
            "permessage-deflate-frame",
            "x-webkit-deflate-frame",
            "mux; max-channels=4; flow-control",
        ] {
            assert_eq!(offer(&[line]), None, "{line}");
        }
    }

    #[test]
    fn the_first_that_can_be_accepted() {
        let ten = Offer {
            server_max_window_bits: Some(10),
            ..Offer::default()
        };
        for lines in [
            &["permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=10"][..],
            &["mux, permessage-deflate; x, permessage-deflate; server_max_window_bits=10, permessage-deflate"],
            &[
                "permessage-deflate; unknown",
                "permessage-deflate; server_max_window_bits=10",
            ],
            &["foo; bar=\"permessage-deflate, permessage-deflate;\", permessage-deflate; server_max_window_bits=10"],
            &["foo; bar=\"a\\\", permessage-deflate\", permessage-deflate; server_max_window_bits=10"],
            &[
                "foo; bar=\"never closed, permessage-deflate",
                "permessage-deflate; server_max_window_bits=10",
            ],
        ] {
            assert_eq!(offer(lines), Some(ten), "{lines:?}");
        }
    }

    #[test]
    fn answers() {
        let on = Compression::on();
        let takeover = on.server_context_takeover(true).client_context_takeover(true);
        for (line, compression, expected) in [
            ("permessage-deflate", on, NO_TAKEOVER.into()),
            ("permessage-deflate; client_max_window_bits", on, NO_TAKEOVER.into()),
            (
                "permessage-deflate; server_max_window_bits=15",
                on,
                format!("{NO_TAKEOVER}; server_max_window_bits=15"),
            ),
            (
                "permessage-deflate; server_max_window_bits=9",
                on,
                format!("{NO_TAKEOVER}; server_max_window_bits=9"),
            ),
            ("permessage-deflate", takeover, "permessage-deflate".into()),
            (
                "permessage-deflate; server_no_context_takeover",
                takeover,
                "permessage-deflate; server_no_context_takeover".into(),
            ),
            (
                "permessage-deflate; client_no_context_takeover",
                takeover,
                "permessage-deflate; client_no_context_takeover".into(),
            ),
            (
                "permessage-deflate; server_max_window_bits=12",
                takeover.server_max_window_bits(10),
                "permessage-deflate; server_max_window_bits=10".into(),
            ),
            (
                "permessage-deflate",
                takeover.server_max_window_bits(10).client_max_window_bits(10),
                "permessage-deflate; server_max_window_bits=10".into(),
            ),
            (
                "permessage-deflate; client_max_window_bits",
                takeover.client_max_window_bits(10),
                "permessage-deflate; client_max_window_bits=10".into(),
            ),
            (
                "permessage-deflate; client_max_window_bits=10",
                takeover.client_max_window_bits(10),
                "permessage-deflate".into(),
            ),
        ] {
            assert_eq!(answer(&[line], compression), expected, "{line}");
        }
    }
}
