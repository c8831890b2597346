//! The contexts of a thread: a connection without context takeover borrows one only while a message passes.
//!
//! Contexts are big whatever the window: 48 KiB to inflate, some 370 KiB to compress. A thread keeps at most
//! [`MOST`] of each, and the output buffer that both work with.

use std::cell::RefCell;

use zlib_rs::{Deflate, DeflateConfig, Inflate};

use super::Profile;

/// Compressed messages that arrive in pieces hold a context each; more than these are made anew, and dropped.
const MOST: usize = 4;

/// Most messages fit, and leave in an allocation of their own size.
///
/// A longer one costs more, for each piece anew: what refers to the piece before is copied from zlib's window, which is
/// slow. The system gives the memory only as far as a message has been that long.
const OUTPUT: usize = 256 * 1024;

/// The memory for the symbols of a block, as zlib counts it: 16 Ki of them.
const POOLED_LEVEL: i32 = 8;
/// A compressor that a connection keeps has 2 Ki of them: 98 KiB less, for a little of the ratio of long messages.
const KEPT_LEVEL: i32 = 5;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { inflaters: Vec::new(), compressors: Vec::new(), output: Vec::new() }) };
}

struct Pool {
    /// In the boxes in which connections hold them.
    #[expect(
        clippy::vec_box,
        reason = "they are not to be moved out of their boxes and into others"
    )]
    inflaters: Vec<Box<Inflate>>,
    /// The one that was used last comes last.
    compressors: Vec<(Profile, Box<Deflate>)>,
    output: Vec<u8>,
}

/// A context that has seen nothing.
///
/// Its window is the largest, which serves any that was agreed on.
pub(super) fn inflater() -> Box<Inflate> {
    match POOL.with_borrow_mut(|pool| pool.inflaters.pop()) {
        Some(mut context) => {
            context.reset(false);
            context
        }
        None => Box::new(Inflate::new(false, 15)),
    }
}

pub(super) fn give_back(context: Box<Inflate>) {
    POOL.with_borrow_mut(|pool| {
        if pool.inflaters.len() < MOST {
            pool.inflaters.push(context);
        }
    });
}

/// Runs `f` with a compressor of this profile that has seen nothing, or has forgotten it.
///
/// `f` must make it forget again; if that fails, which is `None`, the compressor is not used any more.
pub(super) fn with_compressor<R>(profile: Profile, f: impl FnOnce(&mut Deflate) -> Option<R>) -> Option<R> {
    let pooled = POOL.with_borrow_mut(|pool| {
        let index = pool.compressors.iter().rposition(|(there, _)| *there == profile)?;
        Some(pool.compressors.remove(index).1)
    });
    let mut context = pooled.unwrap_or_else(|| new(profile, POOLED_LEVEL));
    let result = f(&mut context)?;
    POOL.with_borrow_mut(|pool| {
        if pool.compressors.len() == MOST {
            pool.compressors.remove(0);
        }
        pool.compressors.push((profile, context));
    });
    Some(result)
}

/// A compressor for one connection.
pub(super) fn kept_compressor(profile: Profile) -> Box<Deflate> {
    new(profile, KEPT_LEVEL)
}

fn new(profile: Profile, mem_level: i32) -> Box<Deflate> {
    Box::new(Deflate::new_with_config(DeflateConfig {
        level: profile.level.into(),
        // Negative for no header.
        window_bits: -i32::from(profile.window_bits),
        mem_level,
        ..DeflateConfig::default()
    }))
}

/// Runs `f` with the thread's output buffer. It is initialized once, so that no message has to clear it.
pub(super) fn with_output<R>(f: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut output = POOL.with_borrow_mut(|pool| std::mem::take(&mut pool.output));
    if output.is_empty() {
        output = vec![0; OUTPUT];
    }
    let result = f(&mut output);
    POOL.with_borrow_mut(|pool| pool.output = output);
    result
}
