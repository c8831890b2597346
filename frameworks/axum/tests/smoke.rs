smoke::promises!("on-axum", http2);
