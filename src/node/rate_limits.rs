//! How often staff may look up and export accounts: a pure function of clock readings and requests.
//!
//! Holds what each member of support has asked today and each officer this week, keyed marks of the accounts
//! exported this week, the figures of today's exports, and two counts since the period began. Each role has a
//! budget for the node, and each member a share of it that no other can use up. No account name, no time: a mark
//! means "this week" and is dropped with the week, figures mean "today". The same limits apply to unknown accounts,
//! so a refusal never reveals who exists.
//!
//! Who asks again on the day gets the figures of the first export, so that a forgotten option costs no week, and
//! a second look at a live counter is none.
//!
//! A minute, day or week ends when the wall clock shows another index *and* 0.9 of its length has passed
//! in boot clock, or when its whole length has: stepping the clock gains nothing, and a stopped clock
//! locks nobody out. Time in other boots counts as far as it was saved.

use crate::clock::Reading;
use crate::meter::policy::{DAY_SECONDS, LookUps};
use crate::meter::tags::Tag;
use crate::meter::units::Totals;

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

/// What a member of support has asked.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Looker {
    /// User id.
    pub uid: u32,
    /// Look-ups in the current minute.
    pub shown_this_minute: u8,
    /// Look-ups in the current day.
    pub shown_today: u8,
}

/// What a privacy officer has asked.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Officer {
    /// User id.
    pub uid: u32,
    /// Exports in the current day, of accounts and of the node.
    pub exported_today: u8,
    /// Exports of accounts in the current week.
    pub exported_this_week: u8,
    /// Exports that were only planned, in the current day.
    pub planned_today: u8,
    /// Corrections and erasures in the current day.
    pub changed_today: u8,
}

/// What was exported of an account: the period's closed epochs, and the open one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sum of the period's closed epochs.
    pub period: Totals,
    /// The open epoch.
    pub open: Totals,
}

/// An export of today.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct FirstExport {
    /// The mark of the account.
    pub mark: u64,
    /// The officer, who alone gets the figures again.
    pub uid: u32,
    /// What was answered.
    pub figures: Figures,
}

/// What an export would use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: there is no limit.
    Free,
    /// Nothing: it repeats the officer's first export of the day.
    Repeats,
    /// The account's export of the week, and one of so many that the officer has left today.
    First(u8),
    /// Nothing: it would be refused.
    Refused(Limit),
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
    /// Who of support has asked today, sorted by user id so that the order reveals nothing. At most [`LOOKERS`].
    pub lookers: Vec<Looker>,
    /// Which officers have exported this week, sorted alike. At most [`OFFICERS`].
    pub officers: Vec<Officer>,
    /// Marks of what was exported this week, sorted so that the order reveals nothing. At most
    /// [`EXPORTED`].
    pub exported: Vec<u64>,
    /// Figures of the exports of the current day, sorted by mark. At most [`FIRST_EXPORTS`].
    pub first_exports: Vec<FirstExport>,
    /// Look-ups of bands since the period began.
    pub look_ups: u64,
    /// Exports since the period began.
    pub exports: u64,
}

/// Room for members of support.
pub const LOOKERS: usize = LookUps::STANDARD.support_a_day as usize;

/// Room for privacy officers.
pub const OFFICERS: usize = LookUps::STANDARD.officers_a_week as usize;

/// Room for exported accounts.
pub const EXPORTED: usize = LookUps::STANDARD.exported_by_all_a_week as usize
    + OFFICERS * LookUps::STANDARD.own_exported_a_week as usize;

/// Room for figures of today's exports: twelve officers at their limit. An export beyond is answered, and cannot be
/// repeated.
pub const FIRST_EXPORTS: usize = 12 * LookUps::STANDARD.exported_a_day as usize;

