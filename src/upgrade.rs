//! The value that a handler returns, the placeholder response it becomes, and its promotion.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, Request, Response, StatusCode, response};
use pin_project_lite::pin_project;

use crate::capture::Capture;
use crate::handover::{Failed, Handover};
use crate::{Io, Rejection, UpgradeLayer, rejection, trace};

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
pub(crate) type OnFailed = Box<dyn FnOnce(hyper::Error) + Send>;

/// Answers a request with an upgrade to another protocol (RFC 9110 §7.8) and runs `closure` on the bytes.
///
/// `protocol` is the token in the `Upgrade` header, compared without case. Return the [`Upgrade`] from a handler below
/// [`UpgradeLayer`]: HTTP/1.1 requests that ask for the protocol get `101`, all others are refused with `426`. The
/// connection is closed when the future has ended. Over HTTP/2 (feature `http2`) the token is compared with the
/// `:protocol` of an extended CONNECT (RFC 8441), which gets `200`; routers see it as CONNECT. For WebSockets there is
#[cfg_attr(feature = "websocket", doc = "[`ws::upgrade`](crate::ws::upgrade()).")]
#[cfg_attr(not(feature = "websocket"), doc = "`ws::upgrade`, in the feature `websocket`.")]
///
/// ```
/// use tokio::io::AsyncWriteExt;
///
/// fn handler() -> upsock::Upgrade {
///     upsock::upgrade("my-proto", |mut io| async move {
///         let _ = io.write_all(b"hello").await;
///     })
/// }
/// ```
///
/// # Panics
/// If `protocol` has characters that a header must not have.
pub fn upgrade<F, Fut>(protocol: &'static str, closure: F) -> Upgrade
where
    F: FnOnce(Io) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Upgrade {
        // Here, where it is written, rather than in each response.
        token: HeaderValue::from_static(protocol),
        protocol,
        run: Box::new(move |io| Box::pin(closure(io))),
        answer: Answer::default(),
    }
}

/// A handler's answer that upgrades the connection; made by [`upgrade()`].
///
/// It becomes a response by [`into_response`](Self::into_response), `From`, or (feature `axum`) `IntoResponse`.
#[must_use = "an upgrade does nothing unless a handler returns it"]
pub struct Upgrade {
    protocol: &'static str,
    token: HeaderValue,
    run: Box<dyn FnOnce(Io) -> BoxFuture + Send>,
    answer: Answer,
}

impl Upgrade {
    /// Adds a header to the `101` response.
    ///
    /// # Panics
    /// If `name` or `value` is not valid in HTTP.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: fmt::Debug>,
        V: TryInto<HeaderValue, Error: fmt::Debug>,
    {
        self.answer.header(name, value);
        self
    }

    /// Called if the server does not hand over the connection after the `101`.
    ///
    /// The usual reason is a server that does not drive upgrades: with hyper, call `with_upgrades` on the connection or
    /// use `serve_connection_with_upgrades`.
    pub fn on_failed(mut self, callback: impl FnOnce(hyper::Error) + Send + 'static) -> Self {
        self.answer.on_failed = Some(Box::new(callback));
        self
    }

    /// The placeholder, a `426`, which [`UpgradeLayer`] turns into a `101`.
    pub fn into_response<B: Default>(self) -> Response<B> {
        placeholder(self.token.clone(), self, B::default())
    }

    /// Answers `request` at once, in a server that has no [`UpgradeLayer`].
    pub fn respond_to<B, R: Default>(self, request: &mut Request<B>) -> Response<R> {
        respond(self.into_response(), request)
    }
}

impl<B: Default> From<Upgrade> for Response<B> {
    fn from(upgrade: Upgrade) -> Self {
        upgrade.into_response()
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade")
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

impl Promotion for Upgrade {
    fn promote(self: Box<Self>, capture: Capture, response: &mut response::Parts) -> Result<(), Rejection> {
        capture.offers(self.protocol)?;
        self.answer.switch(capture, self.token, response, self.run)
    }
}

impl Start for Box<dyn FnOnce(Io) -> BoxFuture + Send> {
    type Running = BoxFuture;

    fn start(self, io: Io) -> BoxFuture {
        self(io)
    }
}

/// What a placeholder carries: it knows its protocol, and judges whether the request does.
pub(crate) trait Promotion: Send + 'static {
    /// Edits the head of the response and spawns what runs on the connection.
    fn promote(self: Box<Self>, capture: Capture, response: &mut response::Parts) -> Result<(), Rejection>;
}

/// What waits for a connection, and then runs on it.
pub(crate) trait Start: Send + Unpin + 'static {
    type Running: Future<Output = ()> + Send + 'static;

