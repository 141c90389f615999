//! The flags of a node: every account's baseline, and the close of an epoch over all of them.
//!
//! Accounts are positions in a list; who they are is not known here. What is raised is handed to the caller as
//! it is found and is kept as one byte for each kind in the account's baseline.

use super::super::units::Totals;
use super::baseline::{Accumulator, Baseline};
use super::constants::{Constants, Thresholds};
use super::features::{Features, SENT};
use super::interruption::{NodeState, Senders};
use super::judge::Epoch;
use super::kind::{Kind, Kinds};
use super::numbers::number;
use super::raised::Raised;
use super::rates::TickRate;
use super::surge::{self, Mirror};
use alloc::vec::Vec;

/// Accounts of a node below which none is heavy among them.
const LEAST_ACCOUNTS: usize = 20;
/// Active epochs of an account before it may be heavy.
const LEAST_EPOCHS: u8 = 14;
/// How many deviations above the median an account is heavy.
const HEAVY: f64 = 3.5;
/// The least deviation among accounts: where they are all alike, who is a hair above the others is not heavy; twice
/// the median is the least.
const LEAST_DEVIATION: f64 = 0.2;
/// The standard deviation of a normal variable as a multiple of its median absolute deviation.
const MEDIAN_FACTOR: f64 = 1.4826;

/// Every account's baseline, and the node's own state.
pub struct Detector {
    constants: Constants,
    thresholds: Thresholds,
    baselines: Vec<Baseline>,
    mirror: Mirror,
}

/// The level of the node's accounts, and what is far above it.
#[derive(Clone, Copy)]
struct Crowd {
    median: f32,
    deviation: f64,
}

impl Detector {
    /// A detector that knows nothing yet of its accounts.
    #[must_use]
    pub fn new(constants: &Constants, thresholds: &Thresholds, accounts: usize) -> Self {
        let baselines = (0..accounts).map(|_| Baseline::new(constants)).collect();
        Self::resumed(constants, thresholds, baselines, Mirror::default())
    }

    /// A detector that goes on with what one before it had learned.
    #[must_use]
    pub fn resumed(
        constants: &Constants,
        thresholds: &Thresholds,
        baselines: Vec<Baseline>,
        mirror: Mirror,
    ) -> Self {
        Self { constants: *constants, thresholds: *thresholds, baselines, mirror }
    }

    /// Judges one tick of every account: what it shows waits for the close, without saying which tick it was.
    /// Learns nothing. Every account takes the same steps, whatever it counted.
    pub fn tick(&mut self, rate: &TickRate, mut sums: impl FnMut(usize) -> Totals) -> Senders {
        let mut senders = Senders::default();
        let lift = self.stall_lift();
        for (index, baseline) in self.baselines.iter_mut().enumerate() {
            let sums = sums(index);
            senders.add(sums, &rate.constants);
            let mut features = Features::of(sums, &rate.constants);
            features.tracked[SENT] += rate.shift;
            let deviations = baseline.deviations(&features, &self.constants);
            let epoch = Epoch { sums, features, deviations, constants: &rate.constants };
            for (kind, score, threshold) in [
                (Kind::Stall, epoch.stall(baseline), epoch.stall_threshold(rate.thresholds.stall, lift)),
                (Kind::PacketFlood, epoch.flood(baseline), rate.thresholds.flood),
                (Kind::Upload, epoch.upload(baseline), rate.thresholds.upload),
            ] {
                if score.is_some_and(|score| score >= threshold) {
                    baseline.pending.add(kind);
                }
            }
        }
        senders
    }

    /// Judges one epoch of every account and learns from it. `raised` is told which account's flag of which
    /// kind is raised, with its score; for a surge the score is the multiple of the threshold in force.
    ///
    /// In an epoch in which the node was interrupted nothing is raised and nothing learned; `was_interrupted` says
    /// that one of its ticks was.
    pub fn close(
        &mut self,
        was_interrupted: bool,
        sums: impl Fn(usize) -> Totals,
        mut raised: impl FnMut(usize, Kind, f64),
    ) -> Senders {
        let mut senders = Senders::default();
        for index in 0..self.baselines.len() {
            senders.add(sums(index), &self.constants);
        }
        let is_interrupted = was_interrupted || senders.state() == NodeState::Interrupted;
        let theta = self.thresholds.surge.as_ref().map(|surge| self.mirror.threshold(surge));
        let (crowd, lift) = (self.crowd(), self.stall_lift());
        let mut mirror = self.mirror;
        for (index, baseline) in self.baselines.iter_mut().enumerate() {
            let sums = sums(index);
            baseline.age();
            let pending = core::mem::take(&mut baseline.pending);
            let features = Features::of(sums, &self.constants);
            mirror.active_epochs += u64::from(features.is_active);
            if is_interrupted {
                continue;
            }
            let deviations = baseline.deviations(&features, &self.constants);
            let epoch = Epoch { sums, features, deviations, constants: &self.constants };
            let close = Close { epoch: &epoch, thresholds: &self.thresholds, theta, lift, crowd, pending };
            mirror.near_stalls +=
                u64::from(epoch.nearly_stalls(epoch.stall(baseline), self.thresholds.stall));
            mirror.crossings += u64::from(close.judge(baseline, |kind, score| raised(index, kind, score)));
            close.learn(baseline);
        }
        self.mirror = mirror;
        senders
    }

    /// What the node has learned of short breaks; an hour's thresholds were chosen without it.
    fn stall_lift(&self) -> f64 {
        if self.thresholds.surge.is_some() { self.mirror.stall_lift() } else { 0.0 }
    }

