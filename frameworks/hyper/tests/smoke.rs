smoke::promises!("on-hyper", http2);
