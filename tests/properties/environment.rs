//! The simulated environment of a node: two clocks that a case moves as it likes, and seeded randomness.

use crate::support::rng::Rng;
use blindmeter::clock::{Clock, Reading};
use blindmeter::meter::counters::Counters;
use blindmeter::meter::policy::{DAY_SECONDS, Policy, Profile};
use blindmeter::meter::scope::Scope;
use blindmeter::node::Node;
use proptest::test_runner::{Config, FileFailurePersistence};
use std::cell::Cell;
use std::rc::Rc;

/// Length of the simulated epochs, in seconds.
pub(crate) const EPOCH: u64 = DAY_SECONDS;

/// The time between two looks at the clock, in seconds: half of the delay before a publication.
pub(crate) const TICK: u64 = EPOCH / 288;

/// When the worlds begin: some day in 2026, at noon.
pub(crate) const NOON: u64 = 20_500 * EPOCH + EPOCH / 2;

/// The default policy, but for the link: a slow one has a small rounding step.
pub(crate) const POLICY: Policy = Policy {
    profile: Profile::Standard,
    epoch_seconds: EPOCH,
    crowd: 20,
    link_bits_per_second: 1_000_000,
    refresh_seconds: 7 * DAY_SECONDS,
    period_seconds: 28 * DAY_SECONDS,
    mode: Policy::DEFAULT.mode,
    scope: Scope::Node,
    flags: None,
};

/// A node of this environment.
pub(crate) type SimulatedNode = Node<Clocks, Rng>;

/// Both clocks of a machine. A copy shows the same time.
#[derive(Clone)]
pub(crate) struct Clocks(Rc<Cell<Time>>);

#[derive(Clone, Copy)]
struct Time {
    wall_seconds: u64,
    boot_seconds: u64,
}

impl Clocks {
    /// Clocks of a machine that was switched on a minute ago.
    pub(crate) fn new() -> Self {
        Self(Rc::new(Cell::new(Time { wall_seconds: NOON, boot_seconds: 60 })))
    }

    /// Time passes.
    pub(crate) fn pass(&self, seconds: u64) {
        let time = self.0.get();
        self.0.set(Time {
            wall_seconds: time.wall_seconds + seconds,
            boot_seconds: time.boot_seconds + seconds,
        });
    }

    /// Somebody sets the wall clock; before 1970 it stands at 0.
    pub(crate) fn step(&self, seconds: i64) {
        let time = self.0.get();
        self.0.set(Time { wall_seconds: time.wall_seconds.saturating_add_signed(seconds), ..time });
    }

    /// The machine is switched off and on.
    pub(crate) fn reboot(&self) {
        self.0.set(Time { boot_seconds: 1, ..self.0.get() });
    }

    /// The wall clock's epoch index.
    pub(crate) fn index(&self) -> u64 {
        self.0.get().wall_seconds / EPOCH
    }
}

impl Clock for Clocks {
    fn now(&self) -> Reading {
        let time = self.0.get();
        Reading { wall_seconds: time.wall_seconds, boot_nanoseconds: time.boot_seconds * 1_000_000_000 }
    }

    fn boot(&self) -> [u8; 16] {
        [1; 16]
    }
}

/// A process that starts now and remembers nothing.
pub(crate) fn start(clocks: &Clocks, accounts: usize, seed: u64) -> (SimulatedNode, Counters) {
    start_under(POLICY, clocks, accounts, seed)
}

/// The same under another policy.
pub(crate) fn start_under(
    policy: Policy,
    clocks: &Clocks,
    accounts: usize,
    seed: u64,
) -> (SimulatedNode, Counters) {
    let counters = Counters::in_memory(accounts);
    (Node::forgetful(policy, counters, clocks.clone(), Rng::seeded(seed)), counters)
}

/// So many cases, and the seeds of failing ones beside the tests.
pub(crate) fn cases(cases: u32) -> Config {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/properties.regressions");
    Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(file))),
        ..Config::default()
    }
}
