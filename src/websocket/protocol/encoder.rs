//! Messages to bytes: small frames gathered in one buffer, long payloads by reference.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;

use bytes::Bytes;

use super::frame::{OpCode, write_header};

/// From this length on a payload is not copied behind its header but written from where it lies.
const SPLICE_FROM: usize = 4096;

/// While no more than this is unsent, each ping gets its pong at once; beyond, only the latest one (RFC 6455 §5.5.3).
const PONG_BUDGET: usize = 4096;

/// How many pieces one vectored write takes.
pub(crate) const MAX_SLICES: usize = 32;

/// The bytes that are to be sent, in the order in which they were queued.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// Headers and small payloads.
    gathered: Vec<u8>,
    /// How much of `gathered` is sent.
    sent: usize,
    spliced: VecDeque<Splice>,
    unsent: usize,
    /// The latest ping's payload, while its answer has to wait; boxed, because that is rare.
    pong: Option<Box<Bytes>>,
}

#[derive(Debug)]
struct Splice {
    /// It goes out after this many bytes of `gathered`.
    after: usize,
    payload: Bytes,
}

impl Encoder {
    /// Queues an unfragmented frame.
    #[inline]
    pub(crate) fn frame(&mut self, opcode: OpCode, payload: Bytes) {
        self.queue(opcode, 0, payload);
    }

