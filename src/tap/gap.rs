//! What passed an interface while no tap was attached to it, by the interface's own counters.
//!
//! It is known from the records that an earlier process left, from the interfaces that this process has
//! detached from, and from what the kernel told of an interface when it came. Figures found here are
//! published as lost. Holds names of interfaces, no address.

use super::interface_records::{InterfaceRecord, InterfaceRecords};
use super::interfaces::News;

/// Accounts for packets that no tap saw.
pub(super) struct Unseen {
    /// What the next process is to know of interfaces.
    records: InterfaceRecords,
    /// The kernel's program counts on between processes: nothing passes it unseen there.
    counts_between_processes: bool,
    /// Interfaces that may come back.
    gaps: Gaps,
    /// Indices of the interfaces that were there at the last look; none before the first.
    listed: Option<Vec<u32>>,
    /// Interfaces that the kernel has told of since, and what their own counters read then.
    came: Vec<(u32, u64)>,
}

impl Unseen {
    pub(super) fn new(records: InterfaceRecords, counts_between_processes: bool) -> Self {
        let (gaps, listed, came) = (Gaps::default(), None, Vec::new());
        Self { records, counts_between_processes, gaps, listed, came }
    }

    /// Before anything is attached: where nothing is known of a time before, what is there now is where
    /// the account begins.
    pub(super) fn begin(&mut self, indices: impl Iterator<Item = u32>) {
        if self.records.highest() == 0 {
            self.listed(indices);
        }
    }

    /// After everything was attached: interfaces that come later are new.
    pub(super) fn listed(&mut self, indices: impl Iterator<Item = u32>) {
        let listed: Vec<u32> = indices.collect();
        listed.iter().for_each(|index| self.records.raise_highest(*index));
        self.listed = Some(listed);
        self.came.clear();
    }

    /// The kernel told of interfaces; to be noted before what follows from it is done.
    pub(super) fn heard(&mut self, news: &News) {
        news.gone.iter().for_each(|gone| self.gaps.ended(gone.index, gone.passed.packets()));
        self.came.extend(news.came.iter().map(|came| (came.index, came.passed.packets())));
    }

    /// What the counters of an interface read when it was to be attached, which read `passed` now.
    pub(super) fn first_seen(&self, index: u32, passed: u64) -> u64 {
        let came = self.came.iter().rfind(|(came, _)| *came == index).map(|(_, passed)| *passed);
        if self.is_new(index) { came.unwrap_or(0) } else { passed }
    }

    /// A tap was attached to an interface whose own counters read `passed` packets. Returns how many of
    /// them passed unseen, and the record to keep of it from here on.
    pub(super) fn attached(&mut self, index: u32, name: &str, passed: u64) -> (u64, Option<InterfaceRecord>) {
        let is_new = self.is_new(index);
        let came = self.came.iter().rfind(|(came, _)| *came == index).map(|(_, passed)| *passed);
        let record = if self.counts_between_processes { None } else { self.records.of(index) };
        let since_last_process = record.and_then(|record| record.missed(passed));
        let missed = since_last_process.unwrap_or_else(|| {
            let unseen = self.gaps.missed(index, name, Counted { passed, came });
            // One that is new began at zero, unless it was moved here: then it has carried others' packets.
            unseen.unwrap_or(if is_new { passed.saturating_sub(came.unwrap_or(0)) } else { 0 })
        });
        if let Some(record) = record {
            record.set_passed(passed);
        }
        (missed, record)
    }

    /// An interface that the tap was detached from cannot be attached again. Returns what has passed since,
    /// by what its own counters read now; none where the tap never was there.
    pub(super) fn refused(&mut self, index: u32, passed: u64) -> Option<u64> {
        let at = self.gaps.0.iter().position(|left| left.index == index && left.packets.is_some())?;
        let left = self.gaps.0.remove(at);
        Some(passed.saturating_sub(left.packets.unwrap_or(passed)))
    }

    /// True for an interface that was not there at the last look.
    fn is_new(&self, index: u32) -> bool {
        match &self.listed {
            Some(listed) => !listed.contains(&index),
            None => index > self.records.highest(),
        }
    }

    /// The tap was detached from an interface whose own counters read so many packets; none where it was
    /// gone before they could be read, which the kernel tells of yet ([`Unseen::heard`]).
    pub(super) fn detached(&mut self, index: u32, name: String, passed: Option<u64>) {
        self.gaps.left(index, name, passed);
        self.records.forget(index);
    }
}

/// An interface that the tap had been attached to.
struct Left {
    index: u32,
    name: String,
    /// What its own counters read; none until the kernel tells.
    packets: Option<u64>,
}

/// What an interface's own counters read now, and read when the kernel told that it came.
#[derive(Clone, Copy)]
struct Counted {
    passed: u64,
    came: Option<u64>,
}

/// Interfaces that the tap was detached from; they or their like may come back.
#[derive(Default)]
struct Gaps(Vec<Left>);

/// Interfaces that are kept there; the oldest is forgotten first.
const GAPS: usize = 1024;

