//! The state machine of one node: ledger, epochs, bands, the schedule of closes, rate limits.
//!
//! Driven by clock readings and randomness that are passed in, so that a simulated clock drives the same
//! code in tests as the system's clock does in the daemon. Knows only slots: no account name, no address.

mod added;
mod asked;
pub mod audit;
mod collected;
mod flagged;
mod flags;
pub mod pending;
pub mod rate_limits;
pub mod refreshed;
mod rights;
pub mod saved;
pub mod schedule;
pub mod shares;
mod told;

use crate::clock::{Clock, Reading};
use crate::meter::band::Band;
use crate::meter::calendar::BandDates;
use crate::meter::counters::Counters;
use crate::meter::epoch::Epochs;
use crate::meter::flag_counts::FlagCounts;
use crate::meter::flags::baseline::Baseline;
use crate::meter::ledger::{Ledger, SavedEntry, SinceSave, SlotEntry};
use crate::meter::noise::Randomness;
use crate::meter::policy::Policy;
use crate::meter::release::Release;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::meter::units::Totals;
use flags::Flags;
use rate_limits::RateLimits;
use refreshed::Refreshed;
use saved::{Head, Record, Rights, bases};
use schedule::Schedule;
use shares::Shares;

/// The result of a tick of the clock.
pub enum Tick {
    /// Nothing.
    Quiet,
    /// The open epoch was sealed; `period_ended` when it was the last of its period.
    Sealed {
        /// True when the period's totals were reset to zero.
        period_ended: bool,
    },
    /// The epoch could not be closed: its ordinal was already used. A bug, since the schedule forbids it.
    Refused,
    /// The sealed epoch must be published now.
    Released(Release),
}

/// One node, on a clock and a source of randomness.
pub struct Node<C, R> {
    clock: C,
    randomness: R,
    ledger: Ledger,
    epochs: Epochs,
    schedule: Schedule,
    bands: Vec<Band>,
    /// What the bands are of.
    dates: BandDates,
    refresh_index: u64,
    /// Boot clock at the last refresh, or at the start.
    refreshed_at: u64,
    period_index: u64,
    /// Boot clock when the period began, or at the start.
    period_began_at: u64,
    limits: RateLimits,
    rights: Rights,
    publish_at: Option<u64>,
    /// The sealed release is in the store.
    durable: bool,
    /// True when a release must be in a store before it is served.
    keeps: bool,
    /// For each slot, what its counter read at the last save before the start; until the first close.
    /// Empty if nothing was counted between them.
    bases: Vec<Totals>,
    /// Log-ins that failed in the open epoch, as far as this process was told.
    failed_log_ins: u64,
    /// None where flags are off.
    flags: Option<Flags>,
    /// What bands were refreshed from, for a fleet; none outside of one.
    refreshed: Option<Refreshed>,
    /// What is added to a fleet's epochs.
    shares: Shares,
}

/// What was saved of each slot: entries, readings, bands, and the baselines of the accounts.
pub type SavedSlots = (Vec<SlotEntry>, Vec<Totals>, Vec<Band>, Vec<Baseline>);

impl<C: Clock, R: Randomness> Node<C, R> {
    /// A node that remembers nothing of earlier runs: the current epoch index is barred.
    pub fn forgetful(policy: Policy, counters: Counters, clock: C, randomness: R) -> Self {
        let now = clock.now();
        let ledger = Ledger::new(counters);
        let flags = Flags::begun(&policy, &ledger, None, Vec::new(), now);
        let schedule = Schedule::unproven(policy.epoch_seconds, now);
        let refresh_index = now.wall_seconds / policy.refresh_seconds;
        let period_index = now.wall_seconds / policy.period_seconds;
        Self {
            bands: vec![Band::default(); ledger.slots()],
            dates: BandDates::under(&policy, refresh_index, period_index),
            epochs: Epochs::new(policy, schedule.last()),
            refresh_index,
            period_index,
            refreshed_at: now.boot_nanoseconds,
            period_began_at: now.boot_nanoseconds,
            limits: RateLimits::begun(policy.profile.look_ups(), now),
            rights: Rights::default(),
            publish_at: None,
            durable: false,
            keeps: false,
            bases: Vec::new(),
            failed_log_ins: 0,
            flags,
            refreshed: None,
            shares: Shares::default(),
            clock,
            randomness,
            ledger,
            schedule,
        }
    }

