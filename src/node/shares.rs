//! What a node of a fleet adds to the fleet's epochs, until each is opened or taken back.
//!
//! The newest share is sent once its epoch is released here; an earlier one that was not opened by then is taken back,
//! and its bytes go into the next. Knows sums with noise, and no slot.

use super::Node;
use crate::clock::Clock;
use crate::meter::noise::Randomness;
use crate::meter::share::{Carried, Share};

/// Shares that are kept: while the clusters cannot be reached, nobody knows what was opened, and there is an end to that.
pub const ROOM: usize = 4;

/// A share that was not opened yet, as far as this node knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The epoch's ordinal.
    pub ordinal: u64,
    /// What is sent.
    pub share: Share,
    /// How it is split between the clusters: sent again, it is split the same way.
    pub key: [u8; 32],
}

/// Everything of the kind.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Shares {
    /// Tells the policy that they were made under.
    pub policy: u64,
    /// In the order of epochs.
    pub waiting: Vec<Waiting>,
    /// What the next share takes along.
    pub carried: Carried,
}

impl Shares {
    /// These, where they were made under this policy; else none: sums under two policies do not add up.
    pub(super) fn under(self, policy: u64) -> Self {
        if self.policy == policy { self } else { Self { policy, ..Self::default() } }
    }

    /// Adds the share of an epoch; the earliest goes where there is no room.
    pub(super) fn add(&mut self, ordinal: u64, share: Share, randomness: &mut impl Randomness) {
        let mut key = [0; 32];
        key.as_chunks_mut().0.iter_mut().for_each(|word| *word = randomness.next_word().to_le_bytes());
        let share = share.with_bytes_of(std::mem::take(&mut self.carried));
        self.waiting.push(Waiting { ordinal, share, key });
        if self.waiting.len() > ROOM {
            self.waiting.remove(0);
        }
    }

    fn take(&mut self, ordinal: u64) -> Option<Waiting> {
        let at = self.waiting.iter().position(|waiting| waiting.ordinal == ordinal)?;
        Some(self.waiting.remove(at))
    }
}

impl<C: Clock, R: Randomness> Node<C, R> {
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
