//! The state machine of one node: ledger, epochs, bands and the schedule of closes.
//!
//! Driven by clock readings and randomness that are handed in, so that a simulated clock drives
//! the same code in tests as the system's clock does in the daemon. Knows slots only: no account
//! name, no address.

use crate::clock::{Clock, Reading};
use crate::meter::band::Band;
use crate::meter::counters::Counters;
use crate::meter::epoch::Epochs;
use crate::meter::ledger::{Ledger, NodeTotals};
use crate::meter::noise::Randomness;
use crate::meter::policy::Policy;
use crate::meter::release::Release;
use crate::meter::slot::Slot;
use crate::meter::units::Totals;
use crate::schedule::Schedule;

/// What a tick of the clock brought about.
pub enum Tick {
    /// Nothing.
    Quiet,
    /// The open epoch was sealed; `period_ended` when it was the last of its period.
    Sealed {
        /// True when the totals of the period were set to zero.
        period_ended: bool,
    },
    /// The epoch could not be closed: its ordinal was used. A bug, since the schedule forbids it.
    Refused,
    /// The sealed epoch is to be published.
    Released(Release),
}

/// One node, over a clock and a source of randomness.
pub struct Node<C, R> {
    clock: C,
    randomness: R,
    ledger: Ledger,
    epochs: Epochs,
    schedule: Schedule,
    bands: Vec<Band>,
    refresh_index: u64,
    period_index: u64,
    publish_at: Option<u64>,
}

impl<C: Clock, R: Randomness> Node<C, R> {
    /// A node that remembers nothing of earlier runs: the running epoch index is barred.
    pub fn forgetful(policy: Policy, counters: Counters, clock: C, randomness: R) -> Self {
        let now = clock.now();
        let ledger = Ledger::new(counters);
        let schedule = Schedule::unproven(policy.epoch_seconds, now);
        Self {
            bands: vec![Band::default(); ledger.slots()],
            epochs: Epochs::new(policy, schedule.last()),
            refresh_index: now.wall_seconds / policy.refresh_seconds,
            period_index: now.wall_seconds / policy.period_seconds,
            publish_at: None,
            clock,
            randomness,
            ledger,
            schedule,
        }
    }

    /// Looks at the clocks, and closes or publishes when it is time.
    pub fn tick(&mut self) -> Tick {
        let now = self.clock.now();
        if self.publish_at.is_some_and(|at| now.boot_nanoseconds >= at) {
            self.publish_at = None;
            return self.epochs.publish().map_or(Tick::Quiet, Tick::Released);
        }
        if self.publish_at.is_some() {
            return Tick::Quiet;
        }
        let Some(ordinal) = self.schedule.observe(now) else { return Tick::Quiet };
        if self.epochs.seal(ordinal, &mut self.ledger, &mut self.randomness).is_err() {
            return Tick::Refused;
        }
        self.publish_at = Some(now.boot_nanoseconds.saturating_add(self.epochs.policy().delay_nanoseconds()));
        Tick::Sealed { period_ended: self.roll(now) }
    }

    /// After a close: refreshes every band at once, then begins a new period, where one is due.
    fn roll(&mut self, now: Reading) -> bool {
        let refresh_index = now.wall_seconds / self.epochs.policy().refresh_seconds;
        if refresh_index != self.refresh_index {
            self.refresh_index = refresh_index;
            for (index, band) in self.bands.iter_mut().enumerate() {
                let slot = Slot::new(u32::try_from(index).unwrap_or(u32::MAX));
                *band = Band::of(self.ledger.period(slot).bytes());
            }
        }
        let period_index = now.wall_seconds / self.epochs.policy().period_seconds;
        let ended = period_index != self.period_index;
        if ended {
            self.period_index = period_index;
            self.ledger.begin_period();
        }
        ended
    }

    /// Forgets the bands of slots whose accounts were removed at a close.
    pub fn forget(&mut self, slots: &[Slot]) {
        for slot in slots {
            if let Some(band) = self.bands.get_mut(slot.index()) {
                *band = Band::default();
            }
        }
    }

    /// The last published release.
    pub fn released(&self) -> Release {
        self.epochs.released()
    }

    /// The band of a slot, as of the last refresh.
    pub fn band(&self, slot: Slot) -> Band {
        self.bands.get(slot.index()).copied().unwrap_or_default()
    }

    /// Exact totals of a slot: the period's closed epochs, and the open one.
    pub fn totals(&self, slot: Slot) -> (Totals, Totals) {
        (self.ledger.period(slot), self.ledger.open_epoch(slot))
    }

    /// Exact totals of the node since the period began.
    pub fn node_totals(&self) -> NodeTotals {
        self.ledger.node()
    }
}

/// A node over the system's clocks and randomness.
pub type SystemNode = Node<crate::clock::SystemClock, crate::world::SystemRandomness>;
