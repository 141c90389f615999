//! Days of the schedule as dates, alike for every account. Arithmetic alone: no clock, no event.

use super::policy::Policy;
use super::units::DAY_SECONDS;
use core::fmt;

/// A day, in UTC; shown as a date.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Day(u64);

impl Day {
    /// The day of this number since 1970-01-01.
    #[must_use]
    pub const fn of_number(number: u64) -> Self {
        Self(number)
    }

    /// The day in which this second since 1970 lies.
    #[must_use]
    pub const fn of_second(second: u64) -> Self {
        Self(second / DAY_SECONDS)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Year, month and day of the month.
    ///
    /// # Source
    /// The Gregorian calendar's cycle of 400 years, 146,097 days; years are counted from March, so that
    /// the leap day is a year's last.
    #[must_use]
    pub const fn date(self) -> (u64, u64, u64) {
        // 1970-01-01 is day 719,468 since 0000-03-01.
        let days = self.0.saturating_add(719_468);
        let (cycle, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        (cycle * 400 + year + next, month, day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(out, "{year:04}-{month:02}-{day:02}")
    }
}

/// What bands are of.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct BandDates {
    /// The day of the refresh, by the schedule.
    pub as_of: Day,
    /// The first day of the period that was refreshed.
    pub first_day: Day,
    /// Its last day.
    pub last_day: Day,
}

impl BandDates {
    /// Of a refresh and a period of these indices, under this policy.
    #[must_use]
    pub const fn under(policy: &Policy, refresh_index: u64, period_index: u64) -> Self {
        Self::of((refresh_index, policy.refresh_seconds), (period_index, policy.period_seconds))
    }

    /// Of a refresh and a period of these indices and lengths in seconds.
    #[must_use]
    pub const fn of(refresh: (u64, u64), period: (u64, u64)) -> Self {
        let (index, seconds) = refresh;
        let as_of = Day::of_second(index.saturating_mul(seconds));
        let (index, seconds) = period;
        let first_day = Day::of_second(index.saturating_mul(seconds));
        let next = index.saturating_add(1).saturating_mul(seconds);
        Self { as_of, first_day, last_day: Day::of_second(next.saturating_sub(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// # Source
    /// GNU date 9.1: `date -u -d @SECONDS +%F`.
    #[test]
    fn days_are_the_dates_of_another_program() {
        for (second, date) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_795_046_399, "2026-11-18"),
            (1_795_046_400, "2026-11-19"),
            (1_798_761_599, "2026-12-31"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(Day::of_second(second).to_string(), date);
        }
    }

    #[test]
    fn a_period_is_told_by_its_first_and_last_day() {
        let dates = BandDates::of((2969, 7 * DAY_SECONDS), (742, 28 * DAY_SECONDS));
        let BandDates { as_of, first_day, last_day } = dates;
        let told = [as_of, first_day, last_day].map(|day| day.to_string());
        assert_eq!(told, ["2026-11-26", "2026-11-19", "2026-12-16"]);
    }
}