impl Gaps {
    /// The tap was detached from an interface.
    fn left(&mut self, index: u32, name: String, packets: Option<u64>) {
        if self.0.len() == GAPS {
            self.0.remove(0);
        }
        self.0.push(Left { index, name, packets });
    }

    /// The kernel tells what the counters of an interface read at its end.
    fn ended(&mut self, index: u32, packets: u64) {
        let awaits = |left: &&mut Left| left.index == index && left.packets.is_none();
        if let Some(left) = self.0.iter_mut().rfind(awaits) {
            left.packets = Some(packets);
        }
    }

    /// Packets that passed an interface since the tap was detached from it or its like; none where it
    /// was not.
    fn missed(&mut self, index: u32, name: &str, Counted { passed, came }: Counted) -> Option<u64> {
        let same = |left: &Left| left.index == index || left.name == name;
        let left = self.0.iter().position(same).map(|at| self.0.remove(at))?;
        Some(match left.packets {
            // It went on counting: it was renamed, or moved away and back.
            Some(packets) if came.unwrap_or(passed) >= packets => passed.saturating_sub(packets),
            // Another device in its place.
            Some(_) => passed.saturating_sub(came.unwrap_or(0)),
            // Neither its end nor its coming is known: the kernel had to drop what it told.
            None => came.map_or(0, |came| passed.saturating_sub(came)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::interface_records::tests::records;
    use super::super::interfaces::{InterfaceEntry, Passed};
    use super::*;

    /// Interfaces by index, with what their own counters read.
    fn entries(counted: &[(u32, u64)]) -> Vec<InterfaceEntry> {
        let entry = |&(index, up): &(u32, u64)| {
            let passed = Passed { up, ..Passed::default() };
            InterfaceEntry { index, hardware: 0xfffe, passed, ..Default::default() }
        };
        counted.iter().map(entry).collect()
    }

    fn news(gone: &[(u32, u64)], came: &[(u32, u64)]) -> News {
        News { gone: entries(gone), came: entries(came) }
    }

    /// A process that meters an interface of index 3 from packet 100 on.
    fn metering() -> Unseen {
        let mut unseen = Unseen::new(records(4), false);
        unseen.begin([2, 3].into_iter());
        assert_eq!(unseen.attached(3, "wg0", 100).0, 0, "it was there before us");
        unseen.listed([2, 3].into_iter());
        unseen
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
        let mut unseen = metering();
        unseen.detached(3, "wg0".into(), Some(150));
        assert_eq!(unseen.attached(3, "wg0", 180).0, 30, "renamed and renamed back");
        unseen.detached(3, "wg0".into(), Some(200));
        assert_eq!(unseen.attached(3, "vpn0", 230).0, 30, "renamed to another name of the configuration");
        unseen.listed([2, 3].into_iter());
        assert_eq!(unseen.attached(2, "wg1", 40).0, 0, "it was there before, and nobody was to meter it");
    }

    #[test]
    fn a_device_that_is_made_anew_tells_all_that_it_counted() {
        let mut unseen = metering();
        unseen.detached(3, "wg0".into(), None);
        unseen.heard(&news(&[(3, 200)], &[(9, 0)]));
        assert_eq!(unseen.attached(9, "wg0", 208).0, 208, "even where it counted more than the one before");
        unseen.listed([2, 9].into_iter());
        unseen.detached(9, "wg0".into(), Some(300));
        assert_eq!(
            unseen.attached(10, "wg0", 6).0,
            6,
            "what the kernel told was dropped, but it counts less"
        );
        unseen.listed([2, 10].into_iter());
        unseen.heard(&news(&[], &[(11, 0)]));
        assert_eq!(unseen.attached(11, "tun0", 5).0, 5, "it came while we looked away");
    }

    /// The kernel tells of an interface that is gone after it has ceased to list it.
    #[test]
    fn a_device_that_was_away_tells_what_passed_there_and_no_more() {
        let mut unseen = metering();
        unseen.detached(3, "wg0".into(), None);
        unseen.listed([2].into_iter());
        unseen.heard(&news(&[(3, 5000)], &[]));
        unseen.listed([2].into_iter());
        unseen.heard(&news(&[], &[(3, 5000)]));
        assert_eq!(unseen.attached(3, "wg0", 5000).0, 0, "nothing passed meanwhile");
        unseen.listed([2, 3].into_iter());
        unseen.detached(3, "wg0".into(), None);
        unseen.heard(&news(&[(3, 5000)], &[(7, 5020)]));
        assert_eq!(unseen.attached(7, "wg0", 5021).0, 21, "with another index, and something passed");
    }

    #[test]
    fn a_device_that_is_moved_here_tells_only_what_passed_since() {
        let mut unseen = metering();
        // Its index is lower than others that are there: it was made elsewhere.
        unseen.heard(&news(&[], &[(1, 70_000)]));
        assert_eq!(unseen.attached(1, "tun0", 70_002).0, 2);
    }

    #[test]
    fn nothing_is_made_up_where_the_kernel_dropped_what_it_told() {
        let mut unseen = metering();
        unseen.detached(3, "wg0".into(), None);
        assert_eq!(unseen.attached(3, "wg0", 5000).0, 0);
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
