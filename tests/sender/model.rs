//! Random operations against a model: what was accepted arrives, once, in order, and nothing after the Close frame.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::runtime::Builder;
use tokio::task::yield_now;
use upsock::ws::{CloseCode, Config, Message, TrySendError};

use crate::open;
use crate::peer::{CLOSE, PING, TEXT, endless};

#[derive(Clone, Debug)]
enum Step {
    TrySend(usize),
    Ping,
    /// From the socket's own handle, if that has room.
    Socket(usize),
    /// The peer reads a frame, if one has come or comes.
    Read,
    /// The session has its turn.
    Yield,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3000usize).prop_map(Step::TrySend),
        3 => Just(Step::Ping),
        2 => (0..3000usize).prop_map(Step::Socket),
        3 => Just(Step::Read),
        4 => Just(Step::Yield),
        1 => Just(Step::Close),
    ]
}

/// What is to arrive: pings and data, each in its order, and whether a Close frame is the last.
#[derive(Default)]
struct Model {
    number: usize,
    pings: VecDeque<Vec<u8>>,
    data: VecDeque<Vec<u8>>,
    closed: bool,
}

impl Model {
    fn payload(&mut self, length: usize) -> Vec<u8> {
        self.number += 1;
        let mut payload = self.number.to_string().into_bytes();
        payload.resize(payload.len() + length, b'.');
        payload
    }

    /// Returns whether it was the last.
    fn arrived(&mut self, opcode: u8, payload: &[u8]) -> bool {
        match opcode {
            TEXT => assert_eq!(self.data.pop_front().as_deref(), Some(payload)),
            PING => assert_eq!(self.pings.pop_front().as_deref(), Some(payload)),
            opcode => {
                assert_eq!(opcode, CLOSE);
                assert!(self.closed && self.data.is_empty() && self.pings.is_empty());
                return true;
            }
        }
        false
    }
}

async fn run(steps: Vec<Step>, mark: usize, outbox: usize, messages: usize, transport: usize) {
    let config = Config::new().high_water_mark(mark).outbox(outbox, messages);
    let (mut socket, mut peer) = open(transport, endless(config));
    let sender = socket.sender();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::TrySend(length) => {
                let payload = model.payload(length);
                match sender.try_send(Message::text(String::from_utf8(payload.clone()).unwrap())) {
                    Ok(()) => model.data.push_back(payload),
                    Err(TrySendError::Closed(_)) => assert!(model.closed),
                    Err(error) => assert!(matches!(error, TrySendError::Full(_))),
                }
            }
            Step::Ping => {
                let payload = model.payload(0);
                match sender.try_send(Message::Ping(payload.clone().into())) {
                    Ok(()) => model.pings.push_back(payload),
                    Err(TrySendError::Closed(_)) => assert!(model.closed),
                    Err(error) => assert!(matches!(error, TrySendError::Full(_))),
                }
            }
            Step::Socket(length) => {
                let payload = model.payload(length);
                let message = Message::text(String::from_utf8(payload.clone()).unwrap());
                match futures_util::FutureExt::now_or_never(socket.send(message)) {
                    Some(Ok(())) => model.data.push_back(payload),
                    Some(Err(error)) => assert!(model.closed && error.is_closed()),
                    None => {}
                }
            }
            Step::Read => {
                let read = futures_util::FutureExt::now_or_never(peer.try_frame());
                if let Some(frame) = read {
                    let frame = frame.unwrap().unwrap();
                    if model.arrived(frame.opcode, &frame.payload) {
                        return;
                    }
                }
            }
            Step::Yield => yield_now().await,
            Step::Close => {
                assert_eq!(sender.close(CloseCode::Normal, "").is_ok(), !model.closed);
                model.closed = true;
            }
        }
        assert_eq!(sender.is_closed(), model.closed);
    }
    model.closed = true;
    drop(socket);
    loop {
        let frame = peer.frame().await;
        if model.arrived(frame.opcode, &frame.payload) {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_was_accepted_arrives_once_and_in_order(
        steps in vec(step(), 0..200),
        mark in 1..5000usize,
        outbox in 0..20_000usize,
        messages in 0..40usize,
        transport in 16..8000usize,
    ) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps, mark, outbox, messages, transport));
    }
}
