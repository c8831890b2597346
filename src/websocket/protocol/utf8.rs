//! UTF-8 checked as it arrives (RFC 6455 §8.1), over contiguous data: an index, no carry buffer.

use super::Violation;

/// Below this length the standard library is as fast as SIMD.
const SIMD_FROM: usize = 64;

/// Moves `valid` to the end of the valid text in `data`; what may still become a character stays behind it.
///
/// # Errors
/// At the first byte that no further input can make valid.
pub(crate) fn advance(data: &[u8], valid: &mut usize) -> Result<(), Violation> {
    let new = &data[*valid..];
    let (good, broken) = if new.len() < SIMD_FROM {
        match std::str::from_utf8(new) {
            Ok(_) => (new.len(), false),
            Err(error) => (error.valid_up_to(), error.error_len().is_some()),
        }
    } else {
        match simdutf8::compat::from_utf8(new) {
            Ok(_) => (new.len(), false),
            Err(error) => (error.valid_up_to(), error.error_len().is_some()),
        }
    };
    *valid += good;
    if broken { Err(Violation::Utf8) } else { Ok(()) }
}

/// Checks a text that is whole.
pub(crate) fn check(data: &[u8]) -> Result<(), Violation> {
    let mut valid = 0;
    advance(data, &mut valid)?;
    if valid == data.len() {
        Ok(())
    } else {
        Err(Violation::Utf8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_verdict_of_the_whole() {
        let long = "aé€😀".repeat(20);
        for text in ["", "a", "é€😀", "ab\u{10ffff}", &long] {
            for cut in 0..=text.len() {
                let mut valid = 0;
                advance(&text.as_bytes()[..cut], &mut valid).unwrap();
                assert!(cut - valid < 4);
                advance(text.as_bytes(), &mut valid).unwrap();
                assert_eq!(valid, text.len());
            }
        }
    }

    #[test]
    fn fails_at_the_first_impossible_byte() {
        // Overlong, surrogate, above U+10FFFF, a lone continuation: each is known before the sequence is complete.
        for bad in [
            &[0xc0][..],
            &[0xe0, 0x80],
            &[0xed, 0xa0],
            &[0xf4, 0x90],
            &[0xf5],
            &[0x80],
        ] {
            for prefix in ["", &"x".repeat(100)] {
                let data = [prefix.as_bytes(), bad].concat();
                assert_eq!(advance(&data, &mut 0), Err(Violation::Utf8), "{bad:x?}");
                assert_eq!(advance(&data[..data.len() - 1], &mut 0), Ok(()), "{bad:x?}");
            }
        }
        assert_eq!(check(&[0xe2, 0x82]), Err(Violation::Utf8));
    }
}