    /// Queues a whole message, whose payload is compressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed(&mut self, opcode: OpCode, payload: Bytes) {
        self.queue(opcode, super::frame::RSV1, payload);
    }

    #[inline]
    fn queue(&mut self, opcode: OpCode, rsv1: u8, payload: Bytes) {
        let before = self.gathered.len();
        write_header(&mut self.gathered, opcode, rsv1, payload.len());
        if payload.len() < SPLICE_FROM {
            self.gathered.extend_from_slice(&payload);
            self.unsent += self.gathered.len() - before;
        } else {
            self.unsent += self.gathered.len() - before + payload.len();
            let after = self.gathered.len();
            self.spliced.push_back(Splice { after, payload });
        }
    }

    /// Queues a frame with its header.
    #[cfg(feature = "hub")]
    #[inline]
    pub(crate) fn encoded(&mut self, frame: &Bytes) {
        self.unsent += frame.len();
        if frame.len() < SPLICE_FROM {
            self.gathered.extend_from_slice(frame);
        } else {
            self.spliced.push_back(Splice {
                after: self.gathered.len(),
                payload: frame.clone(),
            });
        }
    }

    /// Answers a ping, or remembers to.
    pub(crate) fn pong(&mut self, payload: Bytes) {
        if self.unsent <= PONG_BUDGET {
            self.pong = None;
            self.frame(OpCode::Pong, payload);
        } else {
            self.pong = Some(Box::new(payload));
        }
    }

    /// Queues the pong that waited; a Close frame must be the last (RFC 6455 §5.5.1).
    pub(crate) fn queue_pong(&mut self) {
        if let Some(payload) = self.pong.take() {
            self.frame(OpCode::Pong, *payload);
        }
    }

    pub(crate) fn owes_pong(&self) -> bool {
        self.pong.is_some()
    }

    /// How many bytes are queued and not sent.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent
    }

    /// The next bytes to write, in at most [`MAX_SLICES`] pieces; returns how many pieces.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; MAX_SLICES]) -> usize {
        let mut count = 0;
        let mut from = self.sent;
        let mut splices = self.spliced.iter();
        while count < MAX_SLICES {
            let splice = splices.next();
            let to = splice.map_or(self.gathered.len(), |splice| splice.after);
            if from < to {
                slices[count] = IoSlice::new(&self.gathered[from..to]);
                count += 1;
                from = to;
            }
            match splice {
                Some(splice) if count < MAX_SLICES => {
                    slices[count] = IoSlice::new(&splice.payload);
                    count += 1;
                }
                _ => break,
            }
        }
        count
    }

    /// `length` bytes were written.
    pub(crate) fn advance(&mut self, mut length: usize) {
        self.unsent -= length;
        while let Some(splice) = self.spliced.front_mut() {
            let gathered = length.min(splice.after - self.sent);
            self.sent += gathered;
            length -= gathered;
            if length < splice.payload.len() {
                let _ = splice.payload.split_to(length);
                return;
            }
            length -= splice.payload.len();
            self.spliced.pop_front();
        }
        self.sent += length;
        if self.unsent == 0 {
            self.gathered.clear();
            self.sent = 0;
            if self.spliced.capacity() > 0 {
                self.spliced = VecDeque::new();
            }
        }
        if self.unsent <= PONG_BUDGET {
            self.queue_pong();
        }
    }

    /// Gives the encoder an empty buffer to gather in, unless it has one with unsent bytes.
    pub(crate) fn lend(&mut self, buffer: &mut Vec<u8>) {
        if self.gathered.is_empty() {
            mem::swap(&mut self.gathered, buffer);
        }
    }

    /// Takes the lent buffer back. What is unsent moves into an allocation of its own size.
    pub(crate) fn reclaim(&mut self, buffer: &mut Vec<u8>) {
        let unsent = self.gathered.len() - self.sent;
        if unsent > 0 && self.gathered.capacity() <= 2 * unsent {
            return;
        }
        let rest = self.gathered[self.sent..].to_vec();
        for splice in &mut self.spliced {
            splice.after -= self.sent;
        }
        self.sent = 0;
        let mut lent = mem::replace(&mut self.gathered, rest);
        // The lender has kept its own if there were unsent bytes.
        if lent.capacity() > buffer.capacity() {
            lent.clear();
            *buffer = lent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes everything in pieces of at most `step` bytes and returns what a peer would read.
    fn drain(encoder: &mut Encoder, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while encoder.unsent() > 0 {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = encoder.slices(&mut slices);
            let piece: Vec<u8> = slices[..count]
                .iter()
                .flat_map(|s| s.iter().copied())
                .take(step)
                .collect();
            assert!(!piece.is_empty());
            encoder.advance(piece.len());
            out.extend(piece);
        }
        out
    }

    #[test]
    fn order_is_kept_however_the_transport_cuts() {
        let payloads: Vec<Bytes> = [3usize, 5000, 0, 10, 9000, 4096, 4095, 70_000, 1]
            .iter()
            .map(|&length| (0..length).map(|i| (i % 251) as u8).collect::<Vec<u8>>().into())
            .collect();
        let mut expected = Vec::new();
        for payload in &payloads {
            write_header(&mut expected, OpCode::Binary, 0, payload.len());
            expected.extend_from_slice(payload);
        }
        for step in [1, 2, 7, 4000, 65_536, usize::MAX] {
            let mut encoder = Encoder::default();
            for payload in &payloads {
                encoder.frame(OpCode::Binary, payload.clone());
            }
            assert_eq!(encoder.unsent(), expected.len());
            assert!(drain(&mut encoder, step) == expected, "step {step}");
            assert_eq!(
                (encoder.sent, encoder.gathered.len(), encoder.spliced.capacity()),
                (0, 0, 0)
            );
        }
    }

    #[test]
    fn more_pieces_than_one_write_takes() {
        let mut encoder = Encoder::default();
        for _ in 0..100 {
            encoder.frame(OpCode::Binary, vec![7; 5000].into());
        }
        assert_eq!(drain(&mut encoder, usize::MAX).len(), 100 * 5004);
    }

    #[test]
    fn pongs_that_pile_up_become_one() {
        let mut encoder = Encoder::default();
        encoder.frame(OpCode::Binary, vec![0; 10_000].into());
        for i in 0..100u8 {
            encoder.pong(Bytes::copy_from_slice(&[i]));
        }
        assert!(encoder.owes_pong());
        let sent = drain(&mut encoder, 1000);
        assert_eq!(sent.len(), 10_004 + 3);
        assert_eq!(sent[10_004..], [0x8a, 1, 99]);
    }

    #[test]
    fn a_lent_buffer_comes_back() {
        let mut encoder = Encoder::default();
        let mut buffer = Vec::with_capacity(1000);
        encoder.lend(&mut buffer);
        encoder.frame(OpCode::Binary, vec![1; 20].into());
        encoder.frame(OpCode::Binary, vec![2; 5000].into());
        encoder.advance(10);
        encoder.reclaim(&mut buffer);
        assert_eq!((buffer.len(), buffer.capacity()), (0, 1000));
        assert_eq!(encoder.gathered.capacity(), 22 + 4 - 10);
        encoder.lend(&mut buffer);
        assert_eq!(drain(&mut encoder, 9).len(), 22 + 5004 - 10);
    }
}
