//! The ledger: what each slot counted in the open epoch and in the current period.
//!
//! Holds readings of cumulative counters and sums of closed epochs; no history, no times. An epoch's
//! total is the counter now minus the counter when the epoch opened, so sealing never clears a counter
//! and loses nothing under concurrent adds.

use super::clamp::Sums;
use super::counters::Counters;
use super::policy::{ACTIVE_BYTES, ACTIVE_SENT_BYTES};
use super::slot::Slot;
use super::units::{Totals, Volume};
use alloc::vec::Vec;

/// The ledger's entry for one slot.
#[derive(Clone, Copy, Default)]
pub struct SlotEntry {
    /// Sum of the period's closed epochs.
    pub period: Totals,
    /// The counter when the open epoch began.
    pub mark: Totals,
}

/// A slot at a save: its entry, and the counter.
#[derive(Clone, Copy, Default)]
pub struct SavedEntry {
    /// The entry at the save.
    pub entry: SlotEntry,
    /// The counter at the save.
    pub reading: Totals,
}

/// What became of a slot since a save.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SinceSave {
    /// What the present counter would have read at the save, had it been counting then: anything above
    /// this was counted since. None if what was counted since is unknown.
    pub base: Option<Totals>,
    /// The slot now has another owner, or none.
    pub reassigned: bool,
}

/// What each slot counted, per open epoch and per period.
pub struct Ledger {
    counters: Counters,
    entries: Vec<SlotEntry>,
    /// The counters when the running tick began, where there are ticks: in memory alone, and never saved.
    ticks: Vec<Totals>,
}

/// The sums of one closed epoch that a release is made from. They cannot be printed or rendered.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Sealed {
    pub(super) attributed: Totals,
    /// Over the accounts, each limited to the clamp.
    pub(super) clamped: Sums,
    pub(super) largest_up_bytes: u64,
    pub(super) largest_down_bytes: u64,
    pub(super) active_accounts: u64,
    /// Room for accounts, used or not.
    pub(super) account_slots: u64,
    pub(super) unattributed: Totals,
    pub(super) malformed: Totals,
    pub(super) lost: Totals,
    /// The tap did not count for a part of the epoch.
    pub(super) tap_gap: bool,
}

/// What the node counted since the period began, in closed epochs and the open one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeTotals {
    /// Sum over all accounts.
    pub attributed: Totals,
    /// Packets from or to addresses that no account owns.
    pub unattributed: Totals,
    /// Packets that are not IP.
    pub not_ip: Totals,
    /// Packets whose IP header could not be read.
    pub malformed: Totals,
    /// The device's own chatter; see [`Slot::LINK`].
    pub link: Totals,
    /// Packets that the tap knows it missed.
    pub lost: Totals,
}

impl Ledger {
    /// A ledger that starts from the current counters.
    #[must_use]
    pub fn new(counters: Counters) -> Self {
        let entries = (0..counters.slots())
            .map(|index| SlotEntry { period: Totals::default(), mark: counters.read(slot_at(index)) })
            .collect();
        Self { counters, entries, ticks: Vec::new() }
    }

    /// A ledger that resumes from a save. It holds every byte of the save, and every byte counted since.
    /// If a slot was reassigned, what its former owner had in the open epoch becomes unattributed.
    #[must_use]
    pub fn resumed(
        counters: Counters,
        mut entries: Vec<SlotEntry>,
        readings: &[Totals],
        since: impl Fn(Slot, Totals) -> SinceSave,
    ) -> Self {
        entries.resize(counters.slots(), SlotEntry::default());
        let mut ownerless = Totals::default();
        for (index, entry) in entries.iter_mut().enumerate() {
            let slot = slot_at(index);
            let saved = readings.get(index).copied().unwrap_or_default();
            let SinceSave { base, reassigned } = since(slot, saved);
            let base = base.unwrap_or_else(|| counters.read(slot));
            let open = saved.since(entry.mark);
            *entry = if reassigned {
                ownerless = ownerless.plus(open);
                SlotEntry { period: Totals::default(), mark: base }
            } else {
                SlotEntry { period: entry.period, mark: base.since(open) }
            };
        }
        let mut ledger = Self { counters, entries, ticks: Vec::new() };
        ledger.count_as_unattributed(ownerless);
        ledger
    }

