//! Comma-separated lists in header fields (RFC 9110 §5.6.1): over all lines of the field, empty elements ignored.

use http::HeaderMap;
use http::header::AsHeaderName;

/// The elements of a list, without the white space around them.
pub(crate) fn elements(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Whether a list has this token, in whatever case.
pub(crate) fn has_token(headers: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    elements(headers, name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::header::{CONNECTION, HeaderValue, UPGRADE};

    use super::*;

    #[test]
    fn lists_over_several_lines() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_static("keep-alive, ,"));
        headers.append(CONNECTION, HeaderValue::from_static("foo,\tUpGrade "));
        assert!(has_token(&headers, CONNECTION, "upgrade"));
        assert!(!has_token(&headers, CONNECTION, "up"));
        assert!(!has_token(&headers, UPGRADE, "upgrade"));
        headers.insert(CONNECTION, HeaderValue::from_static("noupgradeplease"));
        assert!(!has_token(&headers, CONNECTION, "upgrade"));
    }
}
