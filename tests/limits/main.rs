//! What a stranger can make a socket hold: each limit, at its edge.

#![cfg(feature = "websocket")]

#[path = "../peer/mod.rs"]
mod peer;

mod floods;
mod sizes;