    /// Moves what a slot counted since a reading to "unattributed", when its owner is unknown.
    pub fn unattribute(&mut self, slot: Slot, reading: Totals) {
        if let Some(entry) = self.entries.get_mut(slot.index()) {
            let doubtful = self.counters.read(slot).since(reading);
            // The mark moves up by what is taken away.
            entry.mark = Totals::default().since(Totals::default().since(entry.mark).since(doubtful));
            self.count_as_unattributed(doubtful);
        }
    }

    /// Lowering a mark raises the total by as much.
    fn count_as_unattributed(&mut self, more: Totals) {
        let entry = &mut self.entries[Slot::UNATTRIBUTED.index()];
        entry.mark = entry.mark.since(more);
    }

    /// The entry of a slot, for a save.
    #[must_use]
    pub fn saved(&self, slot: Slot) -> SavedEntry {
        let entry = self.entries.get(slot.index()).copied().unwrap_or_default();
        SavedEntry { entry, reading: self.counters.read(slot) }
    }

    /// The first tick begins here, where none has.
    pub fn begin_ticks(&mut self) {
        if !self.ticks.is_empty() {
            return;
        }
        self.ticks = (0..self.entries.len()).map(|index| self.counters.read(slot_at(index))).collect();
    }

    /// Ends the running tick of a slot: what it counted in it.
    pub fn end_tick(&mut self, slot: Slot) -> Totals {
        let Some(tick) = self.ticks.get_mut(slot.index()) else { return Totals::default() };
        let reading = self.counters.read(slot);
        reading.since(core::mem::replace(tick, reading))
    }

    /// What a slot counted in the open epoch until its last tick ended.
    #[must_use]
    pub fn epoch_of_ticks(&self, slot: Slot) -> Totals {
        let (tick, entry) = (self.ticks.get(slot.index()), self.entries.get(slot.index()));
        tick.zip(entry).map_or_else(Totals::default, |(tick, entry)| tick.since(entry.mark))
    }

