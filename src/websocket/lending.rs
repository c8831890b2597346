//! While a session polls its closure, it lends the connection to the thread.
//!
//! The socket's handle, used within that poll, finds it here and works on it directly: no lock, no queue, no wake-up.
//! A message that is received and answered costs four such accesses; a mutex in their place costs some 10 ns each.

use std::cell::Cell;

use super::connection::Connection;
use super::link::Link;

thread_local! {
    static LENT: Cell<Option<Box<Connection>>> = const { Cell::new(None) };
}

/// Runs `f` while the connection is lent. It is lost only if code of this crate panics while it works on it.
pub(crate) fn lend<R>(connection: Box<Connection>, f: impl FnOnce() -> R) -> (Option<Box<Connection>>, R) {
    let outer = LENT.replace(Some(connection));
    let result = f();
    (LENT.replace(outer), result)
}

/// Runs `f` on the connection of `link`, if it is lent to this thread right now.
#[inline]
pub(crate) fn with<R>(link: &Link, f: impl FnOnce(&mut Connection) -> R) -> Option<R> {
    LENT.with(|lent| {
        let mut connection = lent.take()?;
        let result = connection.belongs_to(link).then(|| f(&mut connection));
        lent.set(Some(connection));
        result
    })
}

/// Whether the connection of `link` is lent to this thread right now.
pub(crate) fn is_lent(link: &Link) -> bool {
    with(link, |_| ()).is_some()
}
