smoke::promises!("on-hyper");
