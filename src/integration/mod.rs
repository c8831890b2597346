//! What frameworks need beyond `http`'s types.

mod axum;
