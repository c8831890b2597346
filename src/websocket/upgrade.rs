use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use http::{Request, Response, response};
use tokio::io::{AsyncRead, AsyncWrite};

use super::handshake::select_subprotocol;
use super::outcome::{IntoResult, Outcome};
use super::protocol::Extensions;
use super::registry::Member;
use super::session::{Body, Session};
use super::{Config, Handshake, Origins, Sockets, WebSocket};
use crate::capture::Capture;
use crate::handover::Handover;
use crate::trace::{self, Instrumented, Span};
use crate::upgrade::{self, Answer, Promotion, Start};
use crate::{Io, Rejection};

/// A handler's answer that opens a WebSocket; made by [`upgrade`](super::upgrade()).
///
/// It becomes a response by [`into_response`](Self::into_response), `From`, or (feature `axum`) `IntoResponse`: a
/// placeholder with status `426`, which [`UpgradeLayer`](crate::UpgradeLayer) turns into a `101` (over HTTP/2, a
/// `200`). Middleware between the handler and the layer sees the `426`; if it changes that status, the socket is not
/// opened.
#[must_use = "an upgrade does nothing unless a handler returns it"]
pub struct Upgrade {
    start: Box<dyn FnOnce(WebSocket) -> Body + Send>,
    config: Config,
    origins: Origins,
    protocols: Vec<String>,
    answer: Answer,
    sockets: Option<Sockets>,
    /// The request's, in which the session runs.
    span: Span,
}

impl Upgrade {
    pub(super) fn new<F, Fut>(closure: F) -> Self
    where
        F: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future<Output: Outcome> + Send + 'static,
    {
        Self {
            start: Box::new(|socket| {
                Box::pin(IntoResult {
                    future: closure(socket),
                })
            }),
            config: Config::default(),
            origins: Origins::default(),
            protocols: Vec::new(),
            answer: Answer::default(),
            sockets: None,
            span: Span::current(),
        }
    }

