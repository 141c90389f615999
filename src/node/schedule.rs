//! When an epoch ends: clock rules L09 and L10, as a pure function of clock readings.
//!
//! Holds the wall-clock index of the open epoch and boot-clock marks; reads no clock itself. It knows
//! nothing about traffic, so traffic cannot move a close.
//!
//! - The epoch index is floor(wall / length). An index is released at most once; a start that cannot
//!   prove that the current index is unreleased bars it.
//! - A close needs the wall clock past a boundary *and* 0.9 epoch of boot clock since the last close or
//!   the start; otherwise the partial epoch merges into the next one.
//! - A wall clock that stays below the last used index for 0.9 epoch of boot clock was once far ahead:
//!   from then on the next release takes the last index plus one.

use crate::clock::Reading;

/// What a schedule remembers between readings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ScheduleState {
    /// The last wall-clock index.
    pub open: u64,
    /// Highest ordinal that was released or is barred.
    pub last: u64,
    /// Boot clock at the last close, or at the start.
    pub closed_at: u64,
    /// Boot clock when the wall-clock index fell below `last`, while it stays there.
    pub below_since: Option<u64>,
    /// The wall-clock index was below `last` for long enough: the clock was once ahead.
    pub was_ahead: bool,
}

/// Decides the ordinals of releases from clock readings.
#[derive(Clone)]
pub struct Schedule {
    length_seconds: u64,
    state: ScheduleState,
}

impl Schedule {
    /// For a start that cannot prove that the current index is unreleased: bars it.
    #[must_use]
    pub fn unproven(length_seconds: u64, now: Reading) -> Self {
        let open = now.wall_seconds / length_seconds;
        let state = ScheduleState {
            open,
            last: open,
            closed_at: now.boot_nanoseconds,
            below_since: None,
            was_ahead: false,
        };
        Self { length_seconds, state }
    }

    /// For a start that knows what was released: bars nothing, and the open epoch continues. In another
    /// boot its clock starts afresh, so the next close waits for 0.9 epoch of that.
    #[must_use]
    pub fn resumed(mut state: ScheduleState, length_seconds: u64, now: Reading, same_boot: bool) -> Self {
        if !same_boot {
            state.closed_at = now.boot_nanoseconds;
            state.below_since = state.below_since.map(|_| now.boot_nanoseconds);
        }
        Self { length_seconds, state }
    }

    /// What [`Schedule::resumed`] needs.
    #[must_use]
    pub fn state(&self) -> ScheduleState {
        self.state
    }

