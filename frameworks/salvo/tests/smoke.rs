smoke::promises!("on-salvo");
