//! What passed an interface while no tap was attached to it, by the interface's own counters.
//!
//! Holds indices of interfaces and how many packets their own counters had told of, in memory that
//! may outlive the process; no name and no address. Figures found here are published as lost.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words of a remembered interface.
pub(super) const LINK_WORDS: usize = 4;

/// What is remembered of interfaces, so that a gap can be told: the highest index seen, then
/// interfaces of [`LINK_WORDS`] each.
#[derive(Clone, Copy)]
pub struct Links(&'static [AtomicU64]);

/// One remembered interface: its index, whether the rest holds, its own count at the last look, and
/// what the tap has seen since.
#[derive(Clone, Copy)]
pub(super) struct InterfaceRecord(&'static [AtomicU64]);

impl Links {
    /// How many words remember so many interfaces.
    pub(super) const fn words(interfaces: usize) -> usize {
        1 + interfaces * LINK_WORDS
    }

    /// Over memory that lives as long as the process.
    pub(super) fn over(words: &'static [AtomicU64]) -> Self {
        assert!(!words.is_empty(), "there is room for the highest index");
        Self(words)
    }

    /// In memory of this process alone: a gap while it lives is told, by the highest index.
    pub(super) fn in_memory() -> Self {
        Self(Box::leak(Box::new([AtomicU64::new(0)])))
    }

    /// The highest index of an interface that was there; 0 where nothing is remembered. Indices
    /// rise, so an interface above it is new.
    pub(super) fn highest(self) -> u32 {
        // Relaxed, here and below: one thread of one process writes.
        u32::try_from(self.0[0].load(Ordering::Relaxed)).unwrap_or(u32::MAX)
    }

    /// Takes note of the highest index that is there.
    pub(super) fn note_highest(self, index: u32) {
        self.0[0].fetch_max(u64::from(index), Ordering::Relaxed);
    }

    /// What is remembered of the interface of this index; none where there is no room for it.
    pub(super) fn of(self, index: u32) -> Option<InterfaceRecord> {
        let links = || self.0[1..].chunks_exact(LINK_WORDS);
        let known = links().find(|link| link[0].load(Ordering::Relaxed) == u64::from(index));
        let link = known.or_else(|| links().find(|link| link[0].load(Ordering::Relaxed) == 0))?;
        link[0].store(u64::from(index), Ordering::Relaxed);
        Some(InterfaceRecord(link))
    }

    /// Forgets the interface of this index: it is gone.
    pub(super) fn forget(self, index: u32) {
        let links = self.0[1..].chunks_exact(LINK_WORDS);
        for word in links.filter(|link| link[0].load(Ordering::Relaxed) == u64::from(index)).flatten() {
            word.store(0, Ordering::Relaxed);
        }
    }
}

impl InterfaceRecord {
    /// Packets that passed the interface and were not seen, by what its own counters say now; none
    /// where nothing was remembered of it. Too many by what a device counts and merges before the
    /// tap sees it, for the last second of the process before.
    pub(super) fn missed(self, passed: u64) -> Option<u64> {
        let [_, known, looked, seen] = self.words();
        if known.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let since = passed.saturating_sub(looked.load(Ordering::Relaxed));
        Some(since.saturating_sub(seen.load(Ordering::Relaxed)))
    }

    /// Takes note of the interface's own counters.
    pub(super) fn look(self, passed: u64) {
        let [_, known, looked, seen] = self.words();
        looked.store(passed, Ordering::Relaxed);
        seen.store(0, Ordering::Relaxed);
        known.store(1, Ordering::Relaxed);
    }

    /// Takes note of packets that the tap has seen, or has been told that it missed.
    pub(super) fn saw(self, packets: u64) {
        let [.., seen] = self.words();
        seen.fetch_add(packets, Ordering::Relaxed);
    }

    fn words(self) -> [&'static AtomicU64; LINK_WORDS] {
        [&self.0[0], &self.0[1], &self.0[2], &self.0[3]]
    }
}

/// An interface that the tap had been attached to.
struct Left {
    index: u32,
    name: String,
    packets: u64,
}

/// Interfaces that the tap has let go of while they or their like may come back.
#[derive(Default)]
pub(super) struct Gaps(Vec<Left>);

/// Interfaces that are remembered here; the oldest is forgotten first.
const GAPS: usize = 1024;

impl Gaps {
    /// The tap has let go of an interface whose own counters told of so many packets.
    pub(super) fn left(&mut self, index: u32, name: String, packets: u64) {
        if self.0.len() == GAPS {
            self.0.remove(0);
        }
        self.0.push(Left { index, name, packets });
    }

    /// Packets that passed an interface before the tap was attached to it now. `fresh`: it was not
    /// there when the interfaces were looked at before.
    pub(super) fn missed(&mut self, index: u32, name: &str, packets: u64, fresh: bool) -> u64 {
        let same = |left: &Left| left.index == index || left.name == name;
        match self.0.iter().position(same).map(|at| self.0.remove(at)) {
            // It went on counting: it was renamed or moved away and back.
            Some(left) if packets >= left.packets => packets - left.packets,
            // Another device in its place.
            Some(_) => packets,
            None if fresh => packets,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(interfaces: usize) -> Links {
        let words = (0..Links::words(interfaces)).map(|_| AtomicU64::new(0));
        Links::over(Box::leak(words.collect::<Box<[AtomicU64]>>()))
    }

    #[test]
    fn what_passed_beyond_what_was_seen_was_missed() {
        let links = links(2);
        let remembered = links.of(7).expect("there is room");
        assert_eq!(remembered.missed(1000), None, "nothing was remembered of it");
        remembered.look(1000);
        remembered.saw(300);
        // The next process finds the same words.
        assert_eq!(links.of(7).expect("it is known").missed(1500), Some(200));
        assert_eq!(links.of(7).expect("it is known").missed(1200), Some(0));
        links.forget(7);
        assert_eq!(links.of(7).expect("there is room").missed(1500), None);
        assert!(links.of(8).is_some() && links.of(9).is_none(), "there is room for two");
    }

    #[test]
    fn an_interface_that_comes_back_tells_what_passed_meanwhile() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.missed(3, "wg0", 500, false), 0, "it was there before us");
        assert_eq!(gaps.missed(4, "wg1", 5, true), 5, "it came while we looked away");
        gaps.left(3, "wg0".into(), 600);
        assert_eq!(gaps.missed(3, "wg0", 650, false), 50, "renamed and renamed back");
        gaps.left(3, "wg0".into(), 650);
        assert_eq!(gaps.missed(9, "wg0", 8, true), 8, "deleted and made anew");
        gaps.left(9, "wg0".into(), 100);
        assert_eq!(gaps.missed(9, "vpn0", 130, false), 30, "renamed to another name that is wanted");
    }

    #[test]
    fn the_highest_index_only_rises() {
        let links = Links::in_memory();
        assert_eq!(links.highest(), 0);
        links.note_highest(12);
        links.note_highest(3);
        assert_eq!(links.highest(), 12);
        assert!(links.of(1).is_none());
    }
}
