//! flate2, with miniz_oxide, is the oracle: what it has compressed must come out whole, what is broken for it is broken
//! for us, and what we compress must come out of it.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tungstenite::Message;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::super::differential::{Frame, bad_text, binary, cut, fragments, indices, text};
use super::super::invariants::{GENEROUS, Outcome, Verdict, drive, frames, write};
use super::super::{Extensions, Limits, Protocol};
use super::{Agreement, Profile, TAIL};

/// Words, so that there is something to refer to.
fn prose() -> impl Strategy<Value = Vec<u8>> {
    let word = select(vec![
        "the ",
        "quick ",
        "brown ",
        "{\"id\":",
        "1234567890",
        "€ ",
        "\n",
        "\"name\":\"x\"},",
    ]);
    (vec(word, 0..60), 1..200usize).prop_map(|(words, times)| words.concat().repeat(times).into_bytes())
}

fn payload() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let text = prop_oneof![4 => prose(), 3 => text(), 1 => bad_text()].prop_map(|data| (true, data));
    let data = vec(any::<u8>(), 0..3000);
    let binary = prop_oneof![3 => prose(), 3 => binary(), 2 => data].prop_map(|data| (false, data));
    prop_oneof![text, binary]
}

/// How a client makes one message of a payload.
#[derive(Clone, Debug)]
struct Sent {
    text: bool,
    payload: Vec<u8>,
    compressed: bool,
    /// Where its compressor is told to flush, and how.
    flushes: Vec<(Index, u8)>,
    /// It does not leave the tail out.
    unstripped: bool,
    fragments: Vec<Index>,
    /// What becomes of the compressed bytes on the way.
    damage: Option<(Index, Damage)>,
    ping: bool,
}

#[derive(Clone, Debug)]
enum Damage {
    Replaced(u8),
    Ends,
    Garbage(Vec<u8>),
}

fn sent() -> impl Strategy<Value = Sent> {
    let damage = prop_oneof![
        any::<u8>().prop_map(Damage::Replaced),
        Just(Damage::Ends),
        vec(any::<u8>(), 1..8).prop_map(Damage::Garbage)
    ];
    let damage = prop::option::weighted(0.15, (any::<Index>(), damage));
    let flushes = vec((any::<Index>(), 0..3u8), 0..3);
    let often = prop::bool::weighted(0.8);
    let rarely = prop::bool::weighted(0.1);
    (payload(), often, flushes, rarely, indices(0..4), damage, any::<bool>()).prop_map(
        |((text, payload), compressed, flushes, unstripped, fragments, damage, ping)| Sent {
            text,
            payload,
            compressed,
            flushes,
            unstripped,
            fragments,
            damage,
            ping,
        },
    )
}

/// All that comes of `input` with this flush; a stream that is finished is followed by another.
///
/// In one call, with room for everything. For zlib a flush is complete when a call leaves room; miniz_oxide (0.9.1, at any
/// level) leaves room also when it had taken all of the input before, and has now only written what did not fit then. The
/// end of the input may still be in its lookahead, and the flush is yet to come: zlib, too, finds neither in the output.
fn squeeze(compress: &mut Compress, input: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    out.reserve(2 * input.len() + 1024);
    let status = compress.compress_vec(input, out, flush).unwrap();
    if status == Status::StreamEnd {
        return compress.reset();
    }
    assert!(out.len() < out.capacity() && out.ends_with(&TAIL), "not flushed");
}

impl Sent {
    /// The payload as it is sent.
    fn encode(&self, compress: &mut Compress, takeover: bool) -> Vec<u8> {
        if !self.compressed {
            return self.payload.clone();
        }
        let mut out = Vec::new();
        let cuts: Vec<Index> = self.flushes.iter().map(|(index, _)| *index).collect();
        let pieces = cut(&self.payload, &cuts);
        for (piece, how) in pieces.iter().zip(self.flushes.iter().map(|(_, how)| *how).chain([0])) {
            let flush = [FlushCompress::Sync, FlushCompress::Full, FlushCompress::Finish][usize::from(how)];
            squeeze(compress, piece, flush, &mut out);
        }
        if !self.unstripped {
            out.truncate(out.len() - TAIL.len());
        }
        if !takeover {
            compress.reset();
        }
        match &self.damage {
            Some((index, Damage::Ends)) => out.truncate(index.index(out.len())),
            Some((index, Damage::Replaced(byte))) => {
                let index = index.index(out.len());
                out[index] = *byte;
            }
            Some((_, Damage::Garbage(garbage))) => out.extend(garbage),
            None => {}
        }
        out
    }
}

