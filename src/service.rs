use std::task::{Context, Poll};

use http::{Request, Response};

use crate::capture::Capture;
use crate::future::ResponseFuture;

/// A service whose handlers can upgrade connections; made by [`UpgradeLayer`](crate::UpgradeLayer).
///
/// Implements `tower`'s and `hyper`'s `Service` if the inner service does. The types of response, body and error are
/// the inner service's.
#[derive(Clone, Debug)]
pub struct UpgradeService<S> {
    inner: S,
    pub(crate) keep_connect_method: bool,
}

impl<S> UpgradeService<S> {
    /// Wraps a service.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            keep_connect_method: false,
        }
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
        let capture = Capture::take(&mut request, self.keep_connect_method);
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
        let capture = Capture::take(&mut request, self.keep_connect_method);
        ResponseFuture::new(self.inner.call(request), capture)
    }
}
