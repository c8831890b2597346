smoke::promises!("on-tonic");
