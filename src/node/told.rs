//! What a node tells of itself and of its slots: dates of the schedule, which are alike for every account and which
//! nothing that is counted moves; what was released; and exact totals, for whoever may have them.

use super::{Node, slot_at};
use crate::clock::{Clock, ImplausibleClock, implausible_clock};
use crate::meter::band::Band;
use crate::meter::calendar::{BandDates, Day};
use crate::meter::ledger::NodeTotals;
use crate::meter::noise::Randomness;
use crate::meter::release::Release;
use crate::meter::slot::Slot;
use crate::meter::units::Totals;

impl<C: Clock, R: Randomness> Node<C, R> {
    /// What the bands of all slots are of.
    pub fn band_dates(&self) -> BandDates {
        self.dates
    }

    /// What the bands of a fleet are of: the last refresh by the schedule, or so many before it.
    pub fn refresh_dates(&self, before: u64) -> BandDates {
        let policy = self.epochs.policy();
        let (week, period) = self.last_refresh();
        BandDates::under(policy, week.saturating_sub(before), period)
    }

    /// The first and the last day of the period that counts now.
    pub fn period_days(&self) -> (Day, Day) {
        let dates = BandDates::under(self.epochs.policy(), 0, self.period_index);
        (dates.first_day, dates.last_day)
    }

    /// When the next release is due by the schedule, in seconds since 1970.
    pub fn next_release_seconds(&self) -> u64 {
        let (now, policy) = (self.clock.now(), self.epochs.policy());
        let seconds = |nanoseconds: u64| nanoseconds.div_ceil(1_000_000_000);
        match self.publish_at {
            Some(at) => now.wall_seconds.saturating_add(seconds(at.saturating_sub(now.boot_nanoseconds))),
            None => {
                let close = self.schedule.next_close_seconds(now);
                close.saturating_add(seconds(policy.delay_nanoseconds()))
            }
        }
    }

    /// The same for the page: a number of the schedule alone, whenever exactly an epoch was closed.
    pub fn next_due_seconds(&self) -> u64 {
        let policy = self.epochs.policy();
        let delay = policy.delay_nanoseconds().div_ceil(1_000_000_000);
        let end = match self.epochs.sealed().filter(|_| self.publish_at.is_some()) {
            Some(sealed) => sealed.ordinal().saturating_add(1).saturating_mul(policy.epoch_seconds),
            None => self.schedule.next_close_seconds(self.clock.now()),
        };
        end.saturating_add(delay)
    }

    /// The last published release.
    pub fn released(&self) -> Release {
        self.epochs.released()
    }

    /// The band of a slot, as of the last refresh.
    pub fn band(&self, slot: Slot) -> Band {
        self.bands.get(slot.index()).copied().unwrap_or_default()
    }

    /// Exact totals of a slot: the period's closed epochs, and the open one.
    pub fn totals(&self, slot: Slot) -> (Totals, Totals) {
        (self.ledger.period(slot), self.ledger.open_epoch(slot))
    }

    /// Of each slot, whether anything is held of its account: totals, the open epoch, or a band.
    pub fn used(&self) -> Vec<bool> {
        let is_used = |index: usize| {
            let (period, open) = self.totals(slot_at(index));
            period.plus(open) != Totals::default() || self.band(slot_at(index)) != Band::default()
        };
        (0..self.ledger.slots()).map(is_used).collect()
    }

    /// Exact totals of the node since the period began.
    pub fn node_totals(&self) -> NodeTotals {
        self.ledger.node()
    }

    /// What is wrong with the wall clock, if anything.
    pub fn implausible_clock(&self) -> Option<ImplausibleClock> {
        implausible_clock(self.clock.now().wall_seconds)
    }
}

#[cfg(test)]
mod tests {
    use crate::node::tests::Stepped;

    /// A band made at the close that ends a period is of that period, and is labelled with it.
    #[test]
    fn bands_tell_of_which_day_and_period_they_are() {
        let mut stepped = Stepped::new();
        let start = 700 * 28;
        for day in start..start + 3 * 28 {
            let dates = stepped.node.band_dates();
            let (as_of, first) = (dates.as_of.number(), dates.first_day.number());
            assert_eq!(as_of, day / 7 * 7, "on day {day}");
            let of_the_day_before = (as_of - 1).max(start) / 28 * 28;
            assert_eq!((first, dates.last_day.number()), (of_the_day_before, of_the_day_before + 27));
            stepped.day(0);
        }
    }
}
