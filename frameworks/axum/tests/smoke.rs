smoke::promises!("on-axum");
