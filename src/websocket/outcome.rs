//! How a closure ended, and the Close frame that says so.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tungstenite::protocol::CloseFrame;

use super::protocol::may_be_sent;
use super::{CloseCode, Error};

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// What the future of a socket's closure may return: `()`, nothing ever, or a `Result<(), E>` with any error type that converts to
/// `Box<dyn Error + Send + Sync>`.
///
/// `()` and `Ok` close the socket with 1000. An `Err` closes it with 1011, or with the code and reason of an
/// [`Error::close`] in its chain of sources (1007 for one of `recv_json`'s), and is reported.
#[diagnostic::on_unimplemented(
    message = "a WebSocket's closure must return `()` or `Result<(), E>`, not `{Self}`",
    note = "`E` is any error that converts to `Box<dyn Error + Send + Sync>`"
)]
pub trait Outcome: sealed::Outcome {}

impl Outcome for () {}
impl Outcome for sealed::Never {}
impl<E: Into<BoxError>> Outcome for Result<(), E> {}

mod sealed {
    use super::BoxError;

    pub trait Outcome {
        fn into_result(self) -> Result<(), BoxError>;
    }

    impl Outcome for () {
        fn into_result(self) -> Result<(), BoxError> {
            Ok(())
        }
    }

    /// `!`, which cannot be named yet: of a future that never returns.
    pub(super) type Never = <fn() -> ! as Returns>::Value;

    pub trait Returns {
        type Value;
    }

    impl<T> Returns for fn() -> T {
        type Value = T;
    }

    impl Outcome for Never {
        fn into_result(self) -> Result<(), BoxError> {
            self
        }
    }

    impl<E: Into<BoxError>> Outcome for Result<(), E> {
        fn into_result(self) -> Result<(), BoxError> {
            self.map_err(Into::into)
        }
    }
}

pin_project! {
    // A type of its own, because an async block would hold the future twice.
    pub(crate) struct IntoResult<F> {
        #[pin]
        pub(crate) future: F,
    }
}

impl<F: Future<Output: Outcome>> Future for IntoResult<F> {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map(sealed::Outcome::into_result)
    }
}

/// The Close frame for an error that a handler returned.
pub(crate) fn close_frame(error: &BoxError) -> CloseFrame {
    let mut next: Option<&(dyn StdError + 'static)> = Some(&**error);
    while let Some(error) = next {
        if let Some(mut frame) = error.downcast_ref().and_then(Error::close_frame) {
            if !may_be_sent(frame.code) {
                frame.code = CloseCode::Error;
            }
            return frame;
        }
        next = error.source();
    }
    internal_error()
}

/// Whether a handler only passes on that its peer has gone: that is no failure of its own.
pub(crate) fn is_end(error: &BoxError) -> bool {
    error
        .downcast_ref::<Error>()
        .is_some_and(|error| error.is_closed() || error.is_abnormal())
}

/// The Close frame for a handler that failed for a reason that is not the peer's business.
pub(crate) fn internal_error() -> CloseFrame {
    CloseFrame {
        code: CloseCode::Error,
        reason: "internal error".into(),
    }
}
