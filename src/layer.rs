use tokio::io::{AsyncRead, AsyncWrite};
use tower_layer::Layer;

use crate::io::Unbox;
#[cfg(feature = "websocket")]
use crate::websocket::Sockets;
use crate::{Io, UpgradeService};

/// Wraps services so that their handlers can upgrade connections.
///
/// Put it around everything that routes requests, once. It sees each request before middleware and routing, and each
/// response after them; what carries no [`Upgrade`](crate::Upgrade) passes untouched.
#[cfg_attr(
    feature = "http2",
    doc = "\nIt shows WebSocket handshakes over HTTP/2 as GET: see [`keep_connect_method`](Self::keep_connect_method)."
)]
///
/// It works with any service from [`http::Request`] to [`http::Response`], of `tower` or of `hyper`. See the
/// [crate's documentation](crate#mounting) for how to mount it where, and `examples/echo.rs` for a whole server.
///
/// A layer knows the sockets that were opened through it, its clones and the services that it has made.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UpgradeLayer {
    pub(crate) keep_connect_method: bool,
    pub(crate) unbox: Option<Unbox>,
    #[cfg(feature = "websocket")]
    pub(crate) sockets: Sockets,
}

impl UpgradeLayer {
    /// Makes the layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of the upgrades that are answered without a layer: nobody else sees the request.
    pub(crate) fn none() -> Self {
        Self {
            keep_connect_method: true,
            unbox: None,
            #[cfg(feature = "websocket")]
            sockets: Sockets::outside(),
        }
    }

    /// Leaves CONNECT as the method of WebSocket handshakes over HTTP/2 (RFC 8441).
    ///
    /// Without this, what the layer wraps sees them as GET, as over HTTP/1.1, so that `get(handler)` serves both. axum's
    /// own `WebSocketUpgrade` wants to see CONNECT: applications that use it below this layer need this, and
    /// `any(handler)` for routes over both versions. An ordinary page must then refuse CONNECT by itself: a success
    /// would tell the client that its WebSocket is open.
    #[cfg(feature = "http2")]
    #[must_use]
    pub fn keep_connect_method(mut self) -> Self {
        self.keep_connect_method = true;
        self
    }

    /// Names the server's transport, if it is not a plain [`TcpStream`](tokio::net::TcpStream): such as
    /// `transport::<TlsStream<TcpStream>>()`, with `tokio_rustls::server::TlsStream`.
    ///
    /// hyper hands over a connection in a box with layers of its own. A stream whose type is known is taken out of it,
    /// with no byte lost: that saves their time at each wake-up. It works for servers that give hyper, or hyper-util's
    /// server, a `TokioIo<T>`, as `axum::serve` does with the stream of its listener. Connections of any other type
    /// work too, in the box. Of several calls the last counts.
    #[must_use]
    pub fn transport<T>(mut self) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.unbox = Some(Io::unbox::<T>);
        self
    }

    /// Wraps a service: [`Layer::layer`], without the need to import the trait.
    pub fn layer<S>(&self, inner: S) -> UpgradeService<S> {
        UpgradeService::with(inner, self.clone())
    }

    /// The layer's open sockets: to count them, to reach them, and to shut them down.
    #[cfg(feature = "websocket")]
    pub fn sockets(&self) -> Sockets {
        self.sockets.clone()
    }

    /// How many sockets may be open at a time; beyond it handshakes are refused with 503 and `Retry-After`.
    ///
    /// A socket counts from the promotion until its session has ended, with its closure. Default: any number.
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn max_sockets(self, max: usize) -> Self {
        self.sockets.registry().set_max_sockets(max);
        self
    }
}

impl<S> Layer<S> for UpgradeLayer {
    type Service = UpgradeService<S>;

    fn layer(&self, inner: S) -> UpgradeService<S> {
        self.layer(inner)
    }
}
