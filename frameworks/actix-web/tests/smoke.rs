smoke::promises!("on-actix-web");
