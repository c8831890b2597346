//! What each server here must do, whatever it is built on.
//!
//! A server is a program that prints `http://ADDRESS` and serves there:
//!
//! - `/` answers `an ordinary page`, as the framework does it;
//! - `/echo` is a WebSocket that sends back text and binary messages, and whose closure returns at the text `bye`;
//! - on SIGTERM it closes all WebSockets, and ends when they and the requests under way have ended.

mod client;
mod events;
mod http2;
pub mod promises;
mod server;

pub use self::client::{Answer, ask, handshake};
pub use self::events::Events;
pub use self::server::Server;

/// One test for each promise, of the program of this name in the same package.
///
/// The server is started anew for each. With `http2`, it speaks WebSockets over HTTP/2 too.
#[macro_export]
macro_rules! promises {
    ($program:literal, http2) => {
        $crate::promises!($program);
        $crate::promises!($program: echoes_over_http2, shutdown_drains_over_http2);
    };
    ($program:literal) => {
        $crate::promises!($program:
            echoes,
            frames_with_the_handshake_are_the_first_messages,
            a_plain_get_is_426,
            an_ordinary_route_is_untouched,
            an_evil_origin_is_403,
            a_return_closes_with_1000,
            shutdown_drains,
        );
    };
    ($program:literal: $($promise:ident),* $(,)?) => {
        $(
            #[test]
            fn $promise() {
                let mut server = $crate::Server::start(env!(concat!("CARGO_BIN_EXE_", $program)));
                $crate::promises::$promise(&mut server);
            }
        )*
    };
}
