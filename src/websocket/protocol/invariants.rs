//! What holds for any input, any cuts of it and any pace of the transport.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};

use bytes::{BufMut, Bytes};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, OpCode};
use tungstenite::protocol::{CloseFrame, Role, WebSocket};
use tungstenite::{Error, Message};

use super::differential::{Frame, bad_text, binary, cut, fragments, indices, input, text};
use super::{Extensions, Limits, MAX_SLICES, Protocol};

pub(super) const GENEROUS: Limits = limits(1 << 24, 1 << 24, 4096);

pub(super) const fn limits(message: usize, frame: usize, fragments: u32) -> Limits {
    Limits {
        message,
        frame,
        fragments,
        controls: u32::MAX,
    }
}

/// What came of some input.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    /// Except Close.
    pub(super) messages: Vec<Message>,
    pub(super) verdict: Verdict,
    pub(super) pongs: Vec<Bytes>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Verdict {
    #[default]
    Open,
    Closed(Option<CloseFrame>),
    /// With the code that names the failure.
    Failed(u16),
}

impl Verdict {
    /// The code of the Close frame that answers, if one does, and if it has one.
    fn answer(&self) -> Option<Option<u16>> {
        match self {
            Self::Open => None,
            Self::Closed(frame) => Some(frame.as_ref().map(|frame| frame.code.into())),
            Self::Failed(code) => Some(Some(*code)),
        }
    }
}

/// The frames that a server has written.
pub(super) fn frames(mut wire: &[u8]) -> Vec<(FrameHeader, Bytes)> {
    let mut frames = Vec::new();
    while !wire.is_empty() {
        let mut cursor = io::Cursor::new(wire);
        let (header, length) = FrameHeader::parse(&mut cursor).unwrap().expect("a whole header");
        assert!(header.is_final && header.mask.is_none());
        let (payload, rest) = wire[cursor.position() as usize..].split_at(length as usize);
        frames.push((header, Bytes::copy_from_slice(payload)));
        wire = rest;
    }
    frames
}

/// The pongs that a server has written, and the code of its Close frame, which must be the last.
pub(super) fn answers(wire: &[u8]) -> (Vec<Bytes>, Option<Option<u16>>) {
    let (mut pongs, mut close) = (Vec::new(), None);
    for (header, payload) in frames(wire) {
        assert_eq!(close, None, "something after the Close");
        match header.opcode {
            OpCode::Control(Control::Pong) => pongs.push(payload),
            OpCode::Control(Control::Close) => close = Some(payload.first_chunk().copied().map(u16::from_be_bytes)),
            _ => panic!("nobody sent a message"),
        }
    }
    (pongs, close)
}

/// A transport in memory, which blocks at the end of its input.
#[derive(Default)]
pub(super) struct Pipe {
    pub(super) input: VecDeque<u8>,
    pub(super) output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.input.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            length => Ok(length),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite makes of its input.
pub(super) fn read(socket: &mut WebSocket<Pipe>, messages: &mut Vec<Message>) -> Verdict {
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => return Verdict::Closed(frame),
            Ok(message) => messages.push(message),
            Err(Error::Io(_)) => return Verdict::Open,
            Err(Error::Protocol(_)) => return Verdict::Failed(1002),
            Err(Error::Utf8(_)) => return Verdict::Failed(1007),
            Err(Error::Capacity(_)) => return Verdict::Failed(1009),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Writes at most `most` bytes, and holds the accounts against what there is to write.
pub(super) fn write(protocol: &mut Protocol, most: usize, wire: &mut Vec<u8>) {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let count = protocol.slices(&mut slices);
    let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
    assert!(slices[..count].iter().all(|slice| !slice.is_empty()));
    assert!(protocol.unsent() == bytes.len() || count == MAX_SLICES && protocol.unsent() > bytes.len());
    let length = most.min(bytes.len());
    wire.extend_from_slice(&bytes[..length]);
    protocol.advance(length);
}

pub(super) fn replay<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: Limits) -> Outcome {
    drive(Protocol::new(limits, &Extensions::default()), pieces)
}

/// What comes of `pieces`, which are taken as the connection takes what it reads; answers are written at once.
pub(super) fn drive<'a>(mut protocol: Protocol, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (mut unparsed, mut wire, mut outcome) = (Vec::new(), Vec::new(), Outcome::default());
    'input: for mut piece in pieces {
        while !piece.is_empty() {
            let mut item = None;
            if let Some(mut place) = protocol.direct() {
                assert!(unparsed.is_empty() && place.has_remaining_mut());
                let length = place.remaining_mut().min(piece.len());
                place.put_slice(&piece[..length]);
                piece = &piece[length..];
                item = protocol.received_directly(length);
            } else {
                unparsed.extend_from_slice(std::mem::take(&mut piece));
            }
            while item.is_some() || !unparsed.is_empty() {
                if item.is_none() {
                    let taken;
                    (taken, item) = protocol.receive(&mut unparsed);
                    unparsed.drain(..taken);
                }
                if let Some(last @ (Ok(Message::Close(_)) | Err(_))) = &item {
                    protocol.answer(last);
                }
                match item.take() {
                    Some(Ok(Message::Close(frame))) => outcome.verdict = Verdict::Closed(frame),
                    Some(Ok(message)) => outcome.messages.push(message),
                    Some(Err(violation)) => outcome.verdict = Verdict::Failed(violation.close_code().into()),
                    None => break,
                }
                write(&mut protocol, usize::MAX, &mut wire);
                if outcome.verdict != Verdict::Open {
                    break 'input;
                }
            }
            assert!(unparsed.len() <= 131, "more than a control frame");
        }
    }
    assert_eq!(protocol.close_received(), outcome.verdict != Verdict::Open);
    let (pongs, answer) = answers(&wire);
    assert_eq!(answer, outcome.verdict.answer());
    Outcome { pongs, ..outcome }
}

