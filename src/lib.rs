//! WebSockets for any HTTP server.

mod capture;
mod future;
mod headers;
#[cfg(feature = "axum")]
mod integration;
mod io;
mod layer;
mod rejection;
mod service;
mod trace;
mod upgrade;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use self::future::ResponseFuture;
pub use self::io::Io;
pub use self::layer::UpgradeLayer;
pub use self::rejection::Rejection;
pub use self::service::UpgradeService;
pub use self::upgrade::{Upgrade, upgrade};
#[cfg(feature = "websocket")]
#[doc(inline)]
pub use self::websocket as ws;
