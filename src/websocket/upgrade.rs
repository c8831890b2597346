use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use http::{Request, Response, response};

use super::handshake::select_subprotocol;
use super::link::Link;
use super::outcome::{IntoResult, Outcome};
use super::protocol::Extensions;
use super::session::{Body, Session};
use super::{Config, Error, Origins, WebSocket};
use crate::capture::Capture;
use crate::trace::error;
use crate::upgrade::{self, Answer, Promotion};
use crate::{Io, Rejection};

/// A handler's answer that opens a WebSocket; made by [`upgrade`](super::upgrade()).
///
/// It becomes a response by [`into_response`](Self::into_response), `From`, or (feature `axum`) `IntoResponse`: a
/// placeholder with status `426`, which [`UpgradeLayer`](crate::UpgradeLayer) turns into a `101`. Middleware between
/// the handler and the layer sees the `426`; if it changes that status, the socket is not opened.
#[must_use = "an upgrade does nothing unless a handler returns it"]
pub struct Upgrade {
    start: Box<dyn FnOnce(WebSocket) -> Body + Send>,
    config: Config,
    origins: Origins,
    protocols: Vec<String>,
    answer: Answer,
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
        } = *self;
        let handshake = std::mem::replace(&mut capture.handshake, Err(Rejection::NotAnUpgrade))?;
        if !origins.allow(&handshake) {
            return Err(Rejection::Origin);
        }
        let accept = handshake.accept();
        let protocol = select_subprotocol(&protocols, &handshake)
            .and_then(|protocol| HeaderValue::from_str(protocol).ok().zip(Some(Box::from(protocol))));
        #[cfg(feature = "deflate")]
        let compression = handshake.compress(&config.compression);
        let extensions = Extensions {
            #[cfg(feature = "deflate")]
            deflate: compression.as_ref().map(|(agreement, _)| *agreement),
        };
        let header = protocol.as_ref().map(|(header, _)| header.clone());
        let run = Box::new(move |io: Io| {
            let link = Arc::new(Link::new(config.high_water_mark));
            let socket = WebSocket::new(
                &config,
                link.clone(),
                Some(handshake),
                protocol.map(|(_, protocol)| protocol),
            );
            let body = catch_unwind(AssertUnwindSafe(|| start(socket))).unwrap_or_else(|panic| {
                error!("a WebSocket handler panicked");
                // Its destructor may panic too.
                std::mem::forget(panic);
                Box::pin(async { Err(Error::internal().into()) })
            });
            Session::new(io, &config, &extensions, link, Some(body))
        });
        answer.switch(capture, HeaderValue::from_static("websocket"), response, run)?;
        response.headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
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

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade")
            .field("protocols", &self.protocols)
            .field("origins", &self.origins)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
