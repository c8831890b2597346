//! Rooms' keys as subjects.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The longest token that tells its key; a server takes lines of 4 KiB.
const MAX_TOKEN: usize = 200;

/// The subjects of one deployment.
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    prefix: String,
}

impl Subjects {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: token(prefix) }
    }

    /// Where the messages of a room are published.
    pub(crate) fn room(&self, key: &str) -> String {
        format!("{}.room.{}", self.prefix, token(key))
    }

    /// Where one process hears itself, on one of its connections.
    pub(crate) fn marks(&self, node: u64, connection: u64) -> String {
        format!("{}.mark.{node:016x}.{connection}", self.prefix)
    }
}

/// Any text as one token of a subject: two texts never have the same.
fn token(text: &str) -> String {
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            token.push(char::from(byte));
        } else {
            let _ = write!(token, "%{byte:02X}");
        }
        if token.len() > MAX_TOKEN {
            token.clear();
            break;
        }
    }
    // Neither of these is the token of another text: a tilde would have been escaped.
    if token.is_empty() {
        token.push('~');
        if !text.is_empty() {
            for byte in Sha256::digest(text) {
                let _ = write!(token, "{byte:02x}");
            }
        }
    }
    token
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn plain_keys_stay_as_they_are() {
        let subjects = Subjects::new("chat");
        assert_eq!(subjects.room("lobby-7_A"), "chat.room.lobby-7_A");
        assert_eq!(subjects.room("a b.c"), "chat.room.a%20b%2Ec");
        assert_eq!(subjects.marks(255, 3), "chat.mark.00000000000000ff.3");
    }

    #[test]
    fn any_text_is_one_token_of_its_own() {
        let long = "x".repeat(10 << 10);
        let longer = long.clone() + "x";
        let texts = [
            "", " ", ".", "..", "*", ">", "a.b", "a%2Eb", "a.", ".a", "%", "~", "é", "e\u{301}", "\r\n", "\0", "A",
            "a", &long, &longer,
        ];
        let tokens: HashSet<String> = texts.iter().map(|text| token(text)).collect();
        assert_eq!(tokens.len(), texts.len());
        for token in tokens {
            assert!(!token.is_empty() && token.len() <= MAX_TOKEN, "{token}");
            assert!(
                token
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b".*>".contains(&byte)),
                "{token}"
            );
        }
        assert_eq!(token(&"x".repeat(MAX_TOKEN)).len(), MAX_TOKEN);
    }
}