    /// The subprotocols that the server can speak, the preferred one first (RFC 6455 §1.9).
    ///
    /// The first that the client offers too is agreed on: [`WebSocket::protocol`]. If there is none, the socket opens
    /// without; browsers then fail it.
    pub fn protocols<T: Into<String>>(mut self, protocols: impl IntoIterator<Item = T>) -> Self {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Changes limits and times: see [`Config`].
    pub fn configure(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.config = change(self.config);
        self
    }

    /// Which pages may open the WebSocket. Default: [`Origins::same_host`].
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

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

    /// Counts the socket among these, instead of the layer's: for a server that has none. Their
    /// [`max_sockets`](crate::UpgradeLayer::max_sockets) and [`shutdown`](Sockets::shutdown) then hold for it.
    pub fn sockets(mut self, sockets: &Sockets) -> Self {
        self.sockets = Some(sockets.clone());
        self
    }

    /// Called if the server does not hand over the connection after the `101`.
    ///
    /// The usual reason is a server that does not drive upgrades: with hyper, call `with_upgrades` on the connection
    /// or use `serve_connection_with_upgrades`.
    pub fn on_failed(mut self, callback: impl FnOnce(hyper::Error) + Send + 'static) -> Self {
        self.answer.on_failed = Some(Box::new(callback));
        self
    }

    /// The placeholder, with an empty body.
    pub fn into_response<B: Default>(self) -> Response<B> {
        self.into_response_with(B::default())
    }

    pub(crate) fn into_response_with<B>(self, body: B) -> Response<B> {
        let mut response = upgrade::placeholder(HeaderValue::from_static("websocket"), self, body);
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        response
    }

    /// Answers `request` at once, in a server that has no [`UpgradeLayer`](crate::UpgradeLayer).
    pub fn respond_to<B, R: Default>(self, request: &mut Request<B>) -> Response<R> {
        upgrade::respond(self.into_response(), request)
    }

    /// Answers `request` at once, in a server that is not built on hyper 1, or hides that it is.
    ///
    /// It does what the layer does: the head of the response is the `101`, or the refusal. With the `101`, `io` is
    /// awaited: the byte stream of the connection, that begins behind the head of the request and ends the
    /// connection when it is shut down. If it fails, the closure is dropped, with an error event.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use upsock::ws;
    /// # fn send_head(_: Response<()>) {}
    /// # async fn serve(request: Request<()>, stream: tokio::net::TcpStream) {
    /// let upgrade = ws::upgrade(|mut socket| async move { socket.send("hello".into()).await });
    /// let head: Response<()> = upgrade.respond_over(&request, async { Ok(stream) });
    /// send_head(head);
    /// # }
    /// ```
    ///
    /// `frameworks/` in the repository shows it in whole servers.
    pub fn respond_over<B, R, T>(
        self,
        request: &Request<B>,
        io: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> Response<R>
    where
        R: Default,
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let response = self.into_response();
        match Capture::of(request, Handover::other(io)) {
            Some(capture) => upgrade::promote(response, capture),
            None => response,
        }
    }
}

impl<B: Default> From<Upgrade> for Response<B> {
    fn from(upgrade: Upgrade) -> Self {
        upgrade.into_response()
    }
}

impl Promotion for Upgrade {
    fn promote(self: Box<Self>, mut capture: Capture, response: &mut response::Parts) -> Result<(), Rejection> {
        let Self {
            start,
            config,
            origins,
            protocols,
            answer,
            sockets,
            span,
        } = *self;
        let handshake = std::mem::replace(&mut capture.handshake, Err(Rejection::NotAnUpgrade))?;
        if !origins.allow(&handshake) {
            return Err(Rejection::Origin);
        }
        let member = sockets.as_ref().unwrap_or(&capture.sockets).registry().admit(&config)?;
        let expires = member.expires_after(config.write_deadline);
        let accept = handshake.accept();
        let protocol = select_subprotocol(&protocols, &handshake);
        let header = handshake
            .protocol_at(protocol)
            .and_then(|protocol| HeaderValue::from_str(protocol).ok());
        #[cfg(feature = "deflate")]
        let compression = handshake.compress(&config.compression);
        let extensions = Extensions {
            #[cfg(feature = "deflate")]
            deflate: compression.as_ref().map(|(agreement, _)| *agreement),
        };
        let starting = Box::new(Starting {
            start,
            config,
            extensions,
            member,
            expires,
            handshake,
            protocol,
            span,
        });
        answer.switch(capture, HeaderValue::from_static("websocket"), response, starting)?;
        if let Some(accept) = accept {
            response.headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(header) = header {
            response.headers.insert(SEC_WEBSOCKET_PROTOCOL, header);
        }
        #[cfg(feature = "deflate")]
        if let Some((_, header)) = compression {
            response.headers.insert(http::header::SEC_WEBSOCKET_EXTENSIONS, header);
        }
        Ok(())
    }
}

/// A socket that is promised, and waits for its connection.
struct Starting {
    start: Box<dyn FnOnce(WebSocket) -> Body + Send>,
    config: Config,
    extensions: Extensions,
    member: Member,
    /// The tick at which the wait is over.
    expires: u32,
    handshake: Handshake,
    protocol: Option<u16>,
    span: Span,
}

impl Start for Box<Starting> {
    type Running = Instrumented<Session>;

    /// At the write deadline, and when the socket is aborted.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.member.set_session(cx.waker());
        if self.member.take_rung() {
            self.member.registry().keep_sweeping();
        }
        if self.member.is_aborted() || self.expires <= self.member.registry().now() {
            trace::in_scope(&self.span, || trace::not_handed_over(&self.member.id()));
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn start(self, io: Io) -> Instrumented<Session> {
        let Starting {
            start,
            config,
            extensions,
            member,
            handshake,
            protocol,
            span,
            ..
        } = *self;
        let session = trace::in_scope(&span, || {
            let link = Arc::clone(&member);
            let socket = WebSocket::new(&config, link, Some(handshake), protocol);
            let body = catch_unwind(AssertUnwindSafe(|| start(socket)));
            Session::new(io, &config, &extensions, member, body.map(Some))
        });
        trace::instrument(session, span)
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade")
            .field("protocols", &self.protocols)
            .field("origins", &self.origins)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
