smoke::promises!("on-rocket");
