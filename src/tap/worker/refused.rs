//! Interfaces that are to be metered and are not, and what passed them meanwhile by their own counters.
//!
//! Holds indices of interfaces and counts; no name, no address.

use crate::tap::interfaces::InterfaceEntry;
use std::collections::BTreeMap;

/// Interfaces that could not be attached.
#[derive(Default)]
pub(super) struct Refused {
    /// What the counters of each read when that was told last, by its index.
    passed: BTreeMap<u32, u64>,
}

impl Refused {
    /// An interface could not be attached; `known` is what its counters read when it was to be.
    pub(super) fn add(&mut self, index: u32, known: u64) {
        self.passed.entry(index).or_insert(known);
    }

    /// An interface was attached, when its counters read so many packets. Returns how many of them passed
    /// while it could not be; none where it never was refused.
    pub(super) fn attached(&mut self, index: u32, passed: u64) -> Option<u64> {
        self.passed.remove(&index).map(|before| passed.saturating_sub(before))
    }

    /// Returns what has passed since the last time, by the counters of those that are there, and of those
    /// that are gone at their end. `is_wanted` says which of them are still to be metered.
    pub(super) fn missed(
        &mut self,
        there: &[InterfaceEntry],
        gone: &[InterfaceEntry],
        is_wanted: impl Fn(&InterfaceEntry) -> bool,
    ) -> u64 {
        if self.passed.is_empty() {
            return 0;
        }
        let mut missed = 0;
        for entry in gone {
            missed += self.attached(entry.index, entry.passed.packets()).unwrap_or(0);
        }
        let mut stay = BTreeMap::new();
        for entry in there.iter().filter(|entry| is_wanted(entry)) {
            if let Some(before) = self.passed.get(&entry.index) {
                let now = entry.passed.packets();
                missed += now.saturating_sub(*before);
                stay.insert(entry.index, now);
            }
        }
        self.passed = stay;
        missed
    }

    /// True when something could not be attached.
    pub(super) fn is_any(&self) -> bool {
        !self.passed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::interfaces::Passed;

    fn entry(index: u32, up: u64) -> InterfaceEntry {
        InterfaceEntry { index, hardware: 0xfffe, passed: Passed { up, down: 1 }, ..Default::default() }
    }

    #[test]
    fn what_passes_a_refused_interface_is_told_once() {
        let mut refused = Refused::default();
        refused.add(3, 0);
        refused.add(4, 10);
        refused.add(3, 7);
        assert_eq!(refused.missed(&[entry(3, 4), entry(4, 9), entry(5, 99)], &[], |_| true), 5);
        assert_eq!(refused.missed(&[entry(3, 6)], &[entry(4, 12)], |_| true), 2 + 3);
        assert_eq!(refused.attached(3, 10), Some(3), "and the rest when it can be attached");
        assert!(refused.attached(3, 11).is_none() && refused.passed.is_empty());
    }

    #[test]
    fn one_that_is_not_to_be_metered_any_more_is_forgotten() {
        let mut refused = Refused::default();
        refused.add(3, 0);
        assert_eq!(refused.missed(&[entry(3, 4)], &[], |_| false), 0);
        assert!(refused.passed.is_empty());
    }
}
