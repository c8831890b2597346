//! Close frames: their body, and which of them has gone which way (RFC 6455 §5.5.1, §7).

use bytes::Bytes;
use tungstenite::Utf8Bytes;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

use super::frame::MAX_CONTROL;
use super::{Violation, utf8};

/// How far the closing handshake has come.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    /// Our Close is queued; nothing may follow it.
    pub(crate) sent: bool,
    /// The peer's Close has come, or it has broken the protocol: nothing that follows means anything.
    pub(crate) received: bool,
    /// The Close frame that began it; remembered only for the event.
    pub(crate) first: Option<Box<First>>,
}

#[derive(Debug)]
pub(crate) struct First {
    by_peer: bool,
    frame: Option<CloseFrame>,
}

impl Closing {
    /// Remembers who has begun.
    pub(crate) fn begin(&mut self, by_peer: bool, frame: Option<&CloseFrame>) {
        if cfg!(feature = "tracing") && self.first.is_none() {
            let frame = frame.cloned();
            self.first = Some(Box::new(First { by_peer, frame }));
        }
    }

    /// The code and reason of the first Close frame, and who has sent it. 1005 is no code, 1006 no frame (RFC 6455
    /// §7.1.5).
    pub(crate) fn first(&self) -> (u16, &str, &'static str) {
        match self.first.as_deref() {
            None => (1006, "", "nobody"),
            Some(First { by_peer, frame }) => {
                let by = if *by_peer { "peer" } else { "us" };
                let (code, reason) = frame
                    .as_ref()
                    .map_or((1005, ""), |frame| (frame.code.into(), frame.reason.as_str()));
                (code, reason, by)
            }
        }
    }
}

/// Parses the body of a Close frame that a peer sent.
pub(crate) fn parse(body: &Bytes) -> Result<Option<CloseFrame>, Violation> {
    let Some((code, reason)) = body.split_first_chunk::<2>() else {
        return if body.is_empty() {
            Ok(None)
        } else {
            Err(Violation::CloseBody)
        };
    };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !may_be_sent(code) {
        return Err(Violation::CloseCode);
    }
    utf8::check(reason)?;
    let reason = Utf8Bytes::try_from(body.slice(2..)).map_err(|_| Violation::Utf8)?;
    Ok(Some(CloseFrame { code, reason }))
}

/// Formats the body of a Close frame; the reason is cut to what fits, at the end of a character.
pub(crate) fn format(frame: Option<&CloseFrame>) -> Bytes {
    let Some(frame) = frame else {
        return Bytes::new();
    };
    let mut end = frame.reason.len().min(MAX_CONTROL - 2);
    while !frame.reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut body = Vec::with_capacity(2 + end);
    body.extend_from_slice(&u16::from(frame.code).to_be_bytes());
    body.extend_from_slice(&frame.reason.as_bytes()[..end]);
    body.into()
}

/// Whether a Close frame may carry this code (RFC 6455 §7.4, and the codes that IANA has registered since).
pub(crate) fn may_be_sent(code: CloseCode) -> bool {
    matches!(u16::from(code), 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for code in (0u16..=999)
            .chain(1004..=1006)
            .chain(1015..=2999)
            .chain([5000, u16::MAX])
        {
            let body = Bytes::copy_from_slice(&code.to_be_bytes());
            assert_eq!(parse(&body), Err(Violation::CloseCode), "{code}");
        }
        for code in (1000u16..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
            let body = Bytes::copy_from_slice(&code.to_be_bytes());
            let frame = parse(&body).unwrap();
            assert_eq!(format(frame.as_ref()), body);
        }
    }

    #[test]
    fn bodies() {
        assert_eq!(parse(&Bytes::new()), Ok(None));
        assert_eq!(parse(&Bytes::from_static(b"\x03")), Err(Violation::CloseBody));
        assert_eq!(parse(&Bytes::from_static(b"\x03\xe8\xff")), Err(Violation::Utf8));
        assert_eq!(format(None), Bytes::new());
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "é".repeat(100).into(),
        };
        let body = format(Some(&frame));
        assert_eq!(body.len(), 2 + 122);
        assert!(std::str::from_utf8(&body[2..]).is_ok());
    }
}
