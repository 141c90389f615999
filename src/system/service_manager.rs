//! Notifications to the service manager: ready, reloading, stopping, alive. Does nothing without one.
//!
//! Sends no state of the meter: the notification and nothing else.
//!
//! # Source
//! sd_notify(3), sd_watchdog_enabled(3).

use sd_notify::NotifyState;
use std::path::PathBuf;
use std::time::Duration;

/// A notification to the service manager.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Notification {
    /// A start or a reload is complete.
    Ready,
    /// A reload begins.
    Reloading,
    /// The daemon is stopping.
    Stopping,
    /// Every thread responds.
    Alive,
}

/// Whether a service manager started this process, which starts it again when it ends.
#[must_use]
pub fn is_there() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Notifies the service manager. Errors are ignored: the manager has its own timeouts.
pub fn notify(what: Notification) {
    let _ = match what {
        Notification::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Notification::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        Notification::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Notification::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    };
}

/// How often to notify the service manager's watchdog: twice in each of its timeouts; none if there is
/// no watchdog.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|timeout| timeout / 2)
}

/// The folders that the service manager made for this service to put sockets in.
pub fn runtime_folders() -> impl Iterator<Item = PathBuf> {
    // systemd.exec(5): RuntimeDirectory= sets it, with colons between several.
    let listed = std::env::var_os("RUNTIME_DIRECTORY").unwrap_or_default();
    std::env::split_paths(&listed).collect::<Vec<_>>().into_iter()
}
