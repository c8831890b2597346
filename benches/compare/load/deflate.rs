//! Compressed messages that refer to none before them (RFC 7692 §7.2).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::Error;
use crate::frame;

/// Both sides forget each message.
pub const OFFER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// What a sender leaves out.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// As a browser would: with zlib's default level.
pub fn compress(text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut payload = Vec::with_capacity(text.len() + 1024);
    Compress::new(Compression::new(6), false).compress_vec(text, &mut payload, FlushCompress::Sync)?;
    let length = payload.strip_suffix(&TAIL).ok_or("not flushed")?.len();
    payload.truncate(length);
    Ok(payload)
}

/// The text of a server's frame, compressed or not.
pub fn text(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let payload = frame::payload_of(bytes).to_vec();
    match bytes[0] {
        frame::TEXT => Ok(payload),
        frame::COMPRESSED_TEXT => {
            let payload = [&payload[..], &TAIL].concat();
            let mut text = Vec::with_capacity(2 << 20);
            Decompress::new(false).decompress_vec(&payload, &mut text, FlushDecompress::Sync)?;
            Ok(text)
        }
        first => Err(format!("not a text: {first:#x}").into()),
    }
}
