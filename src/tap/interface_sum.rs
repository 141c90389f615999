//! How far the metered interfaces are by their own packet counters: what a save keeps of them, so that
//! the next process can tell what passed unseen even where counters and records are gone.
//!
//! One sum over all interfaces whose counters can be compared, and a digest of which they were; nothing of a
//! single one, no name, no address and no time.

use super::conservation;
use super::device_rule::Rule;
use super::interfaces::{self, Hardware, InterfaceEntry};
use super::links::Links;
use crate::config::Pattern;
use crate::meter::counters::Counters;
use crate::node::saved::InterfaceSum;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// The sum as it is now.
pub struct InterfaceReading {
    /// What a save keeps.
    pub sum: InterfaceSum,
    /// Packets that may wait in the interfaces' queues, counted by the tap and not by them.
    queued: u64,
}

/// Packets of all slots that were counted or are known to be lost.
#[must_use]
pub fn packets_counted(counters: Counters) -> u64 {
    conservation::seen(counters).packets()
}

/// How long a save waits for the kernel's list.
const PATIENCE: Duration = Duration::from_millis(250);

/// What saves keep of the interfaces. The kernel lists them under a lock that others may hold for long: then a save
/// keeps once more what was kept before, which is as true of its own time.
pub struct InterfaceSums {
    patterns: Vec<Pattern>,
    links: Links,
    /// What had been counted when the kernel was asked, and where its answer comes.
    asked: Option<(u64, Receiver<io::Result<Vec<InterfaceEntry>>>)>,
    last: Option<InterfaceSum>,
}

impl InterfaceSums {
    /// Of the interfaces that these patterns match.
    #[must_use]
    pub fn of(patterns: Vec<Pattern>, links: Links) -> Self {
        Self { patterns, links, asked: None, last: None }
    }

    /// The sum as it is now, or was when the kernel answered last; none where it does not list interfaces.
    pub fn now(&mut self, counters: Counters) -> Option<InterfaceSum> {
        // First: a packet that passes meanwhile is taken for one that was counted later.
        let asked = self.asked.take();
        let (counted, answer) = asked.unwrap_or_else(|| (packets_counted(counters), self.links.list()));
        match answer.recv_timeout(PATIENCE) {
            Ok(there) => {
                let there = there.ok();
                let reading = there.and_then(|there| InterfaceReading::of(&there, &self.patterns, counted));
                self.last = reading.map(|reading| reading.sum);
            }
            Err(RecvTimeoutError::Timeout) => self.asked = Some((counted, answer)),
            Err(RecvTimeoutError::Disconnected) => self.last = None,
        }
        self.last
    }
}

impl InterfaceReading {
    /// Reads the counters of the interfaces that these patterns match; none where the kernel does not
    /// list them.
    #[must_use]
    pub fn take(patterns: &[Pattern], counters: Counters) -> Option<Self> {
        // First: a packet that passes meanwhile is taken for one that was counted later.
        let counted = packets_counted(counters);
        Self::of(&interfaces::list().ok()?, patterns, counted)
    }

    /// Of these interfaces, listed after so many packets had been counted.
    fn of(there: &[InterfaceEntry], patterns: &[Pattern], counted: u64) -> Option<Self> {
        let is_metered = |entry: &&InterfaceEntry| {
            entry.rule == Rule::Packets
                && Hardware::of_number(entry.hardware).is_some()
                && patterns.iter().any(|pattern| pattern.matches(&entry.name))
        };
        let mut metered: Vec<&InterfaceEntry> = there.iter().filter(is_metered).collect();
        metered.sort_unstable_by_key(|entry| entry.index);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&interfaces::namespace().ok()?.to_le_bytes());
        metered.iter().for_each(|entry| _ = hasher.update(&entry.index.to_le_bytes()));
        let digest = hasher.finalize().as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let passed = metered.iter().fold(0_u64, |sum, entry| sum.wrapping_add(entry.passed.packets()));
        let queued = metered.iter().map(|entry| u64::from(entry.queue_packets)).sum();
        Some(Self { sum: InterfaceSum { passed, counted, digest }, queued })
    }

    /// How many packets passed since an earlier sum and were not among the `counted` ones since; at least
    /// so many. Counters that `went_on` meanwhile may hold packets that the devices had queued before.
    #[must_use]
    pub fn missed_since(&self, earlier: &InterfaceSum, counted: u64, went_on: bool) -> u64 {
        if earlier.digest != self.sum.digest {
            // Others: what passed these is not known.
            return 0;
        }
        // Fewer than before: one was made anew.
        let passed = self.sum.passed.saturating_sub(earlier.passed);
        passed.saturating_sub(counted).saturating_sub(if went_on { self.queued } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passed_beyond_what_was_counted_was_missed() {
        let sum = |passed, digest| InterfaceSum { passed, counted: 0, digest };
        let now = InterfaceReading { sum: sum(1500, 7), queued: 100 };
        assert_eq!(now.missed_since(&sum(1000, 7), 300, false), 200);
        assert_eq!(now.missed_since(&sum(1000, 7), 300, true), 100, "some may have waited in a queue");
        assert_eq!(now.missed_since(&sum(1000, 7), 501, false), 0, "super-packets");
        assert_eq!(now.missed_since(&sum(1000, 8), 0, false), 0, "other interfaces");
        assert_eq!(now.missed_since(&sum(2000, 7), 0, false), 0, "made anew");
    }
}