/// A limit that is reached. Its text says when it ends, and is the same for everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Look-ups in a minute.
    #[error("each user may look up {0} accounts a minute; try again in a minute")]
    ShownAMinute(u8),
    /// Look-ups in a day.
    #[error("each user may look up {0} accounts a day; try again tomorrow (UTC)")]
    ShownADay(u8),
    /// Look-ups of all of support in a day.
    #[error("support may look up {0} accounts a day, and each user {1} more; try again tomorrow (UTC)")]
    ShownByAll(u16, u8),
    /// Exports in a day.
    #[error("each user may export {0} accounts a day; try again tomorrow (UTC)")]
    ExportedADay(u8),
    /// This account's export of the week.
    #[error("an account may be exported once a week; try again from next Thursday, 00:00 UTC")]
    ExportedAWeek,
    /// All exports of the week.
    #[error(
        "a node may export {0} accounts a week, and each user {1} more; try again from next Thursday, 00:00 UTC"
    )]
    ExportedByAll(u16, u8),
    /// Plans of exports in a day.
    #[error("each user may plan {0} exports a day; try again tomorrow (UTC)")]
    PlannedADay(u8),
    /// Corrections and erasures in a day.
    #[error("each user may correct or erase {0} accounts a day; try again tomorrow (UTC)")]
    ChangedADay(u8),
    /// Too many members of support.
    #[error("at most {0} users may look up accounts in a day; try again tomorrow (UTC)")]
    SupportFull(u16),
    /// Too many officers.
    #[error("at most {0} users may export accounts in a week; try again from next Thursday, 00:00 UTC")]
    OfficersFull(u16),
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
            state.lookers.iter_mut().for_each(|looker| looker.shown_this_minute = 0);
        }
        if state.day.is_over(now, passed, DAY_SECONDS) {
            state.lookers.clear();
            state.officers.iter_mut().for_each(|officer| {
                officer.exported_today = 0;
                officer.planned_today = 0;
                officer.changed_today = 0;
            });
            // Freed, and so wiped.
            state.first_exports = Vec::new();
        }
        if state.week.is_over(now, passed, WEEK_SECONDS) {
            state.exported.clear();
            state.officers.retain_mut(|officer| {
                officer.exported_this_week = 0;
                officer.exported_today > 0 || officer.planned_today > 0 || officer.changed_today > 0
            });
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
            let looker = self.looker(uid, allowed)?;
            if looker.shown_today >= allowed.shown_a_day {
                return Err(Limit::ShownADay(allowed.shown_a_day));
            }
            if looker.shown_this_minute >= allowed.shown_a_minute {
                return Err(Limit::ShownAMinute(allowed.shown_a_minute));
            }
            let own = allowed.own_shown_a_day;
            let by_all = beyond(own, self.state.lookers.iter().map(|looker| looker.shown_today));
            if looker.shown_today >= own && by_all >= u32::from(allowed.shown_by_all_a_day) {
                return Err(Limit::ShownByAll(allowed.shown_by_all_a_day, own));
            }
            let (shown_this_minute, shown_today) = (looker.shown_this_minute + 1, looker.shown_today + 1);
            let looker = Looker { shown_this_minute, shown_today, ..looker };
            put(&mut self.state.lookers, looker, |looker| looker.uid);
        }
        self.state.look_ups = self.state.look_ups.saturating_add(1);
        Ok(())
    }

    /// Whether this user may export this account now: none for a new export, or the figures of the user's first
    /// one of the day. Checks last what depends on the account.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn may_export(&self, uid: u32, account: Tag) -> Result<Option<Figures>, Limit> {
        let Some(allowed) = self.allowed else { return Ok(None) };
        if let Some(first) = self.first_export(uid, account) {
            return Ok(Some(first));
        }
        let officer = self.may_export_today(uid, allowed)?;
        let own = allowed.own_exported_a_week;
        let by_all = beyond(own, self.state.officers.iter().map(|officer| officer.exported_this_week));
        if officer.exported_this_week >= own && by_all >= u32::from(allowed.exported_by_all_a_week) {
            return Err(Limit::ExportedByAll(allowed.exported_by_all_a_week, own));
        }
        match self.state.exported.binary_search(&account.mark()) {
            Ok(_) => Err(Limit::ExportedAWeek),
            Err(_) => Ok(None),
        }
    }

    /// Records an export of these figures, if it is within the limits, and gives the figures to answer with: those
    /// of the user's first export of the day, where this is another.
    ///
    /// # Errors
    /// See [`RateLimits::may_export`]; a refused export does not count, and neither does a repeated one.
    pub fn export(&mut self, uid: u32, account: Tag, figures: Figures) -> Result<Figures, Limit> {
        if let Some(first) = self.may_export(uid, account)? {
            return Ok(first);
        }
        if let Some(allowed) = self.allowed {
            let officer = self.may_export_today(uid, allowed)?;
            let exported_this_week = officer.exported_this_week + 1;
            self.keep(Officer { exported_today: officer.exported_today + 1, exported_this_week, ..officer });
            let mark = account.mark();
            if let Err(at) = self.state.exported.binary_search(&mark) {
                self.state.exported.insert(at, mark);
            }
            let firsts = &mut self.state.first_exports;
            if let Err(at) = firsts.binary_search_by_key(&mark, |first| first.mark)
                && firsts.len() < FIRST_EXPORTS
            {
                firsts.insert(at, FirstExport { mark, uid, figures });
            }
        }
        self.state.exports = self.state.exports.saturating_add(1);
        Ok(figures)
    }

    /// What an export of this account by this user would use up. Uses up one of the user's plans of the day.
    ///
    /// # Errors
    /// When that is the one too many.
    pub fn plan(&mut self, uid: u32, account: Tag) -> Result<Plan, Limit> {
        let Some(allowed) = self.allowed else { return Ok(Plan::Free) };
        let officer = self.officer(uid, allowed)?;
        if officer.planned_today >= allowed.planned_a_day {
            return Err(Limit::PlannedADay(allowed.planned_a_day));
        }
        self.keep(Officer { planned_today: officer.planned_today + 1, ..officer });
        Ok(match self.may_export(uid, account) {
            Ok(Some(_)) => Plan::Repeats,
            Ok(None) => Plan::First(allowed.exported_a_day.saturating_sub(officer.exported_today)),
            Err(limit) => Plan::Refused(limit),
        })
    }

    /// Records a correction or an erasure by this user, if it is within the limits.
    ///
    /// # Errors
    /// The limit that is reached; a refused one does not count.
    pub fn change(&mut self, uid: u32) -> Result<(), Limit> {
        let Some(allowed) = self.allowed else { return Ok(()) };
        let officer = self.officer(uid, allowed)?;
        if officer.changed_today >= allowed.changed_a_day {
            return Err(Limit::ChangedADay(allowed.changed_a_day));
        }
        self.keep(Officer { changed_today: officer.changed_today + 1, ..officer });
        Ok(())
    }

    /// Forgets the figures of today's export of an account. That it was exported this week stays: erased and exported
    /// again, it would be a live counter.
    pub fn erase(&mut self, account: Tag) {
        self.state.first_exports.retain(|first| first.mark != account.mark());
    }

    /// Today's export of an account says this from now on.
    pub fn correct(&mut self, account: Tag, period: Totals) {
        let firsts = self.state.first_exports.iter_mut();
        firsts.filter(|first| first.mark == account.mark()).for_each(|first| first.figures.period = period);
    }

    /// What this user exported of this account today.
    fn first_export(&self, uid: u32, account: Tag) -> Option<Figures> {
        let firsts = &self.state.first_exports;
        let at = firsts.binary_search_by_key(&account.mark(), |first| first.mark).ok()?;
        Some(firsts[at]).filter(|first| first.uid == uid).map(|first| first.figures)
    }

    /// Records an export of the node's counts: asked again and again, they are live totals.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn export_node(&mut self, uid: u32) -> Result<(), Limit> {
        if let Some(allowed) = self.allowed {
            let officer = self.may_export_today(uid, allowed)?;
            self.keep(Officer { exported_today: officer.exported_today + 1, ..officer });
        }
        Ok(())
    }

    /// What this user of support has asked; nothing yet for a new one, if there is room.
    fn looker(&self, uid: u32, allowed: LookUps) -> Result<Looker, Limit> {
        let new = Looker { uid, ..Looker::default() };
        let found = find(&self.state.lookers, new, |looker| looker.uid, allowed.support_a_day);
        found.ok_or(Limit::SupportFull(allowed.support_a_day))
    }

    /// What this officer has asked; nothing yet for a new one, if there is room.
    fn officer(&self, uid: u32, allowed: LookUps) -> Result<Officer, Limit> {
        let new = Officer { uid, ..Officer::default() };
        let found = find(&self.state.officers, new, |officer| officer.uid, allowed.officers_a_week);
        found.ok_or(Limit::OfficersFull(allowed.officers_a_week))
    }

    /// What this officer has asked, if anything may be exported today.
    fn may_export_today(&self, uid: u32, allowed: LookUps) -> Result<Officer, Limit> {
        let officer = self.officer(uid, allowed)?;
        if officer.exported_today >= allowed.exported_a_day {
            return Err(Limit::ExportedADay(allowed.exported_a_day));
        }
        Ok(officer)
    }

    fn keep(&mut self, officer: Officer) {
        put(&mut self.state.officers, officer, |officer| officer.uid);
    }
}

/// What members have used of their role's budget, beyond each one's own share.
fn beyond(own: u8, used: impl Iterator<Item = u8>) -> u32 {
    used.map(|used| u32::from(used.saturating_sub(own))).sum()
}

/// The member of this table with the id of `new`, or `new` if there is room.
fn find<T: Copy>(table: &[T], new: T, uid: impl Fn(&T) -> u32, room: u16) -> Option<T> {
    match table.binary_search_by_key(&uid(&new), &uid) {
        Ok(at) => Some(table[at]),
        Err(_) => (table.len() < usize::from(room)).then_some(new),
    }
}

fn put<T>(table: &mut Vec<T>, member: T, uid: impl Fn(&T) -> u32) {
    match table.binary_search_by_key(&uid(&member), &uid) {
        Ok(at) => table[at] = member,
        Err(at) => table.insert(at, member),
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
