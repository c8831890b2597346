smoke::promises!("on-poem", http2);