    /// Closes the open epoch and begins the next: every byte is in exactly one of the two. An account
    /// adds at most `clamp_bytes` to the clamped sums, and all of its bytes to everything else. Where there are
    /// ticks, its epoch ends with its last one.
    pub fn seal(&mut self, clamp_bytes: u64) -> Sealed {
        let mut sealed = Sealed::default();
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let slot = slot_at(index);
            let of_tick = self.ticks.get(index).filter(|_| slot.is_account());
            let reading = of_tick.copied().unwrap_or_else(|| self.counters.read(slot));
            let epoch = reading.since(entry.mark);
            entry.mark = reading;
            entry.period = entry.period.plus(epoch);
            match slot {
                Slot::UNATTRIBUTED => sealed.unattributed = epoch,
                // In no release: the device's own.
                Slot::NOT_IP | Slot::LINK => {}
                Slot::MALFORMED => sealed.malformed = epoch,
                Slot::LOST => sealed.lost = epoch,
                Slot::GAP => sealed.tap_gap = epoch.packets() > 0,
                _ => {
                    sealed.account_slots += 1;
                    sealed.attributed = sealed.attributed.plus(epoch);
                    sealed.clamped = sealed.clamped.plus(Sums::of(epoch, clamp_bytes));
                    sealed.largest_up_bytes = sealed.largest_up_bytes.max(epoch.up.bytes);
                    sealed.largest_down_bytes = sealed.largest_down_bytes.max(epoch.down.bytes);
                    let is_active = epoch.bytes() >= ACTIVE_BYTES && epoch.up.bytes >= ACTIVE_SENT_BYTES;
                    sealed.active_accounts += u64::from(is_active);
                }
            }
        }
        sealed
    }

    /// Forgets the closed epochs of every slot: a new period begins.
    pub fn begin_period(&mut self) {
        for entry in &mut self.entries {
            entry.period = Totals::default();
        }
    }

    /// Forgets the closed epochs of one slot: its account was removed.
    pub fn forget(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get_mut(slot.index()) {
            entry.period = Totals::default();
        }
    }

    /// Forgets what a slot counted, in closed epochs and the open one, and gives the counter from which it goes on. No
    /// release holds what it had counted in the open epoch.
    pub fn erase(&mut self, slot: Slot) -> Totals {
        let reading = self.counters.read(slot);
        if let Some(entry) = self.entries.get_mut(slot.index()) {
            *entry = SlotEntry { period: Totals::default(), mark: reading };
        }
        if let Some(tick) = self.ticks.get_mut(slot.index()) {
            *tick = reading;
        }
        reading
    }

    /// Sets the bytes of a slot's closed epochs, where there are any. A direction without bytes has no packets. What the
    /// slot no longer holds of them is unattributed, and what it holds more is taken from there, as far as it reaches:
    /// the node's total stays what it was. No release changes.
    pub fn correct(&mut self, slot: Slot, up_bytes: u64, down_bytes: u64) {
        let before = self.period(slot);
        if before == Totals::default() {
            return;
        }
        let packets = |bytes: u64, volume: Volume| if bytes == 0 { 0 } else { volume.packets };
        let set = |bytes: u64, volume: Volume| Volume { bytes, packets: packets(bytes, volume) };
        let after = Totals { up: set(up_bytes, before.up), down: set(down_bytes, before.down) };
        self.entries[slot.index()].period = after;
        let moved = |held: u64, before: u64, after: u64| {
            held.saturating_add(before.saturating_sub(after)).saturating_sub(after.saturating_sub(before))
        };
        let volume = |held: Volume, before: Volume, after: Volume| Volume {
            bytes: moved(held.bytes, before.bytes, after.bytes),
            packets: moved(held.packets, before.packets, after.packets),
        };
        let held = &mut self.entries[Slot::UNATTRIBUTED.index()].period;
        *held = Totals {
            up: volume(held.up, before.up, after.up),
            down: volume(held.down, before.down, after.down),
        };
    }

    /// What a slot counted in the period's closed epochs.
    #[must_use]
    pub fn period(&self, slot: Slot) -> Totals {
        self.entries.get(slot.index()).map_or_else(Totals::default, |entry| entry.period)
    }

    /// What a slot counted since the open epoch began.
    #[must_use]
    pub fn open_epoch(&self, slot: Slot) -> Totals {
        self.entries
            .get(slot.index())
            .map_or_else(Totals::default, |entry| self.counters.read(slot).since(entry.mark))
    }

    /// What the whole node counted since the period began, the open epoch included.
    #[must_use]
    pub fn node(&self) -> NodeTotals {
        let all = |slot: Slot| self.period(slot).plus(self.open_epoch(slot));
        let attributed = (Slot::FIRST_ACCOUNT.index()..self.entries.len())
            .map(|index| all(slot_at(index)))
            .fold(Totals::default(), Totals::plus);
        NodeTotals {
            attributed,
            unattributed: all(Slot::UNATTRIBUTED),
            not_ip: all(Slot::NOT_IP),
            malformed: all(Slot::MALFORMED),
            link: all(Slot::LINK),
            lost: all(Slot::LOST),
        }
    }

    /// How many slots there are, the reserved ones included.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.entries.len()
    }
}

impl NodeTotals {
    /// Everything that the tap saw: bytes of IP packets, and packets of every kind.
    #[must_use]
    pub fn seen(&self) -> Volume {
        let ip = self.attributed.plus(self.unattributed).plus(self.link);
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
    fn a_gap_is_of_the_epoch_in_which_it_was_noted_whatever_passed() {
        let counters = Counters::in_memory(1);
        let mut ledger = Ledger::new(counters);
        let note = || counters.add(Slot::GAP, Direction::Up, 0, 1);
        counters.add(Slot::LOST, Direction::Up, 0, 7);
        assert!(!ledger.seal(u64::MAX).tap_gap, "what is lost makes none");
        note();
        note();
        let sealed = ledger.seal(u64::MAX);
        assert!(sealed.tap_gap && sealed.lost == Totals::default() && sealed.attributed == Totals::default());
        assert!(!ledger.seal(u64::MAX).tap_gap);
    }

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
