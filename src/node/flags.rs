//! The flags of a node: when a tick ends, what is kept of them, what is told.
//!
//! A tick ends by the boot clock alone, and begins anew at each close and start: what passed moves none. What is
//! told changes at a publication, for all accounts at once.

use super::saved::SavedFlags;
use crate::clock::Reading;
use crate::meter::flag_counts::FlagCounts;
use crate::meter::flags::baseline::Baseline;
use crate::meter::flags::kind::Kinds;
use crate::meter::flags::watch::{Verdict, Watch, WatchState};
use crate::meter::ledger::Ledger;
use crate::meter::policy::Policy;
use crate::meter::slot::Slot;

/// The flags of a node.
pub(super) struct Flags {
    watch: Watch,
    epoch_seconds: u64,
    tick_nanoseconds: u64,
    /// Boot clock when the running tick began.
    tick_began_at: u64,
}

impl Flags {
    /// Flags that go on with what was saved, where it was learned from epochs of the same length; none where the
    /// policy raises none. The first tick begins with the first look at the clock after this: while a roster is read,
    /// which takes as much memory, nothing is judged.
    pub(super) fn begun(
        policy: &Policy,
        ledger: &Ledger,
        saved: Option<SavedFlags>,
        baselines: Vec<Baseline>,
        now: Reading,
    ) -> Option<Self> {
        let flagging = policy.flags?;
        let saved = saved.filter(|saved| saved.epoch_seconds == policy.epoch_seconds);
        let (state, baselines) = match saved {
            Some(saved) => (saved.state, baselines),
            None => (WatchState::default(), Vec::new()),
        };
        let accounts = ledger.slots() - Slot::FIRST_ACCOUNT.index();
        let rates = flagging.rates(policy.epoch_seconds);
        let watch = Watch::resumed(&rates, flagging.mass_event_millionths, baselines, accounts, state);
        Some(Self {
            watch,
            epoch_seconds: policy.epoch_seconds,
            tick_nanoseconds: flagging.tick_nanoseconds,
            tick_began_at: now.boot_nanoseconds,
        })
    }

    /// Forgets the account of a slot.
    pub(super) fn forget(&mut self, slot: Slot) {
        if let Some(index) = position(slot) {
            self.watch.forget(index);
        }
    }

    /// True where a tick has lasted for long enough.
    pub(super) fn is_due(&self, now: Reading) -> bool {
        now.boot_nanoseconds.saturating_sub(self.tick_began_at) >= self.tick_nanoseconds
    }

    /// Ends the running tick, if it is due, and begins the first. However late it is, it is one tick.
    pub(super) fn end_tick(&mut self, ledger: &mut Ledger, now: Reading) {
        ledger.begin_ticks();
        if self.is_due(now) {
            self.watch.tick(|index| ledger.end_tick(account_at(index)));
            let lasted = now.boot_nanoseconds.saturating_sub(self.tick_began_at);
            let late = lasted % self.tick_nanoseconds.max(1);
            self.tick_began_at = now.boot_nanoseconds - late;
        }
    }

    /// Ends the epoch, and its last tick with it.
    pub(super) fn close(&mut self, ledger: &mut Ledger, now: Reading) -> FlagCounts {
        self.watch.tick(|index| ledger.end_tick(account_at(index)));
        self.tick_began_at = now.boot_nanoseconds;
        self.watch.close(|index| ledger.epoch_of_ticks(account_at(index)))
    }

    /// From now on the flags of the last close are told.
    pub(super) fn tell(&mut self) {
        self.watch.tell();
    }

    /// What to save besides the baselines.
    pub(super) fn saved(&self) -> SavedFlags {
        SavedFlags { epoch_seconds: self.epoch_seconds, state: *self.watch.state() }
    }

    /// What is usual for the account of a slot, and its flags.
    pub(super) fn baseline(&self, slot: Slot) -> Option<&Baseline> {
        self.watch.baseline(position(slot)?)
    }

    /// What is known of an account that was never used.
    pub(super) fn new_baseline(&self) -> Baseline {
        self.watch.new_baseline()
    }

    /// What the node itself was, as of the last publication.
    pub(super) fn verdict(&self) -> Verdict {
        self.watch.state().told
    }

    /// Slots whose account carries a flag, and what the node itself was, as of the last publication.
    pub(super) fn flagged(&self) -> (Verdict, Vec<(Slot, Kinds)>) {
        let told = self.verdict();
        let slots = self.watch.flagged().filter(|_| !told.mass_event);
        (told, slots.map(|(index, kinds)| (account_at(index), kinds)).collect())
    }
}

fn position(slot: Slot) -> Option<usize> {
    slot.index().checked_sub(Slot::FIRST_ACCOUNT.index())
}

fn account_at(position: usize) -> Slot {
    Slot::new(u32::try_from(Slot::FIRST_ACCOUNT.index() + position).unwrap_or(u32::MAX))
}
