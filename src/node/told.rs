//! What a node tells of itself: dates of the schedule, alike for every account. Nothing that is counted moves
//! any of it.

use super::Node;
use crate::clock::{Clock, ImplausibleClock, implausible_clock};
use crate::meter::calendar::{BandDates, Day};
use crate::meter::noise::Randomness;

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
