//! Masking (RFC 6455 §5.3).

/// Masks or unmasks `data`, whose first byte goes with `key[0]`, and returns the key turned so that it fits the byte
/// that follows.
///
/// Eight bytes at a time in a plain loop: the compiler turns it into vector instructions.
#[inline]
pub(crate) fn apply(data: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = data.chunks_exact_mut(8);
    for word in &mut words {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        word.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
    }
    let rest = words.into_remainder();
    for (byte, mask) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= mask;
    }
    let mut next = key;
    next.rotate_left(rest.len() % 4);
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_in_any_two_pieces() {
        let key = [0x12, 0x34, 0x56, 0x78];
        for length in 0..70 {
            let plain: Vec<u8> = (0..length).map(|i| (i * 37) as u8).collect();
            let expected: Vec<u8> = plain.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
            for cut in 0..=length {
                let mut data = plain.clone();
                let next = apply(&mut data[..cut], key);
                apply(&mut data[cut..], next);
                assert_eq!(data, expected, "{length} bytes cut at {cut}");
            }
        }
    }
}
