//! The locks and atomics of which the order of events is tried, by shuttle: see `hub/interleavings`.

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::*;
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::*;
