//! The crate's events, all of them: with the feature `tracing` they are emitted, without it nothing is compiled.
//!
//! Routine is `debug`, what an operator should look at is `warn`, and what is wrong in the program is `error`.

#![cfg_attr(not(feature = "websocket"), allow(dead_code))]

use std::fmt::Display;

/// Whether there is any use in remembering things for an event.
pub(crate) const ENABLED: bool = cfg!(feature = "tracing");

/// Fields that are displayed, fields that are numbers, a message.
macro_rules! event {
    ($level:ident, [$($shown:ident),*], [$($number:ident),*], $message:literal) => {{
        #[cfg(feature = "tracing")]
        tracing::$level!(target: "upsock", $($shown = %$shown,)* $($number,)* $message);
        #[cfg(not(feature = "tracing"))]
        { $(let _ = &$shown;)* $(let _ = $number;)* }
    }};
}

pub(crate) fn nothing_to_upgrade() {
    event!(
        error,
        [],
        [],
        "there is nothing to upgrade: the request's extensions have no `hyper::upgrade::OnUpgrade`. Put `UpgradeLayer` \
         directly around what hyper's connection serves `with_upgrades`: something between has taken it out. If the \
         framework hides it, use `ws::Upgrade::respond_over`"
    );
}

pub(crate) fn extensions_lost() {
    event!(
        warn,
        [],
        [],
        "a connection is not upgraded: the response's extensions, which carry the upgrade, were lost between the handler \
         and `UpgradeLayer`"
    );
}

pub(crate) fn no_runtime() {
    event!(error, [], [], "the service was not called in a tokio runtime");
}

#[cfg(not(feature = "http2"))]
pub(crate) fn no_http2() {
    event!(
        warn,
        [],
        [],
        "a WebSocket over HTTP/2 is refused: upsock's feature `http2` is not enabled"
    );
}

pub(crate) fn upgrades_not_driven(error: &impl Display) {
    event!(
        error,
        [error],
        [],
        "the server does not drive upgrades: with hyper, call `with_upgrades` on the connection or use \
         `serve_connection_with_upgrades`"
    );
}

pub(crate) fn upgrade_failed(error: &impl Display) {
    event!(warn, [error], [], "the connection failed before it was handed over");
}

pub(crate) fn not_handed_over(id: &impl Display) {
    event!(warn, [id], [], "the connection was not handed over in time");
}

pub(crate) fn refused(rejection: &impl Display, status: u16) {
    event!(debug, [rejection], [status], "upgrade refused");
}

pub(crate) fn opened(id: &impl Display) {
    event!(debug, [id], [], "WebSocket opened");
}

pub(crate) fn handler_panicked() {
    event!(error, [], [], "a WebSocket handler panicked");
}

pub(crate) fn handler_failed(error: &impl Display) {
    event!(warn, [error], [], "a WebSocket handler returned an error");
}

/// What is known of a socket when it ends.
#[cfg(feature = "websocket")]
pub(crate) struct Closed<'a> {
    pub(crate) code: u16,
    pub(crate) reason: &'a str,
    pub(crate) by: &'static str,
    pub(crate) seconds: f64,
    pub(crate) traffic: crate::websocket::Traffic,
}

#[cfg(feature = "websocket")]
pub(crate) fn closed(id: &impl Display, closed: &Closed<'_>) {
    let Closed {
        code,
        reason,
        by,
        seconds,
        traffic,
    } = *closed;
    let crate::websocket::Traffic {
        messages_received,
        messages_sent,
        bytes_received,
        bytes_sent,
    } = traffic;
    event!(
        debug,
        [id, reason, by],
        [
            code,
            seconds,
            messages_received,
            messages_sent,
            bytes_received,
            bytes_sent
        ],
        "WebSocket closed"
    );
}

#[cfg(feature = "tracing")]
pub(crate) use tracing::{Span, instrument::Instrumented};

#[cfg(feature = "tracing")]
pub(crate) fn instrument<F>(future: F, span: Span) -> Instrumented<F> {
    tracing::Instrument::instrument(future, span)
}

/// Runs what is no future in the span.
#[cfg(feature = "tracing")]
pub(crate) fn in_scope<R>(span: &Span, f: impl FnOnce() -> R) -> R {
    span.in_scope(f)
}

#[cfg(not(feature = "tracing"))]
mod absent {
    pub(crate) struct Span;

    impl Span {
        pub(crate) fn current() -> Self {
            Self
        }
    }

    pub(crate) type Instrumented<F> = F;

    pub(crate) fn instrument<F>(future: F, _: Span) -> F {
        future
    }

    pub(crate) fn in_scope<R>(_: &Span, f: impl FnOnce() -> R) -> R {
        f()
    }
}

#[cfg(not(feature = "tracing"))]
#[cfg_attr(not(feature = "websocket"), allow(unused_imports))]
pub(crate) use absent::{Instrumented, Span, in_scope, instrument};
