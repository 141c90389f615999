//! Epochs: open -> sealed -> released, named by an ordinal and never by a time.
//!
//! The one place that turns sealed totals into a release, and it does so at most once per
//! ordinal: ordinals only rise.

use super::ledger::Ledger;
use super::noise::Randomness;
use super::policy::Policy;
use super::release::Release;

/// The state of publication: what was released last, and what is sealed and waits.
pub struct Epochs {
    policy: Policy,
    last: u64,
    sealed: Option<Release>,
    released: Release,
}

/// An ordinal that is not above the last one was asked for: nothing was sealed.
pub struct OrdinalUsed;

impl Epochs {
    /// No release yet; ordinals up to `barred` are held to be used.
    #[must_use]
    pub fn new(policy: Policy, barred: u64) -> Self {
        Self { policy, last: barred, sealed: None, released: Release::none() }
    }

    /// Epochs that go on from a save.
    #[must_use]
    pub fn resumed(policy: Policy, last: u64, sealed: Option<Release>, released: Release) -> Self {
        Self { policy, last, sealed, released }
    }

    /// The sealed release that waits.
    #[must_use]
    pub fn sealed(&self) -> Option<Release> {
        self.sealed
    }

    /// Closes the open epoch of the ledger as this ordinal. The noise is drawn here, once.
    ///
    /// A sealed epoch that still waits is published by the next call of [`Epochs::publish`] only
    /// if no later one takes its place.
    ///
    /// # Errors
    /// When the ordinal was used or barred; the epoch stays open then.
    pub fn seal(
        &mut self,
        ordinal: u64,
        ledger: &mut Ledger,
        randomness: &mut impl Randomness,
    ) -> Result<(), OrdinalUsed> {
        if ordinal <= self.last {
            return Err(OrdinalUsed);
        }
        self.last = ordinal;
        self.sealed = Some(Release::coarse(ordinal, &ledger.seal(), &self.policy, randomness));
        Ok(())
    }

    /// Publishes the sealed epoch, if one waits.
    pub fn publish(&mut self) -> Option<Release> {
        let release = self.sealed.take()?;
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
