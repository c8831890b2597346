smoke::promises!("on-tonic", http2);
