//! tungstenite is the oracle: random frames, right and wrong, go to both, and what comes of them must be the same: the
//! messages, the verdict (open, closed by which frame, failed with which code), the pongs and the code of the answer.
//! Where ours is to differ from tungstenite 0.30, a function says so, and only that:
//!
//! | function | ours | tungstenite |
//! |---|---|---|
//! | [`length_form`] | a length that is not in its shortest form: 1002 | accepted |
//! | [`length_form`] | a length with its top bit set: 1002 | too big |
//! | [`header_before_size`] | a header that is wrong and declares too much: 1002 | too big |
//! | [`many_fragments`] | more fragments than the limit: 1008, whatever is in them | not limited |
//! | [`close_code`] | a Close with a code that must not be sent: 1002, whatever its reason is | received as a Close with 1002; 1007 if the reason is wrong too |
//! | [`close_code`] | a Close with 1014, registered since RFC 6455: fine | received as a Close with 1002 |
//! | [`completed`] | a frame is judged by what is there: two bytes, a header, a piece of text | when it is complete |
//! | [`Verdict::answer`] | a Close is answered by its code, a failure by the code that names it | by code and reason; not at all |

use std::io::Cursor;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tungstenite::protocol::frame::{FrameHeader, Utf8Bytes};
use tungstenite::protocol::{CloseFrame, Role, WebSocket, WebSocketConfig};

use super::Limits;
use super::invariants::{GENEROUS, Outcome, Pipe, Verdict, answers, limits, read, replay};

/// A frame as a client sends it, right or wrong.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// FIN, the reserved bits and the opcode.
    first: u8,
    key: Option<[u8; 4]>,
    /// Which form the length has (126 or 127), if not the shortest, and what it says, if not the truth.
    length: Option<(u8, Option<u64>)>,
    pub(super) payload: Bytes,
}

impl Frame {
    pub(super) fn new(first: u8, key: [u8; 4], payload: Vec<u8>) -> Self {
        Self {
            first,
            key: Some(key),
            length: None,
            payload: payload.into(),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let length = self.payload.len() as u64;
        let shortest = if length < 126 {
            length as u8
        } else {
            126 + u8::from(length > 0xffff)
        };
        let (form, declared) = self.length.unwrap_or((shortest, None));
        let length = declared.unwrap_or(length);
        out.extend([self.first, u8::from(self.key.is_some()) << 7 | form]);
        let width = [0, 2, 8][usize::from(form.saturating_sub(125))];
        out.extend(&length.to_be_bytes()[8 - width..]);
        out.extend(self.key.into_iter().flatten());
        out.extend(unmasked(&self.payload, self.key.unwrap_or_default()));
    }
}

fn unmasked(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let key = key.iter().cycle();
    payload.iter().zip(key).map(|(byte, key)| byte ^ key).collect()
}

/// Where to cut.
pub(super) fn indices(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), count)
}

fn length() -> impl Strategy<Value = usize> {
    let edges = select(vec![124, 125, 126, 127, 128, 199, 200, 201, 300, 301, 4095, 4096]);
    prop_oneof![24 => 0..40usize, 12 => edges, 1 => 65_535..=65_537usize, 1 => 30_000..150_000usize]
}

pub(super) fn text() -> impl Strategy<Value = Vec<u8>> {
    ("[a\0\u{80}\u{7ff}€\u{d7ff}\u{ffff}😀\u{10ffff}]{1,4}", length()).prop_map(|(unit, length)| {
        let mut text = unit.repeat(length / unit.len());
        text.extend(std::iter::repeat_n('x', length - text.len()));
        text.into_bytes()
    })
}

pub(super) fn binary() -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), length()).prop_map(|(first, length)| (0..length).map(|i| (i * 31) as u8 ^ first).collect())
}

/// A text with one byte that is probably wrong, or without its end.
pub(super) fn bad_text() -> impl Strategy<Value = Vec<u8>> {
    let bytes = select(vec![0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xff]);
    (text(), any::<Index>(), prop::option::weighted(0.8, bytes)).prop_map(|(mut text, index, byte)| {
        let index = index.index(text.len() + 1);
        match (byte, text.get_mut(index)) {
            (Some(byte), Some(place)) => *place = byte,
            _ => text.truncate(index),
        }
        text
    })
}

fn control() -> impl Strategy<Value = Frame> {
    (select(vec![0x89, 0x8a]), any::<[u8; 4]>(), binary()).prop_map(|(first, key, mut payload)| {
        payload.truncate(125);
        Frame::new(first, key, payload)
    })
}

fn close() -> impl Strategy<Value = Frame> {
    let edges = select(vec![0, 999, 1014, 2999, 3000, 4999, 5000, u16::MAX]);
    let code = prop_oneof![4 => 1000..=1016u16, 2 => edges, 1 => any::<u16>()];
    let reason = prop_oneof![4 => text(), 1 => bad_text()];
    let with_code = (code, reason).prop_map(|(code, reason)| [&code.to_be_bytes()[..], &reason].concat());
    let body = prop_oneof![1 => Just(vec![]), 1 => Just(vec![3]), 6 => with_code];
    (any::<[u8; 4]>(), body).prop_map(|(key, mut body)| {
        body.truncate(126);
        Frame::new(0x88, key, body)
    })
}

