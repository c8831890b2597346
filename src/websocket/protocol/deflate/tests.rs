use super::super::*;
use super::compress::compress;
use super::*;

fn agreement() -> Agreement {
    Agreement {
        profile: Profile {
            level: 6,
            window_bits: 15,
        },
        threshold: 0,
        server_context_takeover: false,
        client_context_takeover: false,
        max_ratio: None,
    }
}

/// Inflates `pieces` as one message.
fn inflate(inflater: &mut Inflater, pieces: &[&[u8]]) -> Result<Vec<u8>, Violation> {
    let mut data = Vec::new();
    for piece in pieces {
        inflater.inflate(piece, |bytes| {
            data.extend_from_slice(bytes);
            Ok(())
        })?;
    }
    inflater.finish()?;
    Ok(data)
}

#[test]
fn the_examples_of_rfc_7692_7_2_3() {
    let mut inflater = Inflater::new(&Agreement {
        client_context_takeover: true,
        ..agreement()
    });
    for (bytes, what) in [
        (&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..], "one block"),
        (&[0xf2, 0x00, 0x11, 0x00, 0x00], "with what is before it"),
        (
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            "not compressed",
        ),
        (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], "a final block"),
        (
            &[
                0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
            ],
            "two blocks",
        ),
    ] {
        assert_eq!(inflate(&mut inflater, &[bytes]).unwrap(), b"Hello", "{what}");
        // Without takeover nothing is remembered.
        let mut one = Inflater::new(&agreement());
        assert_eq!(
            inflate(&mut one, &[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]]).unwrap(),
            b"Hello"
        );
        let bytes: Vec<&[u8]> = bytes.chunks(1).collect();
        let found = inflate(&mut one, &bytes);
        if what == "with what is before it" {
            assert_eq!(found, Err(Violation::Compression));
        } else {
            assert_eq!(found.unwrap(), b"Hello", "{what}");
        }
    }
}

#[test]
fn how_a_message_may_end() {
    let mut inflater = Inflater::new(&agreement());
    for bytes in [
        &[][..],
        &[0],
        // A final block, and of the empty block behind it nothing, or all.
        &[3, 0],
        &[3, 0x80],
        &[3, 0, 0, 0, 0, 0xff, 0xff],
        // An empty block that was not left out.
        &[0, 0, 0, 0xff, 0xff],
        &[2, 0, 0, 0, 0xff, 0xff],
    ] {
        assert_eq!(inflate(&mut inflater, &[bytes]), Ok(vec![]), "{bytes:x?}");
    }
    for bytes in [
        &[0x02][..],
        &[0, 0],
        &[0, 0, 0],
        &[0, 0, 0, 0xff],
        &[0, 5, 0, 0xfa, 0xff, b'H'],
        &[0xf2, 0x48],
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07],
        &[3, 0, 7],
        &[3, 0, 0xff, 0xff],
        &[6],
        &[0x07],
    ] {
        assert_eq!(
            inflate(&mut inflater, &[bytes]),
            Err(Violation::Compression),
            "{bytes:x?}"
        );
    }
    assert_eq!(
        inflate(&mut inflater, &[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]]).unwrap(),
        b"Hello"
    );
}

/// The buffer that pieces go through, full to its last byte or not, tells nothing about the end.
#[test]
fn any_length_there_and_back() {
    let mut inflater = Inflater::new(&agreement());
    let mut compressor = Compressor::new(&agreement());
    let mut state = 1u32;
    // Shrinks by an eighth.
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 25) as u8
    })
    .take(1 << 20)
    .collect();
    for length in [65_535, 65_536, 131_071, 131_072, 131_073, 1 << 20] {
        let payload = compressor.message(&noise[..length]).unwrap();
        assert!(payload.len() > length / 8 * 7);
        assert!(
            inflate(&mut inflater, &[&payload]).unwrap() == noise[..length],
            "{length}"
        );
    }
    let zeros = [0; 65_900];
    for length in 65_530..zeros.len() {
        let payload = compressor.message(&zeros[..length]).unwrap();
        assert!(
            inflate(&mut inflater, &[&payload]).unwrap() == zeros[..length],
            "{length}"
        );
    }
}

/// Whatever the thread's compressor has done before.
#[test]
fn a_compressor_forgets() {
    let first = b"{\"id\":1234567890,\"name\":\"someone\"},".repeat(300);
    let second = [b"[", &first[..]].concat();
    for level in 1..=9 {
        let profile = Profile { level, window_bits: 15 };
        let alone = compress(profile, &first).unwrap();
        for payload in [&second[..], &second[..100], &[0; 100_000], &second] {
            let compressed = compress(profile, payload).unwrap();
            let mut inflater = Inflater::new(&agreement());
            assert!(
                inflate(&mut inflater, &[&compressed]).unwrap() == payload,
                "level {level}"
            );
        }
        assert!(compress(profile, &first).unwrap() == alone, "level {level}");
    }
}
