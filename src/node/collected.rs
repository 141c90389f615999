//! What a node of a fleet keeps of each refresh until it is sent: taken at the refresh, once for all accounts, used or
//! not, and taken away by whoever sends it.
//!
//! Knows slots alone.

use super::refreshed::Refreshed;
use super::{Node, slot_at};
use crate::clock::Clock;
use crate::meter::noise::Randomness;

impl<C: Clock, R: Randomness> Node<C, R> {
    /// From the next refresh on, what bands are refreshed from is kept until it is taken.
    pub fn collect_refreshes(&mut self) {
        self.refreshed = Some(Refreshed::default());
    }

    /// What the last refresh was from, once.
    pub fn take_refreshed(&mut self) -> Option<Refreshed> {
        let refreshed = self.refreshed.as_mut().filter(|refreshed| !refreshed.slots.is_empty())?;
        Some(std::mem::take(refreshed))
    }

    /// The index of the last refresh by the schedule, and of the period that it is of: the one that ends with it, or
    /// goes on.
    pub fn last_refresh(&self) -> (u64, u64) {
        let policy = self.epochs.policy();
        let second = self.refresh_index.saturating_mul(policy.refresh_seconds);
        (self.refresh_index, second.saturating_sub(1) / policy.period_seconds)
    }

    pub(super) fn collect(&mut self) {
        if self.refreshed.is_none() {
            return;
        }
        let of = |index: usize| {
            let slot = slot_at(index);
            let period = self.ledger.period(slot);
            (period.up.bytes, period.down.bytes, self.flags(slot))
        };
        let slots = (0..self.ledger.slots()).map(of).collect();
        self.refreshed = Some(Refreshed { week: self.refresh_index, period: self.period_index, slots });
    }
}
