use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use crate::capture::Capture;
use crate::upgrade;

pin_project! {
    /// The response of an [`UpgradeService`](crate::UpgradeService).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // Boxed: it is there for a handshake only, and every plain request carries this field.
        capture: Option<Box<Capture>>,
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn new(inner: F, capture: Option<Box<Capture>>) -> Self {
        Self { inner, capture }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // First, and by itself: a plain response is not even moved.
        if this.capture.is_none() {
            return this.inner.poll(cx);
        }
        let response = ready!(this.inner.poll(cx))?;
        Poll::Ready(Ok(match this.capture.take() {
            None => response,
            Some(capture) => upgrade::promote(response, *capture),
        }))
    }
}