/// Out of place or too long: a continuation of nothing, a message inside another, a fragmented control frame.
fn stray() -> impl Strategy<Value = Frame> {
    let first = select(vec![0, 1, 2, 8, 9, 10, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a]);
    (first, any::<[u8; 4]>(), prop_oneof![text(), binary()])
        .prop_map(|(first, key, payload)| Frame::new(first, key, payload))
}

/// With something wrong in its header, or two things, whatever else is.
fn flawed() -> impl Strategy<Value = Frame> {
    let frame = prop_oneof![control(), stray(), close()];
    let bits = select(vec![0, 0, 0, 0, 0, 0x10, 0x20, 0x40, 0x40, 0x70, 3, 4, 5, 6, 7, 12, 15]);
    let declared = prop::option::of(select(vec![125, 126, 0xffff, 0x1_0000, 1 << 40, 1 << 63]));
    let length = prop::option::weighted(0.4, (126..=127u8, declared));
    (frame, bits, prop::bool::weighted(0.8), length).prop_map(|(frame, bits, masked, length)| Frame {
        first: frame.first | bits,
        key: frame.key.filter(|_| masked),
        length,
        ..frame
    })
}

/// A message in fragments, of which some may be empty.
pub(super) fn fragments(opcode: u8, key: [u8; 4], payload: &[u8], cuts: &[Index]) -> Vec<Frame> {
    let fragment = |(index, piece): (usize, &[u8])| {
        let first = if index == 0 { opcode } else { 0 } | if index == cuts.len() { 0x80 } else { 0 };
        Frame::new(first, key.map(|byte| byte ^ index as u8), piece.to_vec())
    };
    cut(payload, cuts).into_iter().enumerate().map(fragment).collect()
}

/// A message in some fragments, cut anywhere, with other frames in between; now and then its end is missing.
fn message() -> impl Strategy<Value = Vec<Frame>> {
    let message = prop_oneof![8 => (Just(1), text()), 1 => (Just(1), bad_text()), 6 => (Just(2), binary())];
    let between = prop_oneof![40 => control(), 1 => close(), 1 => stray(), 1 => flawed()];
    let ends = prop::bool::weighted(0.95);
    (message, any::<[u8; 4]>(), indices(0..6), vec(between, 0..3), ends).prop_map(
        |(message, key, cuts, between, ends)| {
            let mut frames = fragments(message.0, key, &message.1, &cuts);
            frames.truncate(cuts.len() + usize::from(ends));
            for (index, frame) in between.into_iter().enumerate().take(cuts.len()) {
                frames.insert(2 * index + 1, frame);
            }
            frames
        },
    )
}

/// What a client sends, and how it arrives.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) limits: Limits,
    frames: Vec<Frame>,
    garbage: Bytes,
    /// Where it stops, if not at its end.
    end: Option<Index>,
    pub(super) cuts: Vec<Index>,
}

impl Input {
    /// All of it, and how much of it arrives.
    pub(super) fn bytes(&self) -> (Vec<u8>, usize) {
        let mut bytes = Vec::new();
        self.frames.iter().for_each(|frame| frame.write(&mut bytes));
        bytes.extend_from_slice(&self.garbage);
        let end = self.end.map_or(bytes.len(), |end| end.index(bytes.len() + 1));
        (bytes, end)
    }
}

pub(super) fn input() -> impl Strategy<Value = Input> {
    let limits = select(vec![GENEROUS, limits(70_000, 65_536, 5), limits(300, 200, 3)]);
    let single = prop_oneof![4 => control(), 2 => close(), 1 => stray(), 3 => flawed()];
    let step = prop_oneof![3 => message(), 2 => vec(single, 1)];
    let garbage = prop_oneof![3 => Just(vec![]), 1 => vec(any::<u8>(), 0..200)];
    let end = prop::option::weighted(0.3, any::<Index>());
    (limits, vec(step, 0..8), garbage, end, indices(0..12)).prop_map(|(limits, steps, garbage, end, cuts)| Input {
        limits,
        frames: steps.concat(),
        garbage: garbage.into(),
        end,
        cuts,
    })
}

/// `bytes` in pieces, some of which may be empty.
pub(super) fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.extend([0, bytes.len()]);
    ends.sort_unstable();
    ends.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// A frame as tungstenite parses it.
struct Parsed<'a> {
    header: FrameHeader,
    head: usize,
    length: u64,
    /// As far as it is there.
    payload: &'a [u8],
}

impl<'a> Parsed<'a> {
    fn first(input: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(input);
        let (header, length) = FrameHeader::parse(&mut cursor).ok()??;
        let head = cursor.position() as usize;
        let end = input.len().min(head.saturating_add(length as usize));
        Some(Self {
            header,
            head,
            length,
            payload: &input[head..end],
        })
    }

    fn is_complete(&self) -> bool {
        self.payload.len() as u64 == self.length
    }

