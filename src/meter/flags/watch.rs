//! The flags of a running node: ticks in between, one verdict at the close, told at the publication.
//!
//! What a tick showed waits in its account's baseline without the tick's number, so that neither the order of
//! ticks nor the moment at which an epoch was bad can be told from anything that leaves. Ticks are handed in:
//! there is no clock here, and no account but as a position.

use super::super::flag_counts::{FlagCounts, KINDS};
use super::super::policy::KINDS_OF_AN_ACCOUNT;
use super::super::units::Totals;
use super::baseline::Baseline;
use super::detector::Detector;
use super::interruption::NodeState;
use super::kind::{Kinds, List};
use super::raised::Raised;
use super::rates::{Rates, TickRate};
use super::surge::Mirror;
use alloc::vec::Vec;

/// Accounts below which there is no mass event: one is more than a fiftieth of fewer.
const LEAST_ACCOUNTS: u64 = 100;

/// What an epoch said about the node as a whole. For roles only: it is exact.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the node itself looked interrupted.
    pub node: NodeState,
    /// So many accounts were irregular that no list was made.
    pub mass_event: bool,
}

/// What is kept of a node's flags besides the baselines.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct WatchState {
    /// How accounts swing.
    pub mirror: Mirror,
    /// The most, over the open epoch's ticks, of sick senders less a quarter of all.
    pub interruption: i64,
    /// What the open epoch's ticks said of the node.
    pub running: NodeState,
    /// What the last close said.
    pub closed: Verdict,
    /// What was told last.
    pub told: Verdict,
}

/// The flags of a node.
pub struct Watch {
    detector: Detector,
    tick: Option<TickRate>,
    mass_event_millionths: u32,
    state: WatchState,
}

impl Watch {
    /// Flags that go on with these baselines and this state; positions without a baseline are new accounts.
    #[must_use]
    pub fn resumed(
        rates: &Rates,
        mass_event_millionths: u32,
        mut baselines: Vec<Baseline>,
        accounts: usize,
        state: WatchState,
    ) -> Self {
        baselines.resize(accounts, Baseline::new(&rates.epoch));
        let detector = Detector::resumed(&rates.epoch, &rates.thresholds, baselines, state.mirror);
        Self { detector, tick: rates.tick, mass_event_millionths, state }
    }

    /// A tick has ended, in which accounts counted this.
    pub fn tick(&mut self, sums: impl FnMut(usize) -> Totals) {
        let Some(rate) = &self.tick else { return };
        let senders = self.detector.tick(rate, sums);
        self.state.interruption = self.state.interruption.max(senders.excess());
        self.state.running = self.state.running.max(senders.state());
    }

    /// The epoch has ended, in which accounts counted this, and whose last tick has ended as well. Gives what a
    /// release is made from.
    pub fn close(&mut self, sums: impl Fn(usize) -> Totals) -> FlagCounts {
        let was_interrupted = self.state.running == NodeState::Interrupted;
        let senders = self.detector.close(was_interrupted, sums, |_, _, _| ());
        if self.tick.is_none() {
            self.state.interruption = self.state.interruption.max(senders.excess());
        }
        let counts =
            FlagCounts { accounts: self.count(), interruption: self.state.interruption, failed_attempts: 0 };
        let node = self.state.running.max(senders.state());
        let mass_event = self.is_mass_event();
        if mass_event {
            self.withdraw();
        }
        let mirror = self.detector.mirror();
        self.state = WatchState {
            mirror,
            closed: Verdict { node, mass_event },
            told: self.state.told,
            ..WatchState::default()
        };
        counts
    }

    /// The close is published: its flags are told from now on.
    pub fn tell(&mut self) {
        for baseline in self.detector.baselines_mut() {
            baseline.told = baseline.shown();
        }
        self.state.told = self.state.closed;
    }

    /// Accounts whose flags the close raised, by kind; each for its most severe kinds alone.
    fn count(&self) -> [u64; KINDS.len()] {
        let mut counts = [0; KINDS.len()];
        for baseline in self.detector.baselines() {
            for kind in baseline.newly_raised().by_severity().take(KINDS_OF_AN_ACCOUNT.into()) {
                counts[kind.index()] += 1;
            }
        }
        counts
    }

    /// Whether the contact list would grow by more than the share that is put up with, at once.
    fn is_mass_event(&self) -> bool {
        let (mut accounts, mut raised) = (0_u64, 0_u64);
        for baseline in self.detector.baselines() {
            accounts += u64::from(baseline.is_known_of());
            raised +=
                u64::from(baseline.newly_raised().by_severity().any(|kind| kind.list() == List::Contact));
        }
        accounts >= LEAST_ACCOUNTS
            && u128::from(raised) * 1_000_000 > u128::from(accounts) * u128::from(self.mass_event_millionths)
    }

    /// Takes back what the close raised on the contact list: it is the node or the world, and no account.
    fn withdraw(&mut self) {
        for baseline in self.detector.baselines_mut() {
            for kind in baseline.newly_raised().by_severity().filter(|kind| kind.list() == List::Contact) {
                baseline.raised[kind.index()] = Raised::NEVER;
            }
        }
    }

    /// Forgets an account: another may have its place.
    pub fn forget(&mut self, index: usize) {
        self.detector.forget(index);
    }

    /// Accounts of which something is told.
    pub fn flagged(&self) -> impl Iterator<Item = (usize, Kinds)> {
        let all = self.detector.baselines().iter().enumerate();
        all.map(|(index, baseline)| (index, baseline.told())).filter(|(_, told)| !told.is_empty())
    }

    /// What is usual for an account.
    #[must_use]
    pub fn baseline(&self, index: usize) -> Option<&Baseline> {
        self.detector.baseline(index)
    }

    /// What is known of an account that was never active.
    #[must_use]
    pub fn new_baseline(&self) -> Baseline {
        self.detector.new_baseline()
    }

    /// What to keep besides the baselines.
    #[must_use]
    pub const fn state(&self) -> &WatchState {
        &self.state
    }
}
