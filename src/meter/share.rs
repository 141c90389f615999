//! What one node of a fleet adds to the sums of an epoch: the words of a release before they are released, each with a
//! share of its noise already in it.
//!
//! As many shares as the policy wants nodes add up to the sums with exactly the noise of one release; a share alone has
//! little, so that it leaves the node only split between two clusters. It cannot be printed.
//!
//! # Source
//! Noise of many parties: see [`super::noise::laplace_share`].

use super::flag_counts::{FlagCounts, KINDS};
use super::ledger::Sealed;
use super::node_series::NodeSeries;
use super::noise::{Randomness, Scale, laplace_share};
use super::policy::Policy;
use super::scope::{LARGEST_WORD, Terms, UNIT_BYTES};

/// Words of a share: bytes up and down, active accounts, senders that were cut off, room for accounts; the node's
/// own counts; accounts by kind of irregularity.
pub const COUNT: usize = Place::Kinds as usize + KINDS.len();

/// Where a word is.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Up,
    Down,
    Active,
    CutOff,
    Room,
    FailedAttempts,
    UnattributedUp,
    UnattributedDown,
    Lost,
    Malformed,
    Kinds,
}

/// The share of one node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Share([i64; COUNT]);

impl Share {
    /// The share of a sealed epoch, its noise drawn here.
    pub(super) fn of(
        sealed: &Sealed,
        raised: &FlagCounts,
        (policy, terms): (&Policy, Terms),
        randomness: &mut impl Randomness,
    ) -> Self {
        let mut words = [0; COUNT];
        let mut put = |place: usize, count: u128, scale: Option<Scale>| {
            let noise = scale.map_or(0, |scale| laplace_share(randomness, scale, terms.nodes.into()));
            let noisy = i128::try_from(count).unwrap_or(i128::MAX).saturating_add(noise);
            let noisy = noisy.clamp((-LARGEST_WORD).into(), LARGEST_WORD.into());
            words[place] = i64::try_from(noisy).unwrap_or(0);
        };
        let units = |bytes: u128| bytes / u128::from(UNIT_BYTES);
        let bytes = policy.unit_scale();
        put(Place::Up as usize, units(sealed.clamped.up_bytes), bytes);
        put(Place::Down as usize, units(sealed.clamped.down_bytes), bytes);
        put(Place::Active as usize, sealed.active_accounts.into(), Some(policy.gate_scale()));
        put(Place::Room as usize, sealed.account_slots.into(), None);
        // Of a flood from outside, only as much is seen as one account may move.
        let down = sealed.unattributed.down.bytes.min(NodeSeries::Unattributed.influence());
        let unattributed = policy.unattributed_unit_scale();
        put(Place::UnattributedUp as usize, units(sealed.unattributed.up.bytes.into()), unattributed);
        put(Place::UnattributedDown as usize, units(down.into()), unattributed);
        for (place, count, series) in [
            (Place::FailedAttempts, raised.failed_attempts, NodeSeries::FailedAttempts),
            (Place::Lost, sealed.lost.packets(), NodeSeries::Lost),
            (Place::Malformed, sealed.malformed.packets(), NodeSeries::Malformed),
        ] {
            put(place as usize, count.into(), policy.node_scale(series));
        }
        if policy.flags.is_some() {
            // A node that is not cut off must not hide one that is.
            let cut_off = u128::try_from(raised.interruption).unwrap_or(0);
            put(Place::CutOff as usize, cut_off, Some(policy.interruption_scale()));
            for (at, accounts) in raised.accounts.into_iter().enumerate() {
                put(Place::Kinds as usize + at, accounts.into(), policy.flag_scale());
            }
        }
        Self(words)
    }

    /// The share with the bytes of one that was taken back unopened: their noise comes with them.
    #[must_use]
    pub fn with_bytes_of(self, carried: Carried) -> Self {
        let Self(mut words) = self;
        for (word, carried) in words.iter_mut().zip(carried.0) {
            *word = word.saturating_add(carried).clamp(-LARGEST_WORD, LARGEST_WORD);
        }
        Self(words)
    }

    /// Its words, for the store and for the clusters.
    #[must_use]
    pub(crate) const fn words(&self) -> [i64; COUNT] {
        self.0
    }

    /// A share read back from the store; only the store may call this.
    #[must_use]
    pub(crate) const fn of_words(words: [i64; COUNT]) -> Self {
        Self(words)
    }
}

/// Bytes of shares that were taken back, in units and with their noise: they go into the next share.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried([i64; 2]);

impl Carried {
    /// With the bytes of one more share.
    #[must_use]
    pub fn with(self, share: &Share) -> Self {
        self.plus(&share.0)
    }

    /// With the bytes of a fleet's epoch that was opened and held back.
    #[must_use]
    pub fn with_opened(self, opened: &Opened) -> Self {
        self.plus(&opened.words)
    }

    fn plus(self, [up, down, ..]: &[i64; COUNT]) -> Self {
        Self([self.0[0].saturating_add(*up), self.0[1].saturating_add(*down)])
    }

    /// As numbers, for the store.
    #[must_use]
    pub(crate) const fn words(self) -> [i64; 2] {
        self.0
    }

    /// Read back from the store; only the store may call this.
    #[must_use]
    pub(crate) const fn of_words(words: [i64; 2]) -> Self {
        Self(words)
    }
}

/// What the shares of several nodes add up to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    pub(super) words: [i64; COUNT],
    /// How many nodes' shares these are.
    pub(super) nodes: u64,
}

impl Opened {
    /// The sums of the shares of so many nodes, as two clusters told them together.
    #[must_use]
    pub const fn new(words: [i64; COUNT], nodes: u64) -> Self {
        Self { words, nodes }
    }

    /// How many nodes' shares these are.
    #[must_use]
    pub const fn nodes(&self) -> u64 {
        self.nodes
    }

    /// With the bytes of epochs before it that were held back.
    #[must_use]
    pub fn with_bytes_of(self, carried: Carried) -> Self {
        let mut words = self.words;
        for (word, carried) in words.iter_mut().zip(carried.0) {
            *word = word.saturating_add(carried);
        }
        Self { words, ..self }
    }

    pub(super) fn at(&self, place: Place) -> i64 {
        self.words[place as usize]
    }

    pub(super) fn kinds(&self) -> [i64; KINDS.len()] {
        self.words[Place::Kinds as usize..].first_chunk().copied().unwrap_or_default()
    }
}
