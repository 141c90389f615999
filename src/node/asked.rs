//! What staff asks of a node: look-ups and exports, each within its limits at the moment of the request.
//!
//! Reads no counter: figures of an export are handed in by whoever waited for the tap.

use super::Node;
use super::rate_limits::{Figures, Limit, Plan};
use crate::clock::Clock;
use crate::meter::noise::Randomness;
use crate::meter::tags::Tag;

impl<C: Clock, R: Randomness> Node<C, R> {
    /// Records that this user looks up an account.
    ///
    /// # Errors
    /// The limit that is reached; then the answer must not be given.
    pub fn look_up(&mut self, uid: u32) -> Result<(), Limit> {
        self.limits.observe(self.clock.now());
        self.limits.look_up(uid)
    }

    /// Whether this user may export the account of this tag: none for a new export, or the figures of the
    /// first one of the day.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn may_export(&mut self, uid: u32, account: Tag) -> Result<Option<Figures>, Limit> {
        self.limits.observe(self.clock.now());
        self.limits.may_export(uid, account)
    }

    /// Records that this user exports these figures of the account of this tag; gives those to answer with.
    ///
    /// # Errors
    /// The limit that is reached; then the answer must not be given.
    pub fn export(&mut self, uid: u32, account: Tag, figures: Figures) -> Result<Figures, Limit> {
        self.limits.observe(self.clock.now());
        self.limits.export(uid, account, figures)
    }

    /// What an export of this account by this user would use up.
    ///
    /// # Errors
    /// When this was asked too often.
    pub fn plan_export(&mut self, uid: u32, account: Tag) -> Result<Plan, Limit> {
        self.limits.observe(self.clock.now());
        self.limits.plan(uid, account)
    }

    /// Records that this user exports the node's counts.
    ///
    /// # Errors
    /// The limit that is reached; then the answer must not be given.
    pub fn export_node(&mut self, uid: u32) -> Result<(), Limit> {
        self.limits.observe(self.clock.now());
        self.limits.export_node(uid)
    }

    /// Look-ups of bands and exports of accounts since the period began.
    pub fn asked(&self) -> (u64, u64) {
        let state = self.limits.state();
        (state.look_ups, state.exports)
    }
}
