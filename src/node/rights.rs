//! What a node does for account holders' rights: corrects, erases, notes who did what, and holds what waits for a
//! second officer.
//!
//! Knows slots and tags. What an account had in the open epoch when it was erased is in no release and in no total.

use super::Node;
use super::audit::{Deed, Entry, Reason};
use super::pending::{Full, Pending, Wanted};
use super::rate_limits::Limit;
use crate::clock::{Clock, Reading};
use crate::meter::calendar::Day;
use crate::meter::noise::Randomness;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use crate::meter::units::Totals;

impl<C: Clock, R: Randomness> Node<C, R> {
    /// Forgets everything that is held about the account of this tag: totals, the open epoch, the running tick, the
    /// band, what is usual for it, its flags, today's export. In its slot, if it has one, it goes on from zero.
    pub fn erase(&mut self, slot: Option<Slot>, account: Tag) {
        self.limits.erase(account);
        let Some(slot) = slot else { return };
        self.forget(&[slot]);
        let reading = self.ledger.erase(slot);
        if let Some(base) = self.bases.get_mut(slot.index()) {
            *base = reading;
        }
    }

    /// Sets the bytes of the account's closed epochs, if it has any. Its band follows at the next refresh.
    pub fn correct(&mut self, slot: Option<Slot>, account: Tag, up: u64, down: u64) {
        let after = match slot {
            Some(slot) => {
                self.ledger.correct(slot, up, down);
                self.ledger.period(slot)
            }
            None => Totals::default(),
        };
        self.limits.correct(account, after);
    }

    /// Records that this user corrects or erases an account.
    ///
    /// # Errors
    /// The limit that is reached; then nothing must be changed.
    pub fn change(&mut self, who: u32) -> Result<(), Limit> {
        self.limits.observe(self.clock.now());
        self.limits.change(who)
    }

    /// Notes what a member of staff did.
    pub fn note(&mut self, who: u32, deed: Deed, reason: Option<Reason>) {
        let today = self.today().number();
        self.rights.audit.note(today, who, deed, reason);
    }

    /// What staff did.
    pub fn audit(&self) -> &[Entry] {
        self.rights.audit.entries()
    }

    /// The officer's request that waits for a second officer's word, or has it.
    ///
    /// # Errors
    /// When there is no room for another.
    pub fn wait_for_approval(&mut self, who: u32, account: Tag, wanted: Wanted) -> Result<Pending, Full> {
        let now = self.clock.now();
        self.observe_rights(now);
        self.rights.requests.ask(who, account, wanted, self.today().number())
    }

    /// What waits, or has its word.
    pub fn pending(&mut self) -> &[Pending] {
        let now = self.clock.now();
        self.observe_rights(now);
        &self.rights.requests.all
    }

    /// A second officer's word; false where there is no such request.
    pub fn approve(&mut self, id: u32) -> bool {
        self.rights.requests.approve(id)
    }

    /// A request that had its word was answered.
    pub fn fetched(&mut self, who: u32, account: Tag, wanted: Wanted) {
        self.rights.requests.fetched(who, account, wanted);
    }

    /// The day of the next refresh of the bands, by the schedule.
    pub fn next_refresh(&self) -> Day {
        let seconds = self.epochs.policy().refresh_seconds;
        Day::of_second((self.refresh_index.saturating_add(1)).saturating_mul(seconds))
    }

    /// The day, by the wall clock.
    pub fn today(&self) -> Day {
        Day::of_second(self.clock.now().wall_seconds)
    }

    /// Lets days pass for what is kept of staff.
    pub(super) fn observe_rights(&mut self, now: Reading) {
        let today = Day::of_second(now.wall_seconds).number();
        self.rights.audit.observe(today);
        self.rights.requests.observe(today);
    }
}

#[cfg(test)]
mod tests {
    use crate::meter::tags::Tag;
    use crate::meter::units::Totals;
    use crate::node::tests::{SLOT, Stepped};

    fn used() -> Stepped {
        let mut stepped = Stepped::new();
        for _ in 0..8 {
            stepped.day(0);
        }
        assert!(stepped.node.totals(SLOT).0 != Totals::default() && stepped.band_bytes() > 0);
        stepped
    }

    #[test]
    fn a_slot_that_is_free_again_holds_nothing_of_its_last_owner() {
        let mut stepped = used();
        stepped.node.forget(&[SLOT]);
        assert!(stepped.node.totals(SLOT).0 == Totals::default() && stepped.band_bytes() == 0);
    }

    #[test]
    fn an_erased_account_holds_nothing_and_is_told_nothing_of_its_past() {
        let mut stepped = used();
        stepped.node.erase(Some(SLOT), Tag([1; 16]));
        assert!(stepped.node.totals(SLOT) == (Totals::default(), Totals::default()));
        assert!(stepped.band_bytes() == 0);
        stepped.day(0);
        assert_eq!(stepped.node.totals(SLOT).0.up.bytes, 2 << 30, "what came since");
    }
}