    /// A node that resumes from a save: what was released is known, and nothing is barred. `slots` is what
    /// was saved of each slot, `since` what became of it: of a slot and its reading at the save.
    pub fn resumed(
        policy: Policy,
        counters: Counters,
        clock: C,
        randomness: R,
        head: &Head,
        slots: SavedSlots,
        since: impl Fn(Slot, Totals) -> SinceSave,
    ) -> Self {
        let now = clock.now();
        let same_boot = clock.boot() == head.boot;
        let (entries, mut readings, mut bands, baselines) = slots;
        readings.resize(counters.slots(), Totals::default());
        let ledger = Ledger::resumed(counters, entries, &readings, &since);
        let mut flags = Flags::begun(&policy, &ledger, head.flags, baselines, now);
        let bases = bases(readings, since, |slot| flags.iter_mut().for_each(|flags| flags.forget(slot)));
        bands.resize(ledger.slots(), Band::default());
        // In another boot the marks start afresh.
        let mark = |at: u64| if same_boot { at } else { now.boot_nanoseconds };
        let publish_at =
            head.publish_at.map(|at| if same_boot { at } else { due(head.sealed, &policy, now) });
        let mut node = Self {
            bands,
            dates: if head.dates == BandDates::default() {
                // Early builds did not save them.
                BandDates::under(&policy, head.refresh_index, head.period_index)
            } else {
                head.dates
            },
            epochs: Epochs::resumed(policy, head.schedule.last, head.sealed, head.released, head.carry),
            schedule: Schedule::resumed(head.schedule, policy.epoch_seconds, now, same_boot),
            refresh_index: head.refresh_index,
            refreshed_at: mark(head.refreshed_at),
            period_index: head.period_index,
            period_began_at: mark(head.period_began_at),
            limits: RateLimits::resumed(policy.profile.look_ups(), head.limits.clone(), now, same_boot),
            rights: head.rights.clone(),
            publish_at,
            durable: true,
            keeps: true,
            bases,
            failed_log_ins: 0,
            flags,
            refreshed: None,
            shares: head.shares.clone().under(policy.number()),
            clock,
            randomness,
            ledger,
        };
        // It may already have been served: nobody must see the one before it again.
        if publish_at.is_some_and(|at| at <= now.boot_nanoseconds) {
            node.publish_at = None;
            node.epochs.publish();
            node.flags.iter_mut().for_each(Flags::tell);
        }
        node
    }

