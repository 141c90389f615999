//! What a process leaves the next one of each interface: the index, how many packets the interface's own
//! counters had read, and how many the tap has seen since.
//!
//! Holds no name and no address, in memory that may outlive the process.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words of an interface's record.
const RECORD_WORDS: usize = 4;

/// Records of interfaces, so that a gap can be told: the highest index seen, then records of
/// [`RECORD_WORDS`] each.
#[derive(Clone, Copy)]
pub struct InterfaceRecords(&'static [AtomicU64]);

/// The record of one interface: its index, whether the rest holds, what its own counters said when they
/// were last read, and what the tap has seen since.
#[derive(Clone, Copy)]
pub(super) struct InterfaceRecord(&'static [AtomicU64]);

impl InterfaceRecords {
    /// How many words the records of so many interfaces take.
    pub(super) const fn words(interfaces: usize) -> usize {
        1 + interfaces * RECORD_WORDS
    }

    /// Over memory that lives as long as the process.
    pub(super) fn over(words: &'static [AtomicU64]) -> Self {
        assert!(!words.is_empty(), "there is room for the highest index");
        Self(words)
    }

    /// In memory of this process alone: new interfaces are known by the highest index, and no more.
    pub(super) fn in_memory() -> Self {
        Self(Box::leak(Box::new([AtomicU64::new(0)])))
    }

    /// The highest index of an interface that was there; 0 where nothing is known. Indices
    /// rise, so an interface above it is new.
    pub(super) fn highest(self) -> u32 {
        // Relaxed, here and below: one thread of one process writes.
        u32::try_from(self.0[0].load(Ordering::Relaxed)).unwrap_or(u32::MAX)
    }

    /// An interface of this index is there.
    pub(super) fn raise_highest(self, index: u32) {
        self.0[0].fetch_max(u64::from(index), Ordering::Relaxed);
    }

    /// The record of the interface of this index, which may be new; none where there is no room for it.
    pub(super) fn of(self, index: u32) -> Option<InterfaceRecord> {
        let find = |index: u64| self.records().find(|record| record[0].load(Ordering::Relaxed) == index);
        let record = find(u64::from(index)).or_else(|| find(0))?;
        record[0].store(u64::from(index), Ordering::Relaxed);
        Some(InterfaceRecord(record))
    }

    /// Forgets the interface of this index: it is gone.
    pub(super) fn forget(self, index: u32) {
        let mut records = self.records();
        if let Some(record) = records.find(|record| record[0].load(Ordering::Relaxed) == u64::from(index)) {
            record.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
    }

    fn records(self) -> impl Iterator<Item = &'static [AtomicU64]> {
        self.0[1..].chunks_exact(RECORD_WORDS)
    }
}

impl InterfaceRecord {
    /// Packets that passed the interface and were not seen, by what its own counters say now; none
    /// where the record is new. Too many by what a device counts and merges before the
    /// tap sees it, for the last second of the process before.
    pub(super) fn missed(self, passed: u64) -> Option<u64> {
        let [_, known, last, seen] = self.words();
        if known.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let since = passed.saturating_sub(last.load(Ordering::Relaxed));
        Some(since.saturating_sub(seen.load(Ordering::Relaxed)))
    }

    /// Records what the interface's own counters say now.
    pub(super) fn set_passed(self, passed: u64) {
        let [_, known, last, seen] = self.words();
        last.store(passed, Ordering::Relaxed);
        seen.store(0, Ordering::Relaxed);
        known.store(1, Ordering::Relaxed);
    }

    /// Records packets that the tap has seen, or has been told that it missed.
    pub(super) fn add_seen(self, packets: u64) {
        let [.., seen] = self.words();
        seen.fetch_add(packets, Ordering::Relaxed);
    }

    fn words(self) -> [&'static AtomicU64; RECORD_WORDS] {
        [&self.0[0], &self.0[1], &self.0[2], &self.0[3]]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn records(interfaces: usize) -> InterfaceRecords {
        let words = (0..InterfaceRecords::words(interfaces)).map(|_| AtomicU64::new(0));
        InterfaceRecords::over(Box::leak(words.collect::<Box<[AtomicU64]>>()))
    }

    #[test]
    fn what_passed_beyond_what_was_seen_was_missed() {
        let records = records(2);
        let record = records.of(7).expect("there is room");
        assert_eq!(record.missed(1000), None, "it is new");
        record.set_passed(1000);
        record.add_seen(300);
        // The next process finds the same words.
        assert_eq!(records.of(7).expect("it is known").missed(1500), Some(200));
        assert_eq!(records.of(7).expect("it is known").missed(1200), Some(0));
        records.forget(7);
        assert_eq!(records.of(7).expect("there is room").missed(1500), None);
        assert!(records.of(8).is_some() && records.of(9).is_none(), "there is room for two");
    }

    #[test]
    fn the_highest_index_only_rises() {
        let records = InterfaceRecords::in_memory();
        assert_eq!(records.highest(), 0);
        records.raise_highest(12);
        records.raise_highest(3);
        assert_eq!(records.highest(), 12);
        assert!(records.of(1).is_none());
    }
}
