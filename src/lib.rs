#![cfg_attr(feature = "axum", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "axum"),
    doc = "WebSockets for any HTTP server; its guide shows with the feature `axum`."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod layer;
mod service;

mod capture;
mod extended_connect;
mod future;
mod handover;
mod headers;

mod rejection;
mod upgrade;

mod io;

#[cfg(feature = "websocket")]
pub mod websocket;

#[cfg(feature = "axum")]
mod integration;

mod trace;

#[cfg(feature = "testing")]
pub mod testing;

pub use self::future::ResponseFuture;
pub use self::io::Io;
pub use self::layer::UpgradeLayer;
pub use self::rejection::Rejection;
pub use self::service::UpgradeService;
pub use self::upgrade::{Upgrade, upgrade};
#[cfg(feature = "websocket")]
#[doc(inline)]
pub use self::websocket as ws;
