smoke::promises!("on-salvo", http2);
