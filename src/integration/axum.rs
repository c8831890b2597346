use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use futures_core::Stream;
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::request::Parts;

use crate::Rejection;
use crate::websocket::{Handshake, Upgrade};

/// The placeholder, with a line of text for a person who opens the URL in a browser.
impl IntoResponse for Upgrade {
    fn into_response(self) -> Response {
        let text = "This is a WebSocket (RFC 6455); the request was not accepted as a handshake.\n";
        let mut response = self.into_response_with(Body::from_stream(Unsized(Some(text))));
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        response
    }
}

/// A body whose length axum does not know: it would write it into the head outside of `Router::layer`, and so outside of
/// us, where it does not belong in a `101`.
struct Unsized(Option<&'static str>);

impl Stream for Unsized {
    type Item = Result<&'static str, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

/// The placeholder.
impl IntoResponse for crate::Upgrade {
    fn into_response(self) -> Response {
        crate::Upgrade::into_response(self)
    }
}

/// What [`UpgradeLayer`](crate::UpgradeLayer) answers, and the reason as text.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let (mut parts, body) = format!("{self}\n").into_response().into_parts();
        if self.status() == StatusCode::UPGRADE_REQUIRED {
            parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            parts
                .headers
                .insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        self.refuse(&mut parts);
        if self == Self::NotAnUpgrade {
            // The layer closes the connection if it was asked to upgrade.
            parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        Response::from_parts(parts, body)
    }
}

/// Below [`UpgradeLayer`](crate::UpgradeLayer) or not; refuses requests that are no handshake.
impl<S: Sync> FromRequestParts<S> for Handshake {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        match parts.extensions.get::<Self>() {
            Some(handshake) => Ok(handshake.clone()),
            None => Self::parse(
                &parts.method,
                &parts.uri,
                parts.version,
                &parts.headers,
                &parts.extensions,
            ),
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
