smoke::promises!("on-poem");