    /// The highest ordinal that is used or barred.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.state.last
    }

    /// When the next epoch ends that [`Schedule::observe`] gives an ordinal for, if the clocks go on as
    /// they are: seconds since 1970.
    #[must_use]
    pub fn next_close_seconds(&self, now: Reading) -> u64 {
        let (length, state) = (self.length_seconds, &self.state);
        let index = now.wall_seconds / length;
        let elapsed = now.boot_nanoseconds.saturating_sub(state.closed_at) / 1_000_000_000;
        let waited = now.wall_seconds.saturating_add((length * 9 / 10).saturating_sub(elapsed));
        // An index is released once; a clock that was ahead gives the next ordinal at any boundary.
        let unused = if index < state.last { index + 1 } else { index.max(state.last + 1) + 1 };
        unused.max(waited.div_ceil(length)).saturating_mul(length)
    }

    /// The ordinal to release, if an epoch ends at this reading.
    pub fn observe(&mut self, now: Reading) -> Option<u64> {
        let index = now.wall_seconds / self.length_seconds;
        let wait = self.length_seconds.saturating_mul(900_000_000);
        let state = &mut self.state;
        let boundary = index > state.open;
        state.open = index;
        let waited = |since: u64| now.boot_nanoseconds.saturating_sub(since) >= wait;

        // An index at or just after the last one is normal (the barred index itself, or the one after a
        // release); only a lower one means that the clock was ahead. Decided before this reading can end
        // the time below, which lasted until now.
        state.was_ahead |= state.below_since.is_some_and(waited);
        state.below_since = match state.below_since {
            _ if index >= state.last => None,
            None => Some(now.boot_nanoseconds),
            since => since,
        };
        if !boundary || !waited(state.closed_at) {
            return None;
        }
        let candidate = index - 1;
        let ordinal = if candidate > state.last {
            candidate
        } else if state.was_ahead {
            state.last.checked_add(1)?
        } else {
            return None;
        };
        state.last = ordinal;
        state.was_ahead = false;
        state.closed_at = now.boot_nanoseconds;
        Some(ordinal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(wall_seconds: u64, boot_seconds: u64) -> Reading {
        Reading { wall_seconds, boot_nanoseconds: boot_seconds * 1_000_000_000 }
    }

    #[test]
    fn the_running_index_of_an_unproven_start_is_skipped() {
        let mut schedule = Schedule::unproven(DAY, at(10 * DAY + 5, 0));
        assert_eq!(schedule.observe(at(11 * DAY, DAY - 5)), None);
        assert_eq!(schedule.observe(at(12 * DAY - 1, 2 * DAY - 6)), None);
        assert_eq!(schedule.observe(at(12 * DAY, 2 * DAY - 5)), Some(11));
        assert_eq!(schedule.observe(at(13 * DAY, 3 * DAY - 5)), Some(12));
    }

    #[test]
    fn a_jump_over_a_boundary_does_not_close_early() {
        let mut schedule = Schedule::unproven(DAY, at(10 * DAY, 0));
        assert_eq!(schedule.observe(at(12 * DAY, DAY)), Some(11));
        // Two hours later the clock is set a day ahead: the partial epoch merges into the next.
        assert_eq!(schedule.observe(at(13 * DAY, DAY + 7200)), None);
        assert_eq!(schedule.observe(at(14 * DAY, 2 * DAY)), Some(13));
    }

    #[test]
    fn a_step_back_releases_no_index_twice() {
        let mut schedule = Schedule::unproven(DAY, at(10 * DAY, 0));
        assert_eq!(schedule.observe(at(12 * DAY, 2 * DAY)), Some(11));
        assert_eq!(schedule.observe(at(11 * DAY + 9, 2 * DAY + 9)), None);
        assert_eq!(schedule.observe(at(12 * DAY, 3 * DAY)), None);
        assert_eq!(schedule.observe(at(13 * DAY, 4 * DAY)), Some(12));
    }

    #[test]
    fn a_clock_that_was_far_ahead_does_not_mute_the_node() {
        let mut schedule = Schedule::unproven(DAY, at(4000 * DAY, 0));
        assert_eq!(schedule.observe(at(10 * DAY + 60, 60)), None);
        assert_eq!(schedule.observe(at(11 * DAY, DAY)), Some(4001));
        assert_eq!(schedule.observe(at(12 * DAY, 2 * DAY)), Some(4002));
    }

    #[test]
    fn a_clock_that_was_two_days_ahead_is_noticed_before_it_is_caught_up_with() {
        let mut schedule = Schedule::unproven(DAY, at(10 * DAY, 0));
        assert_eq!(schedule.observe(at(12 * DAY, 2 * DAY)), Some(11));
        // Set back by more than two days: below the last index for a day, then level with it.
        assert_eq!(schedule.observe(at(9 * DAY + DAY / 2, 2 * DAY + 1)), None);
        assert_eq!(schedule.observe(at(10 * DAY, 2 * DAY + DAY / 2)), None);
        assert_eq!(schedule.observe(at(11 * DAY, 3 * DAY + DAY / 2)), Some(12));
    }

    /// What is told of the next close is what happens, however a schedule begins.
    #[test]
    fn the_next_close_is_told_to_the_second() {
        let seconds = [10 * DAY, 10 * DAY + 1, 10 * DAY + DAY / 2, 11 * DAY - 1];
        for wall in seconds {
            for same_boot in [true, false] {
                let mut first = Schedule::unproven(DAY, at(wall, 60));
                let told = first.next_close_seconds(at(wall, 60));
                let closed = (wall..).find(|now| first.observe(at(*now, 60 + now - wall)).is_some());
                assert_eq!(closed, Some(told), "a first start at {wall}");
                let after = at(told + 5000, 100);
                let boot = if same_boot { 60 + told + 5000 - wall } else { 100 };
                let now = Reading { boot_nanoseconds: boot * 1_000_000_000, ..after };
                let mut next = Schedule::resumed(first.state(), DAY, now, same_boot);
                let promised = next.next_close_seconds(now);
                let closed = (now.wall_seconds..)
                    .find(|wall| next.observe(at(*wall, boot + wall - told - 5000)).is_some());
                assert_eq!(closed, Some(promised), "resumed, in the same boot: {same_boot}");
            }
        }
    }

    #[test]
    fn a_suspend_over_several_epochs_closes_once() {
        let mut schedule = Schedule::unproven(DAY, at(10 * DAY, 0));
        assert_eq!(schedule.observe(at(15 * DAY + 3, 5 * DAY + 3)), Some(14));
        assert_eq!(schedule.observe(at(15 * DAY + 4, 5 * DAY + 4)), None);
    }
}
