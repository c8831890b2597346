use tower_layer::Layer;

use crate::UpgradeService;

/// Wraps services so that their handlers can upgrade connections.
///
/// Put it around everything that routes requests, once. It sees each request before middleware and routing, and each
/// response after them; what carries no [`Upgrade`](crate::Upgrade) passes untouched.
///
/// It works with any service from [`http::Request`] to [`http::Response`], of `tower` or of `hyper`. See the
/// [crate's documentation](crate#mounting) for how to mount it where, and `examples/echo.rs` for a whole server.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UpgradeLayer {}

impl UpgradeLayer {
    /// Makes the layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wraps a service: [`Layer::layer`], without the need to import the trait.
    pub fn layer<S>(&self, inner: S) -> UpgradeService<S> {
        UpgradeService::new(inner)
    }
}

impl<S> Layer<S> for UpgradeLayer {
    type Service = UpgradeService<S>;

    fn layer(&self, inner: S) -> UpgradeService<S> {
        UpgradeService::new(inner)
    }
}