    /// The same node, which serves a release only after [`Node::saved`] reports a save that holds it.
    #[must_use]
    pub fn keeping(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// The same node, counting from these readings: an earlier process ended before its first save.
    #[must_use]
    pub fn counting_from(mut self, counters: Counters, base: impl Fn(Slot) -> Totals) -> Self {
        let since = |slot, _| SinceSave { base: Some(base(slot)), reassigned: false };
        self.ledger = Ledger::resumed(counters, Vec::new(), &[], since);
        self
    }

    /// What to save of the node itself. `memory` identifies the counters' memory.
    pub fn head(&self, memory: [u8; 16]) -> Head {
        Head {
            memory,
            boot: self.clock.boot(),
            schedule: self.schedule.state(),
            publish_at: self.publish_at,
            dates: self.dates,
            sealed: self.epochs.sealed(),
            released: self.epochs.released(),
            refresh_index: self.refresh_index,
            refreshed_at: self.refreshed_at,
            period_index: self.period_index,
            period_began_at: self.period_began_at,
            carry: self.epochs.carry(),
            interfaces: None,
            is_last: false,
            limits: self.limits.state().clone(),
            flags: self.flags.as_ref().map(Flags::saved),
            rights: self.rights.clone(),
            shares: self.shares.clone(),
        }
    }

    /// What to save of a slot.
    pub fn record(&self, slot: Slot, tag: Tag) -> Record {
        let SavedEntry { entry, reading } = self.ledger.saved(slot);
        let (band, baseline) = (self.band(slot), self.baseline(slot).copied());
        Record { tag, period: entry.period, mark: entry.mark, reading, band, baseline }
    }

    /// Notes that a save with the state since the last close succeeded.
    pub fn saved(&mut self) {
        self.durable = true;
    }

    /// Moves what a slot counted since the last save before the start to "unattributed". After the first
    /// close it moves nothing: what was counted has been released.
    pub fn unattribute(&mut self, slot: Slot) {
        if let Some(base) = self.bases.get(slot.index()) {
            self.ledger.unattribute(slot, *base);
        }
    }

    /// True when the next tick closes the open epoch, unless it becomes due just then.
    pub fn is_about_to_close(&self) -> bool {
        let now = self.clock.now();
        let is_open = match self.publish_at {
            Some(at) => now.boot_nanoseconds >= at && self.keeps && !self.durable,
            None => true,
        };
        is_open && self.schedule.clone().observe(now).is_some()
    }

    /// So many more log-ins failed in the open epoch. A process that ends forgets those of the epoch that is open then.
    pub fn log_ins_failed(&mut self, count: u64) {
        self.failed_log_ins = self.failed_log_ins.saturating_add(count);
    }

    /// Reads the clocks, and closes or publishes what is due.
    pub fn tick(&mut self) -> Tick {
        let now = self.clock.now();
        self.limits.observe(now);
        self.observe_rights(now);
        self.flags.iter_mut().for_each(|flags| flags.end_tick(&mut self.ledger, now));
        match self.publish_at {
            Some(at) if now.boot_nanoseconds < at => return Tick::Quiet,
            // What cannot be made durable is not served; the next close replaces it, and in noisy mode
            // includes what it held.
            Some(_) if self.keeps && !self.durable => {}
            Some(_) => {
                self.publish_at = None;
                self.flags.iter_mut().for_each(Flags::tell);
                return self.epochs.publish().map_or(Tick::Quiet, Tick::Released);
            }
            None => {}
        }
        let Some(ordinal) = self.schedule.observe(now) else { return Tick::Quiet };
        let close = |flags: &mut Flags| flags.close(&mut self.ledger, now);
        let raised = self.flags.as_mut().map(close).unwrap_or_default();
        let raised = FlagCounts { failed_attempts: std::mem::take(&mut self.failed_log_ins), ..raised };
        if self.epochs.seal(ordinal, &mut self.ledger, &raised, &mut self.randomness).is_err() {
            return Tick::Refused;
        }
        self.add_share(ordinal);
        self.durable = false;
        self.bases = Vec::new();
        self.publish_at = Some(now.boot_nanoseconds.saturating_add(self.epochs.policy().delay_nanoseconds()));
        Tick::Sealed { period_ended: self.roll(now) }
    }

    /// After a close: refreshes all bands at once, then begins a new period, if due.
    ///
    /// A refresh needs a new index and 0.9 of its interval in boot clock since the last one or the start;
    /// otherwise it waits for the next index. A clock that is stepped makes no daily bands.
    /// A period ends when its index rises. A step back does not end it, but no period lasts longer than
    /// its length in boot clock, so nothing is held for longer than that.
    fn roll(&mut self, now: Reading) -> bool {
        let policy = *self.epochs.policy();
        let elapsed = |since: u64| now.boot_nanoseconds.saturating_sub(since);
        let refresh_index = now.wall_seconds / policy.refresh_seconds;
        if refresh_index != self.refresh_index {
            self.refresh_index = refresh_index;
            if elapsed(self.refreshed_at) >= policy.refresh_seconds.saturating_mul(900_000_000) {
                self.refreshed_at = now.boot_nanoseconds;
                self.dates = BandDates::under(&policy, refresh_index, self.period_index);
                self.refresh();
            }
        }
        let period_index = now.wall_seconds / policy.period_seconds;
        let length = policy.period_seconds.saturating_mul(1_000_000_000);
        let ended = period_index > self.period_index || elapsed(self.period_began_at) >= length;
        if ended {
            self.period_index = period_index;
            self.period_began_at = now.boot_nanoseconds;
            self.limits.begin_period();
            self.ledger.begin_period();
        }
        ended
    }

    fn refresh(&mut self) {
        self.collect();
        for (index, band) in self.bands.iter_mut().enumerate() {
            let slot = slot_at(index);
            *band = Band::of(self.ledger.period(slot).bytes());
        }
    }

    /// Forgets what is held of slots, but for the open epoch: a close frees them for other accounts, or theirs is erased.
    pub fn forget(&mut self, slots: &[Slot]) {
        for slot in slots {
            self.ledger.forget(*slot);
            if let Some(band) = self.bands.get_mut(slot.index()) {
                *band = Band::default();
            }
            self.flags.iter_mut().for_each(|flags| flags.forget(*slot));
        }
    }
}

/// When a release sealed in another boot is due, in this boot's clock: after the usual delay from the end
/// of its epoch by the wall clock, and no later than that delay from now.
fn due(sealed: Option<Release>, policy: &Policy, now: Reading) -> u64 {
    let end = sealed.map_or(0, |release| release.ordinal().saturating_add(1));
    let end = end.saturating_mul(policy.epoch_seconds).saturating_mul(1_000_000_000);
    let wall = now.wall_seconds.saturating_mul(1_000_000_000);
    let left = end.saturating_add(policy.delay_nanoseconds()).saturating_sub(wall);
    now.boot_nanoseconds.saturating_add(left.min(policy.delay_nanoseconds()))
}

fn slot_at(index: usize) -> Slot {
    Slot::new(u32::try_from(index).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::rate_limits::Figures;
    use super::*;
    use crate::meter::policy::DAY_SECONDS;
    use crate::meter::slot::Direction;
    use std::cell::Cell;
    use std::rc::Rc;

    pub(super) const SLOT: Slot = Slot::FIRST_ACCOUNT;
    const GIB: u64 = 1 << 30;

    #[derive(Clone)]
    pub(super) struct SetClock(Rc<Cell<Reading>>);
    impl Clock for SetClock {
        fn now(&self) -> Reading {
            self.0.get()
        }
        fn boot(&self) -> [u8; 16] {
            [1; 16]
        }
    }

    /// Randomness that no test here looks at: any but a constant, which the sampler may wait on for ever.
    pub(super) struct Rising(u64);
    impl Randomness for Rising {
        fn next_word(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            self.0
        }
    }

    /// A node whose clock is at the beginning of a period, and is stepped by hand.
    pub(super) struct Stepped {
        pub(super) node: Node<SetClock, Rising>,
        clock: SetClock,
        counters: Counters,
    }

    impl Stepped {
        pub(super) fn new() -> Self {
            let wall_seconds = 28 * DAY_SECONDS * 700;
            let clock = SetClock(Rc::new(Cell::new(Reading { wall_seconds, boot_nanoseconds: 0 })));
            let counters = Counters::in_memory(2);
            let node = Node::forgetful(Policy::DEFAULT, counters, clock.clone(), Rising(0));
            Self { node, clock, counters }
        }

        /// Steps the clock by this many days, then lets a real day pass with 2 GiB; true when a period
        /// ended.
        pub(super) fn day(&mut self, set_days: i64) -> bool {
            let mut now = self.clock.0.get();
            let step = set_days * DAY_SECONDS.cast_signed();
            now.wall_seconds = now.wall_seconds.saturating_add_signed(step);
            let mut ended = false;
            self.counters.add(SLOT, Direction::Up, 2 * GIB, 1);
            for _ in 0..24 {
                now.wall_seconds += 3600;
                now.boot_nanoseconds += 3600 * 1_000_000_000;
                self.clock.0.set(now);
                while let Tick::Sealed { period_ended } = self.node.tick() {
                    ended |= period_ended;
                }
            }
            ended
        }

        pub(super) fn band_bytes(&self) -> u64 {
            self.node.band(SLOT).at_least_bytes()
        }
    }

    #[test]
    fn bands_are_refreshed_once_a_week() {
        let mut stepped = Stepped::new();
        let mut changes = 0;
        for _ in 0..27 {
            let before = stepped.band_bytes();
            stepped.day(0);
            changes += u32::from(stepped.band_bytes() != before);
        }
        assert_eq!(changes, 3);
    }

    #[test]
    fn a_clock_that_is_stepped_makes_no_daily_bands() {
        let mut stepped = Stepped::new();
        let mut changes = 0;
        for day in 0..12 {
            let before = stepped.band_bytes();
            stepped.day(if day % 2 == 0 { 7 } else { -7 });
            changes += u32::from(stepped.band_bytes() != before);
        }
        assert!(changes <= 2, "{changes} changes in twelve days");
    }

    #[test]
    fn a_step_back_ends_no_period_and_none_outlives_its_length() {
        let mut stepped = Stepped::new();
        assert!(!stepped.day(0) && !stepped.day(-40));
        let ended = (0..40).filter(|_| stepped.day(0)).count();
        assert!(ended >= 1, "the period ended in the end");
    }

    #[test]
    fn counts_of_look_ups_and_exports_begin_anew_with_the_period() {
        let mut stepped = Stepped::new();
        stepped.day(0);
        assert!(stepped.node.look_up(7).is_ok() && stepped.node.look_up(8).is_ok());
        assert!(stepped.node.export(7, Tag([1; 16]), Figures::default()).is_ok());
        assert_eq!(stepped.node.asked(), (2, 1));
        assert_eq!(stepped.node.head([0; 16]).limits.exports, 1);
        while !stepped.day(0) {
            assert_eq!(stepped.node.asked(), (2, 1));
        }
        assert_eq!(stepped.node.asked(), (0, 0));
        // What was asked today and this week is forgotten in time, even if nobody asks again.
        let limits = stepped.node.head([0; 16]).limits;
        assert!(limits.lookers.is_empty() && limits.officers.is_empty() && limits.exported.is_empty());
    }
}
