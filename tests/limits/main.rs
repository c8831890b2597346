//! What a stranger can make a socket hold: each limit, at its edge.

#![cfg(feature = "websocket")]
// The handlers are part of the tests; clippy allows it in the tests themselves only.
#![allow(clippy::unwrap_used)]

#[path = "../peer/mod.rs"]
mod peer;

mod control_frames;
mod floods;
mod sizes;
