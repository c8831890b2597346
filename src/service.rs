use std::task::{Context, Poll};

use http::{Request, Response};

use crate::capture::Capture;
use crate::future::ResponseFuture;
use crate::io::Unbox;

/// A service whose handlers can upgrade connections; made by [`UpgradeLayer`](crate::UpgradeLayer).
///
/// Implements `tower`'s and `hyper`'s `Service` if the inner service does. The types of response, body and error are
/// the inner service's.
#[derive(Clone, Debug)]
pub struct UpgradeService<S> {
    inner: S,
    unbox: Option<Unbox>,
}

impl<S> UpgradeService<S> {
    /// Wraps a service.
    pub fn new(inner: S) -> Self {
        Self::with(inner, None)
    }

    pub(crate) fn with(inner: S, unbox: Option<Unbox>) -> Self {
        Self { inner, unbox }
    }
}

impl<S, ReqBody, ResBody> tower_service::Service<Request<ReqBody>> for UpgradeService<S>
where
    S: tower_service::Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let capture = Capture::take(&mut request, self.unbox);
        ResponseFuture::new(self.inner.call(request), capture)
    }
}

impl<S, ReqBody, ResBody> hyper::service::Service<Request<ReqBody>> for UpgradeService<S>
where
    S: hyper::service::Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn call(&self, mut request: Request<ReqBody>) -> Self::Future {
        let capture = Capture::take(&mut request, self.unbox);
        ResponseFuture::new(self.inner.call(request), capture)
    }
}