/// What a compressed payload stands for, if it refers to nothing before it and ends where a block does.
fn inflated(payload: &[u8]) -> Option<Vec<u8>> {
    // miniz_oxide lets data refer to what is before its beginning. Then it makes a difference what is there.
    let data = inflated_after(0x00, payload)?;
    (inflated_after(0xaa, payload)? == data).then_some(data)
}

fn inflated_after(past: u8, payload: &[u8]) -> Option<Vec<u8>> {
    let mut inflate = oracle(past);
    let mut out = Vec::new();
    let ended = run(&mut inflate, past, payload, &mut out)?;
    if !ended && !payload.is_empty() {
        let length = out.len();
        let unstripped = payload.ends_with(&TAIL);
        run(
            &mut inflate,
            past,
            if unstripped { &[0, 0, 0, 0xff, 0xff] } else { &TAIL },
            &mut out,
        )?;
        // Only between two blocks is this another, the final one.
        let between = run(&mut inflate, past, &[1, 0, 0, 0xff, 0xff], &mut out)?;
        return (between && out.len() == length).then_some(out);
    }
    Some(out)
}

/// With a window full of this.
fn oracle(past: u8) -> Decompress {
    let mut inflate = Decompress::new(false);
    let block = [&[0, 0, 0x80, 0xff, 0x7f][..], &[past; 0x8000]].concat();
    let mut window = Vec::with_capacity(0x8001);
    inflate
        .decompress_vec(&block, &mut window, FlushDecompress::None)
        .unwrap();
    assert_eq!(window.len(), 0x8000);
    inflate
}

/// Takes all of the input; says whether a stream has ended with it.
fn run(inflate: &mut Decompress, past: u8, mut input: &[u8], out: &mut Vec<u8>) -> Option<bool> {
    let mut ended = false;
    loop {
        out.reserve(4096);
        let (taken, made) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress_vec(input, out, FlushDecompress::None).ok()?;
        let taken = (inflate.total_in() - taken) as usize;
        let made = (inflate.total_out() - made) as usize;
        input = &input[taken..];
        if status == Status::StreamEnd {
            *inflate = oracle(past);
            ended = true;
        } else if taken > 0 {
            ended = false;
        }
        if input.is_empty() && out.len() < out.capacity() {
            return Some(ended);
        }
        assert!(taken + made > 0, "the oracle stands still");
    }
}

/// What reads with the window that was agreed on, and no more behind it; the oracle's is always the largest.
struct Narrow {
    inflate: DecompressorOxide,
    window: Vec<u8>,
    end: usize,
}

impl Narrow {
    fn new(agreement: &Agreement) -> Self {
        Self {
            inflate: DecompressorOxide::new(),
            window: vec![0; 1 << agreement.profile.window_bits],
            end: 0,
        }
    }

    /// All that comes of `input`; `None` if something refers further back.
    fn read(&mut self, mut input: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            let more = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
            let (status, taken, made) = decompress(&mut self.inflate, input, &mut self.window, self.end, more);
            out.extend_from_slice(&self.window[self.end..self.end + made]);
            self.end = (self.end + made) % self.window.len();
            input = &input[taken..];
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput if input.is_empty() => return Some(out),
                _ => return None,
            }
        }
    }
}

fn agreement() -> impl Strategy<Value = Agreement> {
    (1..=9u8, 9..=15u8, 0..600usize, any::<bool>(), any::<bool>()).prop_map(
        |(level, window_bits, threshold, server, client)| Agreement {
            profile: Profile { level, window_bits },
            threshold,
            server_context_takeover: server,
            client_context_takeover: client,
            max_ratio: None,
        },
    )
}

fn protocol(agreement: Agreement, limits: Limits) -> Protocol {
    Protocol::new(
        limits,
        &Extensions {
            deflate: Some(agreement),
        },
    )
}