    /// Ready if it must not wait any longer.
    fn poll_expired(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn start(self, io: Io) -> Self::Running;
}

/// Response extensions must be `Clone + Sync`, and a promotion can be taken but once.
#[derive(Clone)]
struct Placeholder(Arc<Mutex<Option<Box<dyn Promotion>>>>);

/// Without a layer around it, this response is the right refusal by itself.
pub(crate) fn placeholder<B>(protocol: HeaderValue, promotion: impl Promotion, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
    response.headers_mut().insert(UPGRADE, protocol);
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    let placeholder = Placeholder(Arc::new(Mutex::new(Some(Box::new(promotion)))));
    response.extensions_mut().insert(placeholder);
    response.extensions_mut().insert(Rejection::NotAnUpgrade);
    response
}

/// Turns a placeholder into the answer to the request that `capture` is of; other responses pass.
pub(crate) fn promote<B>(mut response: Response<B>, capture: Capture) -> Response<B> {
    let form = capture.form;
    let mut promoted = false;
    let placeholder = response.extensions_mut().remove();
    let rejection = response.extensions_mut().remove::<Rejection>();
    let (mut parts, body) = response.into_parts();
    match (placeholder, rejection) {
        (Some(Placeholder(promotion)), _) => {
            let promotion = promotion.lock().unwrap_or_else(PoisonError::into_inner).take();
            match promotion {
                Some(promotion) if parts.status == StatusCode::UPGRADE_REQUIRED => {
                    match promotion.promote(capture, &mut parts) {
                        Ok(()) => promoted = true,
                        Err(rejection) => rejection.refuse(&mut parts),
                    }
                }
                // Something between the handler and us has decided otherwise.
                _ => rejection::end(&mut parts.headers),
            }
        }
        // The handler has refused by itself.
        (None, Some(rejection)) => rejection.refuse(&mut parts),
        (None, None) if is_placeholder(&parts, &capture) => trace::extensions_lost(),
        (None, None) => {}
    }
    form.apply(promoted, &mut parts);
    Response::from_parts(parts, body)
}

/// Whether this looks like a placeholder of ours, for what the request asks for.
fn is_placeholder(response: &response::Parts, capture: &Capture) -> bool {
    let protocol = response.headers.get(UPGRADE).and_then(|value| value.to_str().ok());
    response.status == StatusCode::UPGRADE_REQUIRED && protocol.is_some_and(|protocol| capture.offers(protocol).is_ok())
}

/// Capture and promotion in one, without a service between them.
pub(crate) fn respond<B, R>(response: Response<R>, request: &mut Request<B>) -> Response<R> {
    match Capture::take(request, &UpgradeLayer::none()) {
        Some(capture) => promote(response, *capture),
        None => response,
    }
}

/// What all protocols have in common in the answer of a handler.
#[derive(Default)]
pub(crate) struct Answer {
    headers: HeaderMap,
    pub(crate) on_failed: Option<OnFailed>,
}

impl Answer {
    pub(crate) fn header<N, V>(&mut self, name: N, value: V)
    where
        N: TryInto<HeaderName, Error: fmt::Debug>,
        V: TryInto<HeaderValue, Error: fmt::Debug>,
    {
        let name = name.try_into().expect("a valid header name");
        self.headers
            .append(name, value.try_into().expect("a valid header value"));
    }

    /// Makes the response a `101`, or the `200` of HTTP/2, and spawns `run`, which starts when the server has handed over
    /// the connection.
    pub(crate) fn switch(
        self,
        capture: Capture,
        protocol: HeaderValue,
        response: &mut response::Parts,
        run: impl Start,
    ) -> Result<(), Rejection> {
        let success = capture.success();
        let Some(handover) = capture.handover else {
            trace::nothing_to_upgrade();
            return Err(Rejection::CannotUpgrade);
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            trace::no_runtime();
            return Err(Rejection::CannotUpgrade);
        };
        response.status = success;
        for name in [CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, SEC_WEBSOCKET_VERSION] {
            response.headers.remove(name);
        }
        for (name, value) in &self.headers {
            response.headers.append(name, value.clone());
        }
        response.headers.insert(UPGRADE, protocol);
        response.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        runtime.spawn(Switch::Waiting {
            handover,
            run: Some(run),
            on_failed: self.on_failed,
        });
        Ok(())
    }
}

pin_project! {
    /// The task of an upgraded connection. No `async` block, which would keep the place of what it has captured for as
    /// long as it lives: 128 bytes for each connection.
    #[project = SwitchProj]
    enum Switch<S: Start> {
        Waiting {
            handover: Handover,
            run: Option<S>,
            on_failed: Option<OnFailed>,
        },
        Running {
            #[pin]
            future: S::Running,
        },
    }
}

impl<S: Start> Future for Switch<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.as_mut().project() {
                SwitchProj::Running { future } => return future.poll(cx),
                SwitchProj::Waiting {
                    handover,
                    run,
                    on_failed,
                } => match Pin::new(handover).poll(cx) {
                    Poll::Pending => return run.as_mut().map_or(Poll::Ready(()), |run| run.poll_expired(cx)),
                    Poll::Ready(Ok(io)) => {
                        let Some(run) = run.take() else {
                            return Poll::Ready(());
                        };
                        let future = run.start(io);
                        self.set(Self::Running { future });
                    }
                    Poll::Ready(Err(Failed::Hyper(error))) => {
                        if error.is_user() {
                            trace::upgrades_not_driven(&error);
                        } else {
                            trace::upgrade_failed(&error);
                        }
                        if let Some(on_failed) = on_failed.take() {
                            on_failed(error);
                        }
                        return Poll::Ready(());
                    }
                    Poll::Ready(Err(Failed::Other(error))) => {
                        trace::upgrade_failed(&error);
                        return Poll::Ready(());
                    }
                },
            }
        }
    }
}
