//! Documents as a service would send them.

/// A list of orders, cut to this length. Each document has its own; the numbers in it look like chance.
pub fn document(size: usize, number: usize) -> Vec<u8> {
    let (mut text, mut state) = (String::from("["), number as u64 + 1);
    let mut number = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    while text.len() < size {
        text += &format!(
            r#"{{"id":{},"symbol":"{}","price":{}.{:02},"quantity":{},"side":"{}","time":"2026-11-{:02}T{:02}:{:02}:{:02}Z"}},"#,
            number(1 << 31),
            ["BTC-EUR", "ETH-EUR", "AAPL", "MSFT"][number(4) as usize],
            number(90_000),
            number(100),
            number(500),
            ["buy", "sell"][number(2) as usize],
            1 + number(28),
            number(24),
            number(60),
            number(60),
        );
    }
    text.truncate(size);
    text.into()
}
