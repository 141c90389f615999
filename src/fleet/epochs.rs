//! When this node's shares of epochs go to the clusters: once an epoch is released here, and again until it is opened;
//! from the next release on a share that was not opened is taken back.
//!
//! Knows ordinals of epochs, and no account.

use super::courier::Courier;
use super::keys::FleetKey;
use super::pace::longer;
use super::shares::{Fate, Spot};
use super::trouble::Trouble;
use crate::engine::state::State;
use crate::environment::System;
use crate::meter::policy::{DAY_SECONDS, Policy, Terms};
use crate::node::shares::ROOM;
use std::time::Duration;

/// An epoch's shares stay in the clusters for so many epochs after it as nodes keep theirs, and for a day at least.
const KEPT_EPOCHS: u64 = ROOM as u64;

/// Whether an epoch was opened is asked so often in the length of one...
const ASKED: u64 = 48;

/// ...but no more often than this.
const SHORTEST: Duration = Duration::from_secs(1);

/// What is fixed of the epochs to which this node adds, and when it asks next.
pub(super) struct Rounds {
    policy: u64,
    fewest: u16,
    epoch_seconds: u64,
    due: u64,
    wait: Duration,
}

impl Rounds {
    /// Those under a policy; the first round is due at once.
    pub(super) fn new(policy: &Policy, terms: Terms) -> Self {
        let (number, epoch_seconds) = (policy.number(), policy.epoch_seconds);
        Self { policy: number, fewest: terms.nodes, epoch_seconds, due: 0, wait: Duration::ZERO }
    }

    /// An epoch was released here.
    pub(super) fn released(&mut self) {
        (self.due, self.wait) = (0, Duration::ZERO);
    }

    /// When the next round is due, by the boot clock.
    pub(super) const fn due(&self) -> u64 {
        self.due
    }

    /// The next round is due so long after this.
    pub(super) fn postpone(&mut self, now: u64, wait: Option<Duration>) {
        let wait = wait.map_or(u64::MAX, |wait| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        self.due = now.saturating_add(wait);
    }

    /// How long the next round waits after one that failed: twice as long each time.
    pub(super) fn longer(&mut self) -> Duration {
        self.wait = longer(self.wait);
        self.wait
    }

    /// Sends what is to be sent, and takes back what is too late. How long nothing is to be done then, if there is
    /// anything left to do; or the cluster that did not answer, and why.
    pub(super) fn round(
        &self,
        courier: &mut Courier,
        (key, node): (&FleetKey, &str),
        state: &State<System>,
    ) -> Result<Option<Duration>, (usize, Trouble)> {
        let (last, waiting) = state.node().shares();
        let mut is_left = false;
        for waiting in waiting {
            let kept = (KEPT_EPOCHS * self.epoch_seconds).max(DAY_SECONDS);
            let expires = (waiting.ordinal + 1).saturating_mul(self.epoch_seconds).saturating_add(kept);
            let spot = Spot::new(key, node, (self.policy, self.fewest), waiting.ordinal, expires);
            let fate = if waiting.ordinal == last {
                spot.send(courier, &waiting)?
            } else {
                spot.take_back(courier, &waiting)?
            };
            match fate {
                Fate::Sent => is_left = true,
                Fate::Opened => state.node().share_was_opened(waiting.ordinal),
                Fate::TakenBack => state.node().share_was_taken_back(waiting.ordinal),
            }
        }
        let pause = Duration::from_secs(self.epoch_seconds / ASKED).max(SHORTEST);
        Ok(is_left.then_some(pause))
    }
}