/// What happens to a socket whose transport is slow.
#[derive(Clone, Debug)]
enum Step {
    Send(Message),
    Pinged(Vec<u8>),
    Written(usize),
    /// The session's poll ends, and another begins.
    Polled,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let text = text().prop_map(|text| Message::text(String::from_utf8(text).unwrap()));
    let ping = vec(any::<u8>(), 0..=125);
    let step = prop_oneof![
        12 => text.prop_map(Step::Send),
        12 => binary().prop_map(|bytes| Step::Send(Message::binary(bytes))),
        4 => ping.clone().prop_map(|payload| Step::Send(Message::Ping(payload.into()))),
        1 => Just(Step::Send(Message::Close(None))),
        24 => ping.prop_map(Step::Pinged),
        12 => prop_oneof![0..200usize, 0..20_000usize, Just(usize::MAX)].prop_map(Step::Written),
        6 => Just(Step::Polled),
    ];
    vec(step, 0..80)
}

/// A message as it is sent, and where the bytes of its payload are in that.
fn fragmented(opcode: u8, payload: &[u8], cuts: &[Index]) -> (Vec<u8>, Vec<usize>) {
    let (mut wire, mut places) = (Vec::new(), Vec::new());
    for frame in fragments(opcode, [1, 2, 3, 4], payload, cuts) {
        frame.write(&mut wire);
        places.extend(wire.len() - frame.payload.len()..wire.len());
    }
    (wire, places)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing(input in input()) {
        let (bytes, end) = input.bytes();
        let bytes = &bytes[..end];
        let whole = replay([bytes], input.limits);
        prop_assert_eq!(&replay(cut(bytes, &input.cuts), input.limits), &whole);
        prop_assert_eq!(&replay(bytes.chunks(1), input.limits), &whole);
    }

    /// What is queued leaves in its order, whole; pongs may be left out, but not the last; nothing follows a Close.
    #[test]
    fn output(steps in steps()) {
        let mut protocol = Protocol::new(GENEROUS, &Extensions::default());
        let (mut sent, mut pings, mut closed) = (Vec::new(), Vec::new(), false);
        let (mut wire, mut lent) = (Vec::new(), Vec::new());
        protocol.lend(&mut lent);
        for step in steps {
            let unsent = protocol.unsent();
            match step {
                Step::Send(message) => {
                    prop_assert_eq!(protocol.send(message.clone(), true).is_ok(), !closed);
                    prop_assert_eq!(protocol.unsent() > unsent, !closed);
                    closed |= message.is_close();
                    sent.extend((!closed).then_some(message));
                }
                Step::Pinged(payload) => {
                    let mut frame = Vec::new();
                    Frame::new(0x89, [1, 2, 3, 4], payload.clone()).write(&mut frame);
                    let payload = Bytes::from(payload);
                    let item = Some(Ok(Message::Ping(payload.clone())));
                    prop_assert_eq!(protocol.receive(&mut frame), (frame.len(), item));
                    // Beyond this only the latest ping is answered, when there is room again.
                    let queued = unsent <= 4096 && !closed;
                    prop_assert_eq!(protocol.unsent(), unsent + if queued { 2 + payload.len() } else { 0 });
                    prop_assert_eq!(protocol.owes_pong(), !queued && !closed);
                    pings.extend((!closed).then_some(Message::Pong(payload)));
                }
                Step::Written(most) => write(&mut protocol, most, &mut wire),
                Step::Polled => {
                    protocol.reclaim(&mut lent);
                    if unsent == 0 {
                        let mut held = Vec::new();
                        protocol.lend(&mut held);
                        prop_assert_eq!(held.capacity(), 0, "an idle socket holds a buffer");
                    }
                    protocol.lend(&mut lent);
                }
            }
        }
        while protocol.unsent() > 0 {
            write(&mut protocol, 100_000, &mut wire);
        }
        prop_assert!(!protocol.owes_pong());

        let (count, mut messages) = (frames(&wire).len(), Vec::new());
        let mut client = WebSocket::from_raw_socket(Pipe::default(), Role::Client, None);
        client.get_mut().input.extend(&wire);
        let verdict = read(&mut client, &mut messages);
        prop_assert_eq!(verdict, if closed { Verdict::Closed(None) } else { Verdict::Open });
        prop_assert_eq!(count, messages.len() + usize::from(closed), "something after the Close");
        let (pongs, messages): (Vec<_>, Vec<_>) = messages.into_iter().partition(Message::is_pong);
        prop_assert_eq!(messages, sent);
        prop_assert_eq!(pongs.last(), pings.last());
        let mut pings = pings.iter();
        prop_assert!(pongs.iter().all(|pong| pings.any(|ping| ping == pong)));
    }

    /// Not later, and not sooner; a character that lacks its end is wrong at the end of the message.
    #[test]
    fn text_fails_at_its_first_impossible_byte(text in bad_text(), cuts in indices(0..4)) {
        let (wire, places) = fragmented(1, &text, &cuts);
        let valid = std::str::from_utf8(&text).map_or_else(|error| error.valid_up_to(), str::len);
        let impossible = |end: &usize| std::str::from_utf8(&text[..*end]).is_err_and(|error| error.error_len().is_some());
        let end = (valid..=text.len()).take(5).find(impossible).map_or(wire.len(), |end| places[end - 1] + 1);
        prop_assert_eq!(replay([&wire[..end - 1]], GENEROUS).verdict, Verdict::Open);
        let verdict = if valid < text.len() { Verdict::Failed(1007) } else { Verdict::Open };
        prop_assert_eq!(replay([&wire[..end]], GENEROUS).verdict, verdict);
    }

    /// A header that declares too much fails alone. One that does not reserves little; what comes doubles that.
    #[test]
    fn reservations(first in 1..=2u8, fin: bool, declared in 0x1_0000..0x40_0000usize, pieces in vec(1..100_000usize, 0..16)) {
        let first = first | u8::from(fin) << 7;
        let mut head = [&[first, 0xff][..], &(declared as u64).to_be_bytes(), &[0; 4]].concat();
        for limits in [Limits { frame: declared - 1, ..GENEROUS }, Limits { message: declared - 1, ..GENEROUS }] {
            prop_assert_eq!(replay([&head[..]], limits).verdict, Verdict::Failed(1009));
        }

        let mut protocol = Protocol::new(GENEROUS, &Extensions::default());
        prop_assert_eq!(protocol.receive(&mut head), (head.len(), None));
        for (index, piece) in pieces.into_iter().enumerate() {
            let Some(mut place) = protocol.direct() else { break };
            let (held, capacity) = (place.get_ref().len(), place.get_ref().capacity());
            prop_assert!(capacity <= held + held.max(16 * 1024), "{capacity} for {held}");
            let length = piece.min(declared - held - 1);
            if index % 2 == 0 {
                let length = length.min(place.remaining_mut());
                place.put_bytes(b'x', length);
                prop_assert_eq!(protocol.received_directly(length), None);
            } else {
                prop_assert_eq!(protocol.receive(&mut vec![b'x'; length]), (length, None));
            }
        }
    }

    /// In an allocation of its own size if it came in one frame; of no more than twice that, if in several.
    #[test]
    fn a_message_keeps_only_itself(payload in binary(), fragments in indices(0..3), cuts in indices(0..4)) {
        let (wire, _) = fragmented(2, &payload, &fragments);
        let mut outcome = replay(cut(&wire, &cuts), GENEROUS);
        let kept = Vec::from(outcome.messages.remove(0).into_data());
        prop_assert!(kept == payload);
        let most = if fragments.is_empty() { kept.len() } else { 8.max(2 * kept.len()) };
        prop_assert!(kept.capacity() <= most, "{} for {}", kept.capacity(), kept.len());
    }
}

/// A peer that is always a little behind does not make us keep what it has got.
#[test]
fn what_is_written_is_let_go() {
    let mut protocol = Protocol::new(GENEROUS, &Extensions::default());
    let (mut lent, mut wire) = (Vec::new(), Vec::new());
    for _ in 0..1000 {
        protocol.lend(&mut lent);
        protocol.send(Message::binary(vec![0; 1000]), true).unwrap();
        let written = protocol.unsent().saturating_sub(5000);
        write(&mut protocol, written, &mut wire);
        protocol.reclaim(&mut lent);
    }
    // The only look at a buffer in use: a few characters a byte.
    assert!(format!("{protocol:?}").len() < 20 * protocol.unsent());
}
