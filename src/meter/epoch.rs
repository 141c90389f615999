//! Epochs: open -> sealed -> released, named by an ordinal and never by a time.
//!
//! The only place that turns sealed totals into a release, at most once per ordinal: ordinals only rise.
//! In noisy mode every account-epoch enters exactly one release: what the gate holds back waits here for
//! the next, and so do the contents of a release that was sealed but never served.

use super::clamp::Sums;
use super::flag_counts::FlagCounts;
use super::ledger::Ledger;
use super::noise::{Randomness, Scale};
use super::policy::Policy;
use super::release::Release;
use super::scope::Scope;
use super::share::Share;

/// Clamped sums that are not in a release yet, and the scale of the noise they were clamped for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Carry {
    sums: Sums,
    /// None in coarse mode, where nothing is carried.
    scale: Option<Scale>,
}

/// The state of publication: the last release, the sealed one that waits, and what is carried over.
pub struct Epochs {
    policy: Policy,
    last: u64,
    sealed: Option<Release>,
    released: Release,
    /// What the gate held back.
    carried: Sums,
    /// The sums in the sealed release, until it is served; in memory only, since together with the
    /// released values they would reveal the noise.
    within: Sums,
    /// What the last epoch adds to a fleet's, until it is taken.
    share: Option<Share>,
}

/// The requested ordinal is not above the last one: nothing was sealed.
pub struct OrdinalUsed;

impl Epochs {
    /// No release yet; ordinals up to `barred` count as used.
    #[must_use]
    pub fn new(policy: Policy, barred: u64) -> Self {
        Self::resumed(policy, barred, None, Release::none(), Carry::default())
    }

    /// Epochs resumed from a save.
    ///
    /// What is carried was clamped for one scale of noise. Under another (because the mode, the clamp,
    /// epsilon or the epoch length changed) it might enter a release with less noise than promised, so it
    /// is dropped.
    #[must_use]
    pub fn resumed(
        policy: Policy,
        last: u64,
        sealed: Option<Release>,
        released: Release,
        carry: Carry,
    ) -> Self {
        let same = carry.scale.is_some() && carry.scale == policy.byte_scale();
        let carried = if same { carry.sums } else { Sums::default() };
        Self { policy, last, sealed, released, carried, within: Sums::default(), share: None }
    }

    /// The sealed release that is waiting.
    #[must_use]
    pub fn sealed(&self) -> Option<Release> {
        self.sealed
    }

    /// What is carried over to the next release.
    #[must_use]
    pub fn carry(&self) -> Carry {
        Carry { sums: self.carried, scale: self.policy.byte_scale() }
    }

    /// Closes the ledger's open epoch under this ordinal. The noise is drawn here, once.
    ///
    /// A sealed epoch that is still waiting is never served: this one replaces it, and in noisy mode
    /// includes what it held.
    ///
    /// # Errors
    /// When the ordinal is used or barred; then the epoch stays open.
    pub fn seal(
        &mut self,
        ordinal: u64,
        ledger: &mut Ledger,
        raised: &FlagCounts,
        randomness: &mut impl Randomness,
    ) -> Result<(), OrdinalUsed> {
        if ordinal <= self.last {
            return Err(OrdinalUsed);
        }
        self.last = ordinal;
        let policy = &self.policy;
        let mut sealed = ledger.seal(policy.clamp_bytes());
        let release = match (policy.scope, policy.byte_scale()) {
            (Scope::Fleet(terms), _) => {
                self.share = Some(Share::of(&sealed, raised, (policy, terms), randomness));
                Release::within_a_fleet(ordinal, &sealed)
            }
            (Scope::Node, None) => Release::coarse(ordinal, &sealed, raised, policy, randomness),
            (Scope::Node, Some(scale)) => {
                sealed.clamped = sealed.clamped.plus(self.carried).plus(self.within);
                let release = Release::noisy(ordinal, &sealed, raised, (policy, scale), randomness);
                (self.carried, self.within) = if release.suppressed() {
                    (sealed.clamped, Sums::default())
                } else {
                    (Sums::default(), sealed.clamped)
                };
                release
            }
        };
        self.sealed = Some(release);
        Ok(())
    }

    /// What the epoch that was sealed last adds to a fleet's, once; none of a node by itself.
    pub fn take_share(&mut self) -> Option<Share> {
        self.share.take()
    }

    /// Publishes the sealed epoch, if one is waiting.
    pub fn publish(&mut self) -> Option<Release> {
        let release = self.sealed.take()?;
        self.within = Sums::default();
        self.released = release;
        Some(release)
    }

    /// The last published release.
    #[must_use]
    pub fn released(&self) -> Release {
        self.released
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl Carry {
    /// What is carried as numbers, for the store: two sums, and the scale or zeros.
    #[must_use]
    pub(crate) fn words(self) -> [u128; 4] {
        let [up, down] = self.sums.words();
        let (numerator, denominator) =
            self.scale.map_or((0, 0), |scale| (scale.numerator(), scale.denominator()));
        [up, down, numerator, denominator]
    }

    /// A carry read back from the store; only the store may call this. Without a valid scale, nothing is
    /// carried.
    #[must_use]
    pub(crate) fn of_words([up, down, numerator, denominator]: [u128; 4]) -> Self {
        if numerator == 0 || denominator == 0 || numerator > Scale::CEILING {
            return Self::default();
        }
        Self { sums: Sums::of_words([up, down]), scale: Some(Scale::new(numerator, denominator)) }
    }
}