    /// Forgets an account: another may have its place.
    pub fn forget(&mut self, index: usize) {
        if let Some(baseline) = self.baselines.get_mut(index) {
            *baseline = Baseline::new(&self.constants);
        }
    }

    /// What is known of an account that was never active.
    pub(super) fn new_baseline(&self) -> Baseline {
        Baseline::new(&self.constants)
    }

    /// Every account's baseline.
    #[must_use]
    pub fn baselines(&self) -> &[Baseline] {
        &self.baselines
    }

    pub(super) fn baselines_mut(&mut self) -> &mut [Baseline] {
        &mut self.baselines
    }

    /// What the node has seen of its own swings.
    #[must_use]
    pub const fn mirror(&self) -> Mirror {
        self.mirror
    }

    /// What is usual for an account.
    #[must_use]
    pub fn baseline(&self, index: usize) -> Option<&Baseline> {
        self.baselines.get(index)
    }

    /// Median and spread of the accounts' usual volumes; none where they are too few to be a crowd.
    fn crowd(&self) -> Option<Crowd> {
        let known = self.baselines.iter().filter(|baseline| baseline.epochs > 0);
        let mut levels: Vec<f32> = known.map(|baseline| baseline.volume_level).collect();
        if levels.len() < LEAST_ACCOUNTS {
            return None;
        }
        let median = middle(&mut levels);
        for level in &mut levels {
            *level = (*level - median).abs();
        }
        let deviation = MEDIAN_FACTOR * f64::from(middle(&mut levels));
        Some(Crowd { median, deviation: deviation.max(LEAST_DEVIATION) })
    }
}

/// One account's epoch, and the thresholds in force.
struct Close<'a> {
    epoch: &'a Epoch<'a>,
    thresholds: &'a Thresholds,
    theta: Option<f64>,
    /// See [`Mirror::stall_lift`].
    lift: f64,
    crowd: Option<Crowd>,
    /// What the ticks showed.
    pending: Kinds,
}

impl Close<'_> {
    /// Raises what the epoch shows, lets the sums build up, and says whether the mirror crossed.
    fn judge(&self, baseline: &mut Baseline, mut raised: impl FnMut(Kind, f64)) -> bool {
        let Self { epoch, thresholds, theta, lift, crowd, pending } = self;
        let constants = epoch.constants;
        let is_known = epoch.is_known(baseline);
        let upwards = surge::upwards(baseline, epoch);
        let unusual_today = epoch.unlike(baseline);
        let drift = epoch.drift(baseline);
        let unusual = Accumulator::of(baseline.unusual.faded(constants.unusual.keep) + unusual_today);
        let volume = number(epoch.sums.bytes());
        let scores = [
            (Kind::Stall, epoch.stall(baseline), Some(epoch.stall_threshold(thresholds.stall, *lift))),
            (Kind::PacketFlood, epoch.flood(baseline), Some(thresholds.flood)),
            (Kind::Upload, epoch.upload(baseline), Some(thresholds.upload)),
            (Kind::UploadDrift, epoch.drift_score(baseline, drift), Some(thresholds.drift)),
            (
                Kind::Surge,
                theta
                    .filter(|_| is_known && volume >= constants.surge.least_bytes)
                    .map(|theta| upwards.score / theta),
                theta.map(|_| 1.0),
            ),
            (Kind::Heavy, crowd.and_then(|crowd| crowd.score(baseline, epoch)), Some(HEAVY)),
            (
                Kind::Unusual,
                (is_known && unusual_today >= 2.0 && volume >= constants.surge.least_bytes / 3.0)
                    .then(|| unusual.value()),
                thresholds.unusual,
            ),
        ];
        let is_awake = epoch.features.is_active || epoch.features.is_sender || !pending.is_empty();
        for (kind, score, threshold) in scores {
            let Some(threshold) = threshold else { continue };
            let score = match score {
                score if !pending.has(kind) => score,
                score => Some(score.unwrap_or(threshold).max(threshold)),
            };
            let may = match kind {
                // The days after an episode of another kind are unlike the account as well.
                Kind::Unusual => baseline.epochs_without_flags() > 2 * constants.pause_epochs,
                _ => baseline.raised[kind.index()].epochs_since() >= constants.pause_epochs,
            };
            let state = &mut baseline.raised[kind.index()];
            match score {
                Some(score) if score >= threshold && may => {
                    *state = Raised::IN_THIS_EPOCH;
                    raised(kind, score);
                }
                _ if is_awake => *state = state.after(score, threshold),
                _ => {}
            }
        }
        let mut crossed = false;
        if is_known {
            (baseline.surge, baseline.drift, baseline.unusual) = (upwards.kept, drift, unusual);
        }
        if let Some(surge) = thresholds.surge.filter(|_| is_known && surge::is_answered(epoch.sums)) {
            let mirrored = surge::downwards(baseline, epoch);
            baseline.mirror = mirrored.kept;
            crossed = surge::crosses(baseline, mirrored, surge.score, constants);
            if crossed {
                baseline.since_mirror = 0;
            }
        }
        crossed
    }

    fn learn(&self, baseline: &mut Baseline) {
        if self.epoch.features.is_active {
            baseline.learn(&self.epoch.features, &self.epoch.deviations, self.epoch.constants);
        }
    }
}

impl Crowd {
    /// How far an account's usual volume is above the others', in deviations.
    fn score(self, baseline: &Baseline, epoch: &Epoch<'_>) -> Option<f64> {
        (epoch.features.is_active && baseline.epochs >= LEAST_EPOCHS)
            .then(|| f64::from(baseline.volume_level - self.median) / self.deviation)
    }
}

/// The upper median.
fn middle(values: &mut [f32]) -> f32 {
    let at = values.len() / 2;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}
