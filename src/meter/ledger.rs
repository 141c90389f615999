//! The ledger: what each slot counted in the open epoch and in the running period.
//!
//! Holds readings of cumulative counters and sums of closed epochs; no history, no times. The
//! truth of an epoch is "counter now less counter at its opening", so sealing never clears a
//! counter and loses nothing under concurrent adds.

use super::clamp::Sums;
use super::counters::Counters;
use super::policy::ACTIVE_BYTES;
use super::slot::Slot;
use super::units::{Totals, Volume};
use alloc::vec::Vec;

/// Two sums per slot.
#[derive(Clone, Copy, Default)]
pub struct Line {
    /// Sum of the period's closed epochs.
    pub period: Totals,
    /// The counter when the open epoch began.
    pub mark: Totals,
}

/// A slot as it was saved: its line, and the counter at the save.
#[derive(Clone, Copy, Default)]
pub struct Saved {
    /// The line at the save.
    pub line: Line,
    /// The counter at the save.
    pub reading: Totals,
}

/// What became of a slot since a save.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Since {
    /// What the present counter would have read at the save, had it been counting then: what it
    /// reads beyond this was counted since. None where what was counted since is not known.
    pub base: Option<Totals>,
    /// The slot has another owner now, or none any more.
    pub given_away: bool,
}

/// What each slot counted, per open epoch and per period.
pub struct Ledger {
    counters: Counters,
    lines: Vec<Line>,
}

/// The sums of one closed epoch that a release is made of. It cannot be printed or rendered.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Sealed {
    pub(super) attributed: Totals,
    /// Over the accounts, each held at the clamp.
    pub(super) clamped: Sums,
    pub(super) largest_up_bytes: u64,
    pub(super) largest_down_bytes: u64,
    pub(super) active_accounts: u64,
    pub(super) unattributed: Totals,
    pub(super) malformed: Totals,
    pub(super) lost: Totals,
}

/// What the node counted since the period began: closed epochs and the open one together.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeTotals {
    /// Sum over all accounts.
    pub attributed: Totals,
    /// Packets of addresses that no account owns.
    pub unattributed: Totals,
    /// Packets that are not IP.
    pub not_ip: Totals,
    /// Packets whose IP header could not be read.
    pub malformed: Totals,
    /// Packets that the tap knows it missed.
    pub lost: Totals,
}

impl Ledger {
    /// A ledger that starts from the counters as they stand.
    #[must_use]
    pub fn new(counters: Counters) -> Self {
        let lines = (0..counters.slots())
            .map(|index| Line { period: Totals::default(), mark: counters.read(slot_at(index)) })
            .collect();
        Self { counters, lines }
    }

    /// A ledger that goes on from a save. Every byte of the save is in it, and every byte that was
    /// counted since: what a slot's former owner had in the open epoch is nobody's when the slot was
    /// given away.
    #[must_use]
    pub fn resumed(
        counters: Counters,
        mut lines: Vec<Line>,
        readings: &[Totals],
        since: impl Fn(Slot) -> Since,
    ) -> Self {
        lines.resize(counters.slots(), Line::default());
        let mut ownerless = Totals::default();
        for (index, line) in lines.iter_mut().enumerate() {
            let slot = slot_at(index);
            let Since { base, given_away } = since(slot);
            let base = base.unwrap_or_else(|| counters.read(slot));
            let open = readings.get(index).copied().unwrap_or_default().since(line.mark);
            *line = if given_away {
                ownerless = ownerless.plus(open);
                Line { period: Totals::default(), mark: base }
            } else {
                Line { period: line.period, mark: base.since(open) }
            };
        }
        let mut ledger = Self { counters, lines };
        ledger.count_as_unattributed(ownerless);
        ledger
    }

    /// Moves what a slot counted since a reading to "unattributed": whose it was is not known.
    pub fn unattribute(&mut self, slot: Slot, reading: Totals) {
        if let Some(line) = self.lines.get_mut(slot.index()) {
            let doubtful = self.counters.read(slot).since(reading);
            // The mark moves up by what is taken away.
            line.mark = Totals::default().since(Totals::default().since(line.mark).since(doubtful));
            self.count_as_unattributed(doubtful);
        }
    }

    /// A mark that is lower by so much shows so much more.
    fn count_as_unattributed(&mut self, more: Totals) {
        let line = &mut self.lines[Slot::UNATTRIBUTED.index()];
        line.mark = line.mark.since(more);
    }

