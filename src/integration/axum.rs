use std::convert::Infallible;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::Rejection;
use crate::websocket::{Handshake, Upgrade};

/// The placeholder, with a line of text for a person who opens the URL in a browser.
impl IntoResponse for Upgrade {
    fn into_response(self) -> Response {
        self.into_response_with(Body::from(
            "This is a WebSocket (RFC 6455); the request was not accepted as a handshake.\n",
        ))
    }
}

/// The placeholder.
impl IntoResponse for crate::Upgrade {
    fn into_response(self) -> Response {
        crate::Upgrade::into_response(self)
    }
}

/// The status, and the reason as text.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = (self.status(), format!("{self}\n")).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Below [`UpgradeLayer`](crate::UpgradeLayer) or not; refuses requests that are no handshake.
impl<S: Sync> FromRequestParts<S> for Handshake {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        match parts.extensions.get::<Self>() {
            Some(handshake) => Ok(handshake.clone()),
            None => Self::parse(&parts.method, parts.version, &parts.headers),
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Handshake {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Infallible> {
        Ok(<Self as FromRequestParts<S>>::from_request_parts(parts, state)
            .await
            .ok())
    }
}
