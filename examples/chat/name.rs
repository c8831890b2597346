//! What may be a name, of a person or a room. One exists only if it may, so nobody has to check it again.

use std::fmt;

/// The author of join, leave and rename notices. No person may be called so.
pub(crate) const SYSTEM: &str = "system";

const MAX_CHARS: usize = 32;

/// A name as everybody will see it: short, on one line, without invisible characters.
#[derive(Clone)]
pub(crate) struct Name(String);

/// The name of a room, which is its key in the hubs: a name in small letters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct RoomName(String);

fn parse(raw: &str) -> Result<String, &'static str> {
    let visible: String = raw.chars().filter(|c| c.is_whitespace() || !is_invisible(*c)).collect();
    let name = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    match name.as_str() {
        "" => Err("A name needs at least one visible character."),
        // Browsers fold `/ws/..` into `/`: whoever had this name could not come back.
        "." | ".." => Err("A name needs more than dots."),
        _ if name.chars().count() > MAX_CHARS => Err("A name has at most 32 characters."),
        _ if name.to_lowercase() == SYSTEM => Err("That name is reserved."),
        _ => Ok(name),
    }
}

impl RoomName {
    /// Who asks for no room, or for one that cannot be, comes to the lobby; with the reason in the latter case.
    pub(crate) fn parse_or_lobby(raw: Option<&str>) -> (Self, Option<&'static str>) {
        match parse(raw.unwrap_or("lobby")) {
            Ok(name) => (Self(name.to_lowercase()), None),
            Err(why) => (Self("lobby".to_owned()), Some(why)),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Name {
    pub(crate) fn parse(raw: &str) -> Result<Self, &'static str> {
        parse(raw).map(Self)
    }

    /// For those who come with a name that cannot be.
    pub(crate) fn guest() -> Self {
        Self("Guest".to_owned())
    }

    /// `Ada` → `Ada 2`, within the limit.
    pub(crate) fn numbered(&self, number: usize) -> Self {
        let suffix = format!(" {number}");
        let stem: String = self.0.chars().take(MAX_CHARS - suffix.len()).collect();
        Self(stem.trim_end().to_owned() + &suffix)
    }

    /// `ada` and `Ada` would be taken for one person.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        self.0.to_lowercase() == other.0.to_lowercase()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Control characters, and those that take no room or turn the direction of writing: good for nothing in a name but
/// to look like somebody else's.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        )
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}
