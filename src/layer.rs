use tokio::io::{AsyncRead, AsyncWrite};
use tower_layer::Layer;

use crate::io::Unbox;
use crate::{Io, UpgradeService};

/// Wraps services so that their handlers can upgrade connections.
///
/// Put it around everything that routes requests, once. It sees each request before middleware and routing, and each
/// response after them; what carries no [`Upgrade`](crate::Upgrade) passes untouched.
///
/// It works with any service from [`http::Request`] to [`http::Response`], of `tower` or of `hyper`. See the
/// [crate's documentation](crate#mounting) for how to mount it where, and `examples/echo.rs` for a whole server.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UpgradeLayer {
    unbox: Option<Unbox>,
}

impl UpgradeLayer {
    /// Makes the layer.
    pub fn new() -> Self {
        Self::default()
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
        UpgradeService::with(inner, self.unbox)
    }
}

impl<S> Layer<S> for UpgradeLayer {
    type Service = UpgradeService<S>;

    fn layer(&self, inner: S) -> UpgradeService<S> {
        self.layer(inner)
    }
}