    /// The line of a slot, for a save.
    #[must_use]
    pub fn saved(&self, slot: Slot) -> Saved {
        let line = self.lines.get(slot.index()).copied().unwrap_or_default();
        Saved { line, reading: self.counters.read(slot) }
    }

    /// Closes the open epoch and begins the next: every byte is in exactly one of the two. An account
    /// adds at most `clamp_bytes` to the clamped sums, and all of its bytes to everything else.
    pub fn seal(&mut self, clamp_bytes: u64) -> Sealed {
        let mut sealed = Sealed::default();
        for (index, line) in self.lines.iter_mut().enumerate() {
            let slot = slot_at(index);
            let reading = self.counters.read(slot);
            let epoch = reading.since(line.mark);
            line.mark = reading;
            line.period = line.period.plus(epoch);
            match slot {
                Slot::UNATTRIBUTED => sealed.unattributed = epoch,
                Slot::NOT_IP => {}
                Slot::MALFORMED => sealed.malformed = epoch,
                Slot::LOST => sealed.lost = epoch,
                _ => {
                    sealed.attributed = sealed.attributed.plus(epoch);
                    sealed.clamped = sealed.clamped.plus(Sums::of(epoch, clamp_bytes));
                    sealed.largest_up_bytes = sealed.largest_up_bytes.max(epoch.up.bytes);
                    sealed.largest_down_bytes = sealed.largest_down_bytes.max(epoch.down.bytes);
                    sealed.active_accounts += u64::from(epoch.bytes() >= ACTIVE_BYTES);
                }
            }
        }
        sealed
    }

    /// Forgets the closed epochs of every slot: a new period begins.
    pub fn begin_period(&mut self) {
        for line in &mut self.lines {
            line.period = Totals::default();
        }
    }

    /// Forgets the closed epochs of one slot: its account was removed.
    pub fn forget(&mut self, slot: Slot) {
        if let Some(line) = self.lines.get_mut(slot.index()) {
            line.period = Totals::default();
        }
    }

    /// What a slot counted in the period's closed epochs.
    #[must_use]
    pub fn period(&self, slot: Slot) -> Totals {
        self.lines.get(slot.index()).map_or_else(Totals::default, |line| line.period)
    }

    /// What a slot counted since the open epoch began.
    #[must_use]
    pub fn open_epoch(&self, slot: Slot) -> Totals {
        self.lines
            .get(slot.index())
            .map_or_else(Totals::default, |line| self.counters.read(slot).since(line.mark))
    }

    /// What the whole node counted since the period began, the open epoch included.
    #[must_use]
    pub fn node(&self) -> NodeTotals {
        let all = |slot: Slot| self.period(slot).plus(self.open_epoch(slot));
        let attributed = (Slot::FIRST_ACCOUNT.index()..self.lines.len())
            .map(|index| all(slot_at(index)))
            .fold(Totals::default(), Totals::plus);
        NodeTotals {
            attributed,
            unattributed: all(Slot::UNATTRIBUTED),
            not_ip: all(Slot::NOT_IP),
            malformed: all(Slot::MALFORMED),
            lost: all(Slot::LOST),
        }
    }

    /// How many slots there are, the reserved ones included.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.lines.len()
    }
}

impl NodeTotals {
    /// Everything that the tap saw: bytes of packets that are IP, packets of every kind.
    #[must_use]
    pub fn seen(&self) -> Volume {
        let ip = self.attributed.plus(self.unattributed);
        Volume { bytes: ip.bytes(), packets: ip.packets() + self.not_ip.packets() + self.malformed.packets() }
    }
}

fn slot_at(index: usize) -> Slot {
    Slot::new(u32::try_from(index).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::slot::Direction;
    use super::*;

    #[test]
    fn a_counter_that_passes_two_to_the_64_is_counted_exactly() {
        let counters = Counters::in_memory(1);
        let slot = Slot::FIRST_ACCOUNT;
        counters.add(slot, Direction::Up, u64::MAX - 10, 1);
        let mut ledger = Ledger::new(counters);
        counters.add(slot, Direction::Up, 30, 2);
        assert!(ledger.open_epoch(slot).up == Volume { bytes: 30, packets: 2 });
        assert!(ledger.seal(u64::MAX).attributed.up == Volume { bytes: 30, packets: 2 });
        assert!(ledger.open_epoch(slot) == Totals::default());
        assert!(ledger.period(slot).up == Volume { bytes: 30, packets: 2 });
        ledger.begin_period();
        assert!(ledger.period(slot) == Totals::default());
    }
}
