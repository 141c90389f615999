//! How many hooks of VPN servers waited in vain, or were refused, and how many log-ins they say have failed: counted as it happens, told as of the last
//! close and rounded up to a multiple of 8, since a hook runs when a client comes or goes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Figures that follow connections are told in multiples of this (privacy: L27).
const STEP: u64 = 8;

/// The counts since the start. Relaxed throughout: each is a sum of its own, and orders nothing.
#[derive(Default)]
pub struct HookCounts {
    unanswered: AtomicU64,
    refused: AtomicU64,
    failed_log_ins: AtomicU64,
    latched: [AtomicU64; 2],
}

impl HookCounts {
    /// A hook had stopped waiting when its change was made.
    pub fn unanswered(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// The queue was full, so that hooks may have found no room: whoever did not get in is not seen.
    pub fn turned_away(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// A hook asked for what it does not get.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A hook said that a log-in failed.
    pub fn log_in_failed(&self) {
        self.failed_log_ins.fetch_add(1, Ordering::Relaxed);
    }

    /// How many log-ins have failed since this was last asked: the node's to release, and nobody else's to know.
    pub(super) fn take_failed_log_ins(&self) -> u64 {
        self.failed_log_ins.swap(0, Ordering::Relaxed)
    }

    /// An epoch was closed.
    pub(super) fn latch(&self) {
        for (latched, count) in self.latched.iter().zip([&self.unanswered, &self.refused]) {
            let count = count.load(Ordering::Relaxed);
            latched.store(count.checked_next_multiple_of(STEP).unwrap_or(count), Ordering::Relaxed);
        }
    }

    /// Unanswered and refused, as of the last close.
    #[must_use]
    pub fn told(&self) -> (u64, u64) {
        let [unanswered, refused] = &self.latched;
        (unanswered.load(Ordering::Relaxed), refused.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_told_before_the_close_and_then_in_eights() {
        let counts = HookCounts::default();
        counts.unanswered();
        (0..9).for_each(|_| counts.refused());
        assert_eq!(counts.told(), (0, 0));
        counts.latch();
        assert_eq!(counts.told(), (8, 16));
        counts.turned_away();
        assert_eq!(counts.told(), (8, 16));
    }
}
