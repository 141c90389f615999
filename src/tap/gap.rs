//! What passed an interface while no tap was attached to it, by the interface's own counters.
//!
//! It is known from the records that an earlier process left, and from the interfaces that this process
//! has detached from. Figures found here are published as lost. Holds names of interfaces, no address.

use super::interface_records::{InterfaceRecord, InterfaceRecords};

/// Accounts for packets that no tap saw.
pub(super) struct Unseen {
    /// What the next process is to know of interfaces.
    records: InterfaceRecords,
    /// The kernel's program counts on between processes: nothing passes it unseen there.
    counts_between_processes: bool,
    /// Interfaces that may come back.
    gaps: Gaps,
}

impl Unseen {
    pub(super) fn new(records: InterfaceRecords, counts_between_processes: bool) -> Self {
        Self { records, counts_between_processes, gaps: Gaps::default() }
    }

    /// Before anything is attached: where nothing is known of a time before, what is there now is where
    /// the account begins.
    pub(super) fn begin(&self, indices: impl Iterator<Item = u32>) {
        if self.records.highest() == 0 {
            self.listed(indices);
        }
    }

    /// After everything was attached: interfaces that come later are new.
    pub(super) fn listed(&self, indices: impl Iterator<Item = u32>) {
        indices.for_each(|index| self.records.raise_highest(index));
    }

    /// True for an interface that was not there when they were listed last.
    pub(super) fn is_new(&self, index: u32) -> bool {
        index > self.records.highest()
    }

    /// A tap was attached to an interface whose own counters read `passed` packets. Returns how many of
    /// them passed unseen, and the record to keep of it from here on.
    pub(super) fn attached(&mut self, index: u32, name: &str, passed: u64) -> (u64, Option<InterfaceRecord>) {
        let is_new = self.is_new(index);
        let record = if self.counts_between_processes { None } else { self.records.of(index) };
        let since_last_process = record.and_then(|record| record.missed(passed));
        let missed = since_last_process.unwrap_or_else(|| self.gaps.missed(index, name, passed, is_new));
        if let Some(record) = record {
            record.set_passed(passed);
        }
        (missed, record)
    }

    /// The tap was detached from an interface whose own counters read so many packets.
    pub(super) fn detached(&mut self, index: u32, name: String, passed: u64) {
        self.gaps.left(index, name, passed);
        self.records.forget(index);
    }
}

/// An interface that the tap had been attached to.
struct Left {
    index: u32,
    name: String,
    packets: u64,
}

/// Interfaces that the tap was detached from; they or their like may come back.
#[derive(Default)]
struct Gaps(Vec<Left>);

/// Interfaces that are kept there; the oldest is forgotten first.
const GAPS: usize = 1024;

impl Gaps {
    /// The tap was detached from an interface whose own counters read so many packets.
    fn left(&mut self, index: u32, name: String, packets: u64) {
        if self.0.len() == GAPS {
            self.0.remove(0);
        }
        self.0.push(Left { index, name, packets });
    }

    /// Packets that passed an interface before the tap was attached to it now. `fresh`: it was not
    /// there when the interfaces were listed before.
    fn missed(&mut self, index: u32, name: &str, packets: u64, fresh: bool) -> u64 {
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
    use super::super::interface_records::tests::records;
    use super::*;

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
        assert_eq!(gaps.missed(9, "vpn0", 130, false), 30, "renamed to another name of the configuration");
    }

    /// A process that starts, is killed, and is followed by another over the same records.
    #[test]
    fn what_passed_between_two_processes_is_told_once() {
        let records = records(4);
        let mut first = Unseen::new(records, false);
        first.begin([1, 5].into_iter());
        let (missed, record) = first.attached(5, "tun0", 700);
        assert_eq!(missed, 0, "it was there before anybody metered");
        record.expect("there is room").add_seen(20);
        first.listed([1, 5].into_iter());
        let mut next = Unseen::new(records, false);
        next.begin([1, 5, 6].into_iter());
        assert_eq!(next.attached(5, "tun0", 750).0, 30, "50 passed and 20 were seen");
        assert_eq!(next.attached(6, "tun1", 9).0, 9, "it was made between the processes");
        next.listed([1, 5, 6].into_iter());
        assert_eq!(next.attached(6, "tun1", 9).0, 0, "it is told once");
    }

    #[test]
    fn what_passed_while_one_process_looked_away_is_told_once() {
        let mut unseen = Unseen::new(records(4), false);
        unseen.begin([3].into_iter());
        assert_eq!(unseen.attached(3, "wg0", 100).0, 0);
        unseen.listed([3].into_iter());
        unseen.detached(3, "wg0".into(), 150);
        assert_eq!(unseen.attached(3, "wg0", 180).0, 30, "renamed and renamed back");
        unseen.detached(3, "wg0".into(), 200);
        assert_eq!(unseen.attached(4, "wg0", 6).0, 6, "deleted and made anew");
        unseen.listed([4].into_iter());
        assert_eq!(unseen.attached(2, "wg1", 40).0, 0, "it was there before, and nobody was to meter it");
    }

    #[test]
    fn the_kernels_program_counts_between_processes() {
        let records = records(4);
        let mut unseen = Unseen::new(records, true);
        unseen.begin([3].into_iter());
        let (missed, record) = unseen.attached(3, "wg0", 100);
        assert!(missed == 0 && record.is_none());
        assert_eq!(unseen.attached(7, "wg1", 12).0, 12, "it came later, and passed these before the program");
    }
}
