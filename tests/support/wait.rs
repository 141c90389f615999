//! Bounded waits: for something that comes, and, by name, for time that must pass by itself.
#![allow(clippy::disallowed_methods, reason = "a test bounds its waits by the real clock")]

use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for anything.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until `found` has something; panics with `what` after [`TIMEOUT`].
pub(crate) fn wait_for<T>(what: &str, found: impl FnMut() -> Option<T>) -> T {
    wait_for_within(what, TIMEOUT, found)
}

/// The same with another limit.
pub(crate) fn wait_for_within<T>(what: &str, limit: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {limit:?}: {what}");
        thread::sleep(LOOK);
    }
}

/// Waits until something is so; panics with `what` when the limit is over.
pub(crate) fn wait_until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    wait_for_within(what, limit, || is_so().then_some(()));
}

/// Waits until a reading is the same twice, so long apart: what is read has come to rest.
pub(crate) fn wait_until_still<T: PartialEq>(what: &str, apart: Duration, mut read: impl FnMut() -> T) -> T {
    let mut last = read();
    wait_for(what, || {
        let_pass(apart, "two readings");
        let now = read();
        let still = now == last;
        last = now;
        still.then(|| read())
    })
}

/// Lets time pass that is itself what a test needs: nothing can be waited for, `why` says what the time
/// is for.
pub(crate) fn let_pass(time: Duration, why: &str) {
    assert!(!why.is_empty(), "a wait without a reason waits for something");
    thread::sleep(time);
}
