//! How often staff may look up and export accounts: a pure function of clock readings and requests.
//!
//! Holds what each member of staff has asked today, keyed marks of the accounts exported this week, and
//! two counts since the period began. No account name, no time: a mark means "this week" and is dropped
//! with the week. The same limits apply to unknown accounts, so a refusal never reveals who exists.
//!
//! A minute, day or week ends when the wall clock shows another index *and* 0.9 of its length has passed
//! in boot clock, or when its whole length has: stepping the clock gains nothing, and a stopped clock
//! locks nobody out. Time in other boots counts as far as it was saved.

use crate::clock::Reading;
use crate::meter::policy::{DAY_SECONDS, LookUps};
use crate::meter::tags::Tag;

const MINUTE_SECONDS: u64 = 60;
const WEEK_SECONDS: u64 = 7 * DAY_SECONDS;

/// The current minute, day or week.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Its wall-clock index when it began.
    pub index: u64,
    /// Boot clock time that has passed in it.
    pub elapsed_nanoseconds: u64,
}

/// What one member of staff has asked.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Staff {
    /// User id.
    pub uid: u32,
    /// Look-ups in the current minute.
    pub shown_this_minute: u8,
    /// Look-ups in the current day.
    pub shown_today: u8,
    /// Exports in the current day.
    pub exported_today: u8,
}

/// The saved state of the limits.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RateLimitState {
    /// Boot clock at the last update.
    pub seen_at: u64,
    /// The current minute.
    pub minute: Window,
    /// The current day.
    pub day: Window,
    /// The current week.
    pub week: Window,
    /// Who has asked today, sorted by user id so that the order reveals nothing. At most [`STAFF`].
    pub staff: Vec<Staff>,
    /// Marks of what was exported this week, sorted so that the order reveals nothing. At most
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

/// A limit that is reached. Its text says when it ends, and is the same for everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Look-ups in a minute.
    #[error("each user may look up {0} accounts a minute; try again in a minute")]
    ShownAMinute(u8),
    /// Look-ups in a day.
    #[error("each user may look up {0} accounts a day; try again tomorrow (UTC)")]
    ShownADay(u8),
    /// Exports in a day.
    #[error("each user may export {0} accounts a day; try again tomorrow (UTC)")]
    ExportedADay(u8),
    /// This account's export of the week.
    #[error("an account may be exported once a week; try again from next Thursday, 00:00 UTC")]
    ExportedAWeek,
    /// All exports of the week.
    #[error("a node may export {0} accounts a week; try again from next Thursday, 00:00 UTC")]
    WeekFull(u16),
    /// Too many members of staff.
    #[error("at most {0} users may look up or export accounts in a day; try again tomorrow (UTC)")]
    StaffFull(u8),
}

/// The limits in force, and what was asked.
pub struct RateLimits {
    allowed: Option<LookUps>,
    state: RateLimitState,
}

impl RateLimits {
    /// Limits of a node that remembers nothing: every window begins now.
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

    /// Limits resumed from a save. The time since then is known only in the same boot.
    #[must_use]
    pub fn resumed(allowed: Option<LookUps>, state: RateLimitState, now: Reading, same_boot: bool) -> Self {
        let seen_at = if same_boot { state.seen_at } else { now.boot_nanoseconds };
        Self { allowed, state: RateLimitState { seen_at, ..state } }
    }

    /// What to save.
    #[must_use]
    pub fn state(&self) -> &RateLimitState {
        &self.state
    }

    /// Lets time pass: forgets what belongs to a minute, day or week that is over.
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

    /// Resets the counts: a period ended.
    pub fn begin_period(&mut self) {
        self.state.look_ups = 0;
        self.state.exports = 0;
    }

    /// Records a look-up by this user, if it is within the limits.
    ///
    /// # Errors
    /// The limit that is reached; a refused look-up does not count.
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

    /// Whether this user may export this account now. Checks last what depends on the account.
    ///
    /// # Errors
    /// The limit that is reached.
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

    /// Records an export, if it is within the limits.
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

    /// What this user has asked; nothing yet for a new one, if there is room.
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
    /// Adds boot clock time; true when the window is over and the next has begun.
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
