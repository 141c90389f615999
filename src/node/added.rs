//! How a node of a fleet adds to the fleet's epochs: the newest share is sent once its epoch is released here; an earlier
//! one that was not opened by then is taken back, and its bytes go into the next.
//!
//! Knows sums with noise, and no slot.

use super::Node;
use super::shares::Waiting;
use crate::clock::Clock;
use crate::meter::noise::Randomness;

impl<C: Clock, R: Randomness> Node<C, R> {
    /// Keeps the share of the epoch that was sealed, where it is a fleet's.
    pub(super) fn add_share(&mut self, ordinal: u64) {
        if let Some(share) = self.epochs.take_share() {
            self.shares.add(ordinal, share, self.epochs.policy().number(), &mut self.randomness);
        }
    }

    /// The shares of epochs that are released here, and the last epoch that is: its share is to be sent, and earlier
    /// ones to be taken back.
    pub fn shares(&self) -> (u64, Vec<Waiting>) {
        let last = self.epochs.released().ordinal();
        let is_released = |waiting: &&Waiting| waiting.ordinal <= last;
        (last, self.shares.waiting.iter().filter(is_released).copied().collect())
    }

    /// The share is in what was opened.
    pub fn share_was_opened(&mut self, ordinal: u64) {
        self.shares.take(ordinal);
    }

    /// The share will never be opened: its bytes go into the next.
    pub fn share_was_taken_back(&mut self, ordinal: u64) {
        if let Some(waiting) = self.shares.take(ordinal) {
            self.shares.carried = self.shares.carried.with(&waiting.share);
        }
    }
}
