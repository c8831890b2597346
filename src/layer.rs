use tower_layer::Layer;

use crate::UpgradeService;

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
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UpgradeLayer {
    keep_connect_method: bool,
}

impl UpgradeLayer {
    /// Makes the layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves CONNECT as the method of WebSocket handshakes over HTTP/2 (RFC 8441).
    ///
    /// Without this, what the layer wraps sees them as GET, as over HTTP/1.1, so that `get(handler)` serves both. axum's
    /// own `WebSocketUpgrade` wants to see CONNECT: applications that use it below this layer need this, and
    /// `any(handler)` for routes over both versions. An ordinary page must then refuse CONNECT by itself: a success
    /// would tell the client that its WebSocket is open.
    #[cfg(feature = "http2")]
    pub fn keep_connect_method(mut self) -> Self {
        self.keep_connect_method = true;
        self
    }

    /// Wraps a service: [`Layer::layer`], without the need to import the trait.
    pub fn layer<S>(&self, inner: S) -> UpgradeService<S> {
        let mut service = UpgradeService::new(inner);
        service.keep_connect_method = self.keep_connect_method;
        service
    }
}

impl<S> Layer<S> for UpgradeLayer {
    type Service = UpgradeService<S>;

    fn layer(&self, inner: S) -> UpgradeService<S> {
        self.layer(inner)
    }
}
