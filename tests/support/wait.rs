//! Bounded waits: for something that comes, and, by name, for time that must pass by itself.
#![expect(clippy::disallowed_methods, reason = "a test bounds its waits by the real clock")]

use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for anything.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until `found` has something; panics with `what` after [`TIMEOUT`].
pub(crate) fn wait_for<T>(what: &str, found: impl FnMut() -> Option<T>) -> T {
    wait_for_within(what, TIMEOUT, found)
}

/// The same with another limit.
pub(crate) fn wait_for_within<T>(what: &str, limit: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let mut value = None;
    wait_at_most(limit, || {
        value = found();
        value.is_some()
    });
    value.unwrap_or_else(|| panic!("waited {limit:?}: {what}"))
}

/// Waits until something is so; panics with `what` when the limit is over.
pub(crate) fn wait_until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    wait_for_within(what, limit, || is_so().then_some(()));
}

/// The same where it is no failure that the limit comes first; true when something is so.
pub(crate) fn wait_at_most(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(LOOK);
    }
}

/// Waits until a reading is the same twice, so long apart: what is read has come to rest.
pub(crate) fn wait_until_still<T: PartialEq>(what: &str, apart: Duration, mut read: impl FnMut() -> T) -> T {
    let mut last = read();
    wait_for(what, || {
        let_pass(apart, "two readings");
        let now = read();
        if now == last {
            return Some(now);
        }
        last = now;
        None
    })
}

/// Lets time pass that is itself what a test needs: nothing can be waited for, `why` says what the time
/// is for.
pub(crate) fn let_pass(time: Duration, why: &str) {
    assert!(!why.is_empty(), "a wait without a reason waits for something");
    thread::sleep(time);
}
