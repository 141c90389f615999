//! What is said to the service manager: ready, reloading, stopping, alive. Nothing where there is none.
//!
//! Holds no state of the meter: a word and nothing else is said.
//!
//! # Source
//! sd_notify(3), sd_watchdog_enabled(3).

use sd_notify::NotifyState;
use std::time::Duration;

/// Something that the service manager is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Notification {
    /// The start is done, or a reload.
    Ready,
    /// A reload begins.
    Reloading,
    /// The end begins.
    Stopping,
    /// Every thread answers.
    Alive,
}

/// Tells the service manager. What it does not take is no matter of ours: it has its own time limits.
pub fn notify(what: Notification) {
    let _ = match what {
        Notification::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Notification::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        Notification::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Notification::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    };
}

/// How often the service manager wants to hear that we are alive: twice in each of its waits; none
/// where it does not watch.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|wait| wait / 2)
}
