//! The environment of a simulated node: clocks that a test moves, a disk that is watched, seeded randomness.

use super::disk::SimulatedDisk;
use super::watched::Watched;
use crate::support::rng::Rng;
use blindmeter::clock::{Clock, Reading};
use blindmeter::environment::Environment;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Both clocks of a machine; a copy shows the same time.
#[derive(Clone)]
pub(crate) struct Clocks(Arc<Time>);

/// Relaxed throughout: the test moves the clocks while nobody reads them.
struct Time {
    wall_seconds: AtomicU64,
    boot_seconds: AtomicU64,
    boots: AtomicU64,
    /// Boot clock when the boot before ended.
    ended_seconds: AtomicU64,
}

impl Clocks {
    /// The clocks of a machine that was switched on a minute ago.
    pub(crate) fn at(wall_seconds: u64) -> Self {
        Self(Arc::new(Time {
            wall_seconds: AtomicU64::new(wall_seconds),
            boot_seconds: AtomicU64::new(60),
            boots: AtomicU64::new(1),
            ended_seconds: AtomicU64::new(0),
        }))
    }

    pub(crate) fn wall_seconds(&self) -> u64 {
        self.0.wall_seconds.load(Ordering::Relaxed)
    }

    pub(crate) fn boot_seconds(&self) -> u64 {
        self.0.boot_seconds.load(Ordering::Relaxed)
    }

    /// Boots so far, and the boot clock when the one before ended.
    pub(crate) fn boots(&self) -> (u64, u64) {
        (self.0.boots.load(Ordering::Relaxed), self.0.ended_seconds.load(Ordering::Relaxed))
    }

    /// Time passes; a machine that is suspended sees it at once.
    pub(crate) fn pass(&self, seconds: u64) {
        self.0.wall_seconds.fetch_add(seconds, Ordering::Relaxed);
        self.0.boot_seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Somebody sets the wall clock; before 1970 it stands at 0.
    pub(crate) fn set(&self, seconds: i64) {
        let wall_seconds = self.wall_seconds().saturating_add_signed(seconds);
        self.0.wall_seconds.store(wall_seconds, Ordering::Relaxed);
    }

    /// The machine is switched off, and on again.
    pub(crate) fn reboot(&self) {
        let ended = self.0.boot_seconds.swap(1, Ordering::Relaxed);
        self.0.ended_seconds.store(ended, Ordering::Relaxed);
        self.0.boots.fetch_add(1, Ordering::Relaxed);
    }
}

impl Clock for Clocks {
    fn now(&self) -> Reading {
        let boot_nanoseconds = self.boot_seconds() * 1_000_000_000;
        Reading { wall_seconds: self.wall_seconds(), boot_nanoseconds }
    }

    fn boot(&self) -> [u8; 16] {
        u128::from(self.0.boots.load(Ordering::Relaxed)).to_le_bytes()
    }
}

/// Everything outside of a simulated node.
#[derive(Clone)]
pub(crate) struct SimEnvironment {
    pub(crate) clocks: Clocks,
    pub(crate) disk: Watched,
    seed: u64,
    /// How many sources of randomness were handed out; each is another one.
    sources: Arc<AtomicU64>,
}

impl SimEnvironment {
    pub(crate) fn new(seed: u64, wall_seconds: u64) -> Self {
        let clocks = Clocks::at(wall_seconds);
        let disk = Watched::new(SimulatedDisk::new(seed), clocks.clone());
        Self { clocks, disk, seed, sources: Arc::default() }
    }

    /// Randomness that nothing else in this environment has.
    pub(crate) fn rng(&self) -> Rng {
        // Relaxed: the order in which a node asks is that of its code.
        let source = self.sources.fetch_add(1, Ordering::Relaxed);
        Rng::seeded(Rng::seeded(self.seed ^ source.rotate_left(32)).word())
    }
}

impl Environment for SimEnvironment {
    const ROSTER_TICK: Duration = Duration::ZERO;

    type Clock = Clocks;
    type Disk = Watched;
    type Randomness = Rng;

    fn clock(&self) -> Clocks {
        self.clocks.clone()
    }

    fn disk(&self) -> Watched {
        self.disk.clone()
    }

    fn randomness(&self) -> Rng {
        self.rng()
    }
}
