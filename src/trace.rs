//! `tracing`'s macros, or nothing: call sites carry no `#[cfg]`.

#[cfg(feature = "tracing")]
#[allow(unused_imports)]
pub(crate) use tracing::{error, warn};

#[cfg(not(feature = "tracing"))]
macro_rules! nothing {
    (%$value:ident, $($rest:tt)*) => {{
        let _ = &$value;
    }};
    ($($rest:tt)*) => {{}};
}

// Not every feature has events of every level.
#[cfg(not(feature = "tracing"))]
#[allow(unused_imports)]
pub(crate) use {nothing as error, nothing as warn};