    fn is_data(&self) -> bool {
        matches!(self.header.opcode, OpCode::Data(_))
    }
}

fn length_form(frame: &Parsed<'_>) -> Option<Verdict> {
    let shortest = frame.head == frame.header.len(frame.length);
    (!shortest || frame.length >> 63 != 0).then_some(Verdict::Failed(1002))
}

fn header_before_size(frame: &Parsed<'_>, limits: Limits, fragments: usize) -> Option<Verdict> {
    let header = &frame.header;
    let misplaced = !frame.is_data() || (header.opcode == OpCode::Data(Data::Continue)) != (fragments > 0);
    let wrong = misplaced || header.rsv1 || header.rsv2 || header.rsv3 || header.mask.is_none();
    (wrong && frame.length > limits.frame as u64).then_some(Verdict::Failed(1002))
}

fn many_fragments(frame: &Parsed<'_>, limits: Limits, fragments: usize, theirs: &Verdict) -> Option<Verdict> {
    let counts = frame.is_data() && frame.is_complete() && !matches!(theirs, Verdict::Failed(1002 | 1009));
    (counts && fragments >= limits.fragments as usize).then_some(Verdict::Failed(1008))
}

fn close_code(frame: &Parsed<'_>, theirs: &Verdict) -> Option<Verdict> {
    let is_close = frame.header.opcode == OpCode::Control(Control::Close) && frame.is_complete();
    if !is_close || *theirs == Verdict::Failed(1002) {
        return None;
    }
    let body = unmasked(frame.payload, frame.header.mask?);
    let (&code, reason) = body.split_first_chunk()?;
    let code = CloseCode::from(u16::from_be_bytes(code));
    if u16::from(code) == 1014 {
        let reason = Utf8Bytes::try_from(reason.to_vec()).ok()?;
        return Some(Verdict::Closed(Some(CloseFrame { code, reason })));
    }
    (!code.is_allowed()).then_some(Verdict::Failed(1002))
}

/// The input up to the end of the frame that starts at `start`, made up as far as it is not there.
fn completed(mut input: Vec<u8>, start: usize, limits: Limits) -> Vec<u8> {
    let frame = loop {
        match Parsed::first(&input[start..]) {
            Some(frame) if frame.length > limits.frame as u64 => return input,
            Some(frame) => break frame.head + frame.length as usize,
            None if input.len() > start + 14 => return input,
            None => input.push(1),
        }
    };
    input.resize(start + frame, 1);
    input
}

/// What ours is to make of `input`, and where the last frame starts that it needs for that.
fn expected(input: &[u8], limits: Limits) -> (Outcome, usize) {
    let mut limited = WebSocketConfig::default().read_buffer_size(4096);
    (limited.max_message_size, limited.max_frame_size) = (Some(limits.message), Some(limits.frame));
    let mut socket = WebSocket::from_raw_socket(Pipe::default(), Role::Server, Some(limited));
    let (mut outcome, mut start, mut fragments) = (Outcome::default(), 0, 0);
    while outcome.verdict == Verdict::Open && start < input.len() {
        let frame = Parsed::first(&input[start..]);
        let end = frame
            .as_ref()
            .map_or(input.len(), |frame| start + frame.head + frame.payload.len());
        let before = outcome.messages.len();
        socket.get_mut().input.extend(&input[start..end]);
        outcome.verdict = read(&mut socket, &mut outcome.messages);
        let Some(frame) = frame else { break };
        let ours = length_form(&frame)
            .or_else(|| header_before_size(&frame, limits, fragments))
            .or_else(|| many_fragments(&frame, limits, fragments, &outcome.verdict))
            .or_else(|| close_code(&frame, &outcome.verdict));
        if let Some(ours) = ours {
            outcome.messages.truncate(before);
            outcome.verdict = ours;
        } else if !frame.is_complete() {
            break;
        } else if let Verdict::Closed(frame) = &outcome.verdict {
            let _ = socket.flush();
            let echo = answers(&socket.get_ref().output).1.flatten();
            assert_eq!(echo, frame.as_ref().map(|frame| frame.code.into()));
        }
        if frame.is_data() {
            fragments = if frame.header.is_final { 0 } else { fragments + 1 };
        }
        start = if outcome.verdict == Verdict::Open { end } else { start };
    }
    let pings = outcome.messages.iter().filter(|message| message.is_ping()).count();
    outcome.pongs = answers(&socket.get_ref().output).0;
    outcome.pongs.truncate(pings);
    (outcome, start)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4 * ProptestConfig::default().cases, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn the_same_as_tungstenite(input in input()) {
        let (bytes, end) = input.bytes();
        let ours = replay(cut(&bytes[..end], &input.cuts), input.limits);
        let (mut expected, start) = expected(&bytes[..end], input.limits);
        if expected.verdict == Verdict::Open && ours.verdict != Verdict::Open && start < end {
            expected = self::expected(&completed(bytes, start, input.limits), input.limits).0;
        }
        prop_assert_eq!(ours, expected);
    }
}
