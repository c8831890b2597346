smoke::promises!("on-warp");
