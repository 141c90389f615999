//! How often staff may look up and export accounts: a pure function of clock readings and requests.
//!
//! Holds, for the running day, how much each member of staff has asked; for the running week, the
//! keyed marks of the accounts that were exported; and two counts since the period began. No name of
//! an account, no time: a mark says "in this week" and is gone with it. An account that nobody knows
//! is held to the same limits as any other, so no refusal tells who exists.
//!
//! A minute, a day or a week ends when the wall clock shows another index *and* 0.9 of its length has
//! passed in boot clock, or when its whole length has: a clock that is stepped gives nothing away,
//! and one that stands still locks nobody out. Time in other boots counts as far as it was saved.

use crate::clock::Reading;
use crate::meter::policy::{DAY_SECONDS, LookUps};
use crate::meter::tags::Tag;

const MINUTE_SECONDS: u64 = 60;
const WEEK_SECONDS: u64 = 7 * DAY_SECONDS;

/// A minute, a day or a week that runs.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Wall index when it began.
    pub index: u64,
    /// Boot clock that has passed in it.
    pub elapsed_nanoseconds: u64,
}

/// What one member of staff has asked.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Staff {
    /// User id.
    pub uid: u32,
    /// Look-ups in the running minute.
    pub shown_this_minute: u8,
    /// Look-ups in the running day.
    pub shown_today: u8,
    /// Exports in the running day.
    pub exported_today: u8,
}

/// What is kept for the limits.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RateLimitState {
    /// Boot clock at the last look at it.
    pub seen_at: u64,
    /// The running minute.
    pub minute: Window,
    /// The running day.
    pub day: Window,
    /// The running week.
    pub week: Window,
    /// Who has asked today, by user id: their order tells nothing. At most [`STAFF`].
    pub staff: Vec<Staff>,
    /// Marks of what was exported in the running week, sorted: their order tells nothing. At most
    /// [`EXPORTED`].
    pub exported: Vec<u64>,
    /// Look-ups of bands since the period began.
    pub look_ups: u64,
    /// Exports since the period began.
    pub exports: u64,
}

/// Room for members of staff.
pub const STAFF: usize = LookUps::STANDARD.staff_a_day as usize;

/// Room for exported accounts.
pub const EXPORTED: usize = LookUps::STANDARD.exported_a_week as usize;

/// A limit that stands in the way. Tells when it is over, in words that are the same for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Look-ups in a minute.
    #[error("each member of staff may look up {0} accounts a minute; ask again in the next minute")]
    ShownAMinute(u8),
    /// Look-ups in a day.
    #[error("each member of staff may look up {0} accounts a day; ask again tomorrow, UTC")]
    ShownADay(u8),
    /// Exports in a day.
    #[error("each officer may export {0} accounts a day; ask again tomorrow, UTC")]
    ExportedADay(u8),
    /// This account's export of the week.
    #[error("an account may be exported once a week; ask again from the next Thursday on, 00:00 UTC")]
    ExportedAWeek,
    /// All exports of the week.
    #[error("a node exports {0} accounts a week; ask again from the next Thursday on, 00:00 UTC")]
    WeekFull(u16),
    /// Too many members of staff.
    #[error("{0} members of staff have asked today, and there is no room for more; ask again tomorrow, UTC")]
    StaffFull(u8),
}

/// The limits in force, and what was asked.
pub struct RateLimits {
    allowed: Option<LookUps>,
    state: RateLimitState,
}

impl RateLimits {
    /// Limits of a node that remembers nothing: everything begins now.
    #[must_use]
    pub fn begun(allowed: Option<LookUps>, now: Reading) -> Self {
        let window = |seconds: u64| Window { index: now.wall_seconds / seconds, elapsed_nanoseconds: 0 };
        let state = RateLimitState {
            seen_at: now.boot_nanoseconds,
            minute: window(MINUTE_SECONDS),
            day: window(DAY_SECONDS),
            week: window(WEEK_SECONDS),
            ..RateLimitState::default()
        };
        Self { allowed, state }
    }

    /// Limits that go on from a save. What passed since is known in the same boot only.
    #[must_use]
    pub fn resumed(allowed: Option<LookUps>, state: RateLimitState, now: Reading, same_boot: bool) -> Self {
        let seen_at = if same_boot { state.seen_at } else { now.boot_nanoseconds };
        Self { allowed, state: RateLimitState { seen_at, ..state } }
    }

    /// What is to be kept.
    #[must_use]
    pub fn state(&self) -> &RateLimitState {
        &self.state
    }