fn message(text: bool, payload: Vec<u8>) -> Message {
    if text {
        Message::text(String::from_utf8(payload).unwrap())
    } else {
        Message::binary(payload)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2 * ProptestConfig::default().cases, failure_persistence: None, ..<_>::default() })]

    /// Whatever is compressed, however it is cut: to the byte, up to the limit, and what is broken is refused.
    #[test]
    fn what_a_client_sends(
        messages in vec(sent(), 1..8),
        agreement in agreement(),
        level in 0..=9u32,
        limit in select(vec![usize::MAX, 2000, 20_000]),
        cuts in indices(0..8),
    ) {
        let takeover = agreement.client_context_takeover;
        let mut compress = Compress::new(Compression::new(level), false);
        let (mut wire, mut expected, mut wrong) = (Vec::new(), Outcome::default(), vec![]);
        for sent in &messages {
            let sent = Sent { damage: sent.damage.clone().filter(|_| sent.compressed && !takeover), ..sent.clone() };
            let payload = sent.encode(&mut compress, takeover);
            let opcode = if sent.text { 1 } else { 2 } | if sent.compressed { 0x40 } else { 0 };
            for (index, frame) in fragments(opcode, [1, 2, 3, 4], &payload, &sent.fragments).into_iter().enumerate() {
                if index == 1 && sent.ping {
                    Frame::new(0x89, [5, 6, 7, 8], b"ping".to_vec()).write(&mut wire);
                    expected.messages.push(Message::Ping(Bytes::from_static(b"ping")));
                    expected.pongs.push(Bytes::from_static(b"ping"));
                }
                frame.write(&mut wire);
            }
            let data = if sent.damage.is_some() { inflated(&payload) } else { Some(sent.payload.clone()) };
            wrong = match data {
                Some(data) if sent.text && std::str::from_utf8(&data).is_err() => vec![1007, 1009],
                Some(data) if data.len() <= limit => {
                    expected.messages.push(message(sent.text, data));
                    continue;
                }
                Some(_) => vec![1009],
                // It may become too long, or no text, before it is known to be broken.
                None => vec![1002, 1007, 1009],
            };
            break;
        }
        let limits = Limits { message: limit, ..GENEROUS };
        let mut ours = drive(protocol(agreement, limits), cut(&wire, &cuts));
        if let Verdict::Failed(code) = &ours.verdict {
            prop_assert!(wrong.contains(code), "{code}, not one of {wrong:?}");
            // Pings within a message that fails may come before or after it does.
            expected.pongs.truncate(ours.pongs.len());
            expected.messages.truncate(ours.messages.len());
            ours.verdict = Verdict::Open;
        } else {
            prop_assert!(wrong.is_empty());
        }
        prop_assert_eq!(ours, expected);
    }

    /// What we send comes out whole, of whatever level, window and takeover; and a message that must not be compressed is not.
    #[test]
    fn what_a_client_gets(
        messages in vec((payload(), prop::bool::weighted(0.8)), 1..12),
        agreement in agreement(),
    ) {
        let mut protocol = protocol(agreement, GENEROUS);
        let (mut wire, mut expected) = (Vec::new(), Vec::new());
        for ((text, payload), compressible) in messages {
            let text = text && std::str::from_utf8(&payload).is_ok();
            protocol.send(message(text, payload.clone()), compressible).unwrap();
            expected.push((text, payload, compressible));
            while protocol.unsent() > 0 {
                write(&mut protocol, usize::MAX, &mut wire);
            }
        }
        let mut inflate = Decompress::new(false);
        let mut narrow = Narrow::new(&agreement);
        let frames = frames(&wire);
        prop_assert_eq!(frames.len(), expected.len());
        for ((header, mut bytes), (text, payload, compressible)) in frames.into_iter().zip(expected) {
            prop_assert_eq!(header.opcode, OpCode::Data(if text { Data::Text } else { Data::Binary }));
            prop_assert!(!header.rsv1 || compressible && payload.len() >= agreement.threshold);
            if header.rsv1 {
                if !agreement.server_context_takeover {
                    inflate.reset(false);
                    narrow = Narrow::new(&agreement);
                    prop_assert!(bytes.len() < payload.len());
                }
                let mut data = Vec::new();
                bytes = [&bytes[..], &TAIL].concat().into();
                prop_assert_eq!(run(&mut inflate, 0, &bytes, &mut data), Some(false));
                prop_assert!(narrow.read(&bytes) == Some(data.clone()), "refers too far back");
                bytes = data.into();
            }
            prop_assert!(bytes == payload, "{} bytes for {}", bytes.len(), payload.len());
        }
    }
}
