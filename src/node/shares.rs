//! What a node of a fleet adds to the fleet's epochs, until each is opened or taken back. Knows sums with noise, and no
//! slot.

use crate::meter::noise::Randomness;
use crate::meter::share::{Carried, Share};

/// Shares that are kept: while the clusters cannot be reached, nobody knows what was opened, and there is an end to that.
pub const ROOM: usize = 8;

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
    /// Tells the policy that they were made under; 0 where there never were any.
    pub policy: u64,
    /// In the order of epochs.
    pub waiting: Vec<Waiting>,
    /// What the next share takes along.
    pub carried: Carried,
}

impl Shares {
    /// These, where they were made under this policy; else none: sums under two policies do not add up.
    pub(super) fn under(self, policy: u64) -> Self {
        if self.policy == policy { self } else { Self::default() }
    }

    /// Adds the share of an epoch; the earliest goes where there is no room.
    pub(super) fn add(&mut self, ordinal: u64, share: Share, policy: u64, randomness: &mut impl Randomness) {
        self.policy = policy;
        let mut key = [0; 32];
        key.as_chunks_mut().0.iter_mut().for_each(|word| *word = randomness.next_word().to_le_bytes());
        let share = share.with_bytes_of(std::mem::take(&mut self.carried));
        self.waiting.push(Waiting { ordinal, share, key });
        if self.waiting.len() > ROOM {
            self.waiting.remove(0);
        }
    }

    pub(super) fn take(&mut self, ordinal: u64) -> Option<Waiting> {
        let at = self.waiting.iter().position(|waiting| waiting.ordinal == ordinal)?;
        Some(self.waiting.remove(at))
    }
}