    /// Lets time pass: what belongs to a minute, a day or a week that is over is forgotten.
    pub fn observe(&mut self, now: Reading) {
        let state = &mut self.state;
        let passed = now.boot_nanoseconds.saturating_sub(state.seen_at);
        state.seen_at = now.boot_nanoseconds;
        if state.minute.is_over(now, passed, MINUTE_SECONDS) {
            for member in &mut state.staff {
                member.shown_this_minute = 0;
            }
        }
        if state.day.is_over(now, passed, DAY_SECONDS) {
            state.staff.clear();
        }
        if state.week.is_over(now, passed, WEEK_SECONDS) {
            state.exported.clear();
        }
    }

    /// Begins the counts anew: a period ended.
    pub fn begin_period(&mut self) {
        self.state.look_ups = 0;
        self.state.exports = 0;
    }

    /// Takes note of a look-up by this user, if it is within the limits.
    ///
    /// # Errors
    /// The limit that stands in the way; a refused look-up does not count.
    pub fn look_up(&mut self, uid: u32) -> Result<(), Limit> {
        if let Some(allowed) = self.allowed {
            let member = self.member(uid, allowed)?;
            if member.shown_today >= allowed.shown_a_day {
                return Err(Limit::ShownADay(allowed.shown_a_day));
            }
            if member.shown_this_minute >= allowed.shown_a_minute {
                return Err(Limit::ShownAMinute(allowed.shown_a_minute));
            }
            let (shown_this_minute, shown_today) = (member.shown_this_minute + 1, member.shown_today + 1);
            self.keep(Staff { shown_this_minute, shown_today, ..member });
        }
        self.state.look_ups = self.state.look_ups.saturating_add(1);
        Ok(())
    }

    /// Whether this user may export this account now. What depends on the account is asked last.
    ///
    /// # Errors
    /// The limit that stands in the way.
    pub fn may_export(&self, uid: u32, account: Tag) -> Result<(), Limit> {
        let Some(allowed) = self.allowed else { return Ok(()) };
        if self.member(uid, allowed)?.exported_today >= allowed.exported_a_day {
            return Err(Limit::ExportedADay(allowed.exported_a_day));
        }
        if self.state.exported.len() >= usize::from(allowed.exported_a_week) {
            return Err(Limit::WeekFull(allowed.exported_a_week));
        }
        match self.state.exported.binary_search(&account.mark()) {
            Ok(_) => Err(Limit::ExportedAWeek),
            Err(_) => Ok(()),
        }
    }

    /// Takes note of an export, if it is within the limits.
    ///
    /// # Errors
    /// See [`RateLimits::may_export`]; a refused export does not count.
    pub fn export(&mut self, uid: u32, account: Tag) -> Result<(), Limit> {
        self.may_export(uid, account)?;
        if let Some(allowed) = self.allowed {
            let member = self.member(uid, allowed)?;
            self.keep(Staff { exported_today: member.exported_today + 1, ..member });
            if let Err(at) = self.state.exported.binary_search(&account.mark()) {
                self.state.exported.insert(at, account.mark());
            }
        }
        self.state.exports = self.state.exports.saturating_add(1);
        Ok(())
    }

    /// What this user has asked, or nothing yet where there is room for one more.
    fn member(&self, uid: u32, allowed: LookUps) -> Result<Staff, Limit> {
        match self.state.staff.binary_search_by_key(&uid, |member| member.uid) {
            Ok(at) => Ok(self.state.staff[at]),
            Err(_) if self.state.staff.len() < usize::from(allowed.staff_a_day) => {
                Ok(Staff { uid, ..Staff::default() })
            }
            Err(_) => Err(Limit::StaffFull(allowed.staff_a_day)),
        }
    }

    fn keep(&mut self, member: Staff) {
        match self.state.staff.binary_search_by_key(&member.uid, |known| known.uid) {
            Ok(at) => self.state.staff[at] = member,
            Err(at) => self.state.staff.insert(at, member),
        }
    }
}

impl Window {
    /// Lets boot clock pass; true when the window is over and another has begun.
    fn is_over(&mut self, now: Reading, passed: u64, length_seconds: u64) -> bool {
        self.elapsed_nanoseconds = self.elapsed_nanoseconds.saturating_add(passed);
        let index = now.wall_seconds / length_seconds;
        let is_over = self.elapsed_nanoseconds >= length_seconds * 1_000_000_000
            || index != self.index && self.elapsed_nanoseconds >= length_seconds * 900_000_000;
        if is_over {
            *self = Self { index, elapsed_nanoseconds: 0 };
        }
        is_over
    }
}

#[cfg(test)]
mod tests;
