smoke::promises!("on-warp", http2);
