//! Surges, and what a node learns of its own accounts without being told what was true.
//!
//! A surge only goes up. The same sum run downwards crosses its threshold as often as benign swings make the
//! other one cross: it counts false raises without anybody being asked what was true (the target-decoy
//! estimate of proteomics: Elias and Gygi, Nature Methods 4, 2007). An epidemic of surges cannot raise the
//! threshold, since none of them goes down.
//!
//! Stalls are calibrated alike, by how often an account nearly stalls: short breaks of radio links differ from one
//! node to another, and nearly all true stalls are longer.
//!
//! Holds three counts of the node, and no account.

use super::super::units::Totals;
use super::baseline::{Accumulator, Baseline};
use super::constants::{Constants, Surge, SurgeThreshold};
use super::features::RATIO;
use super::judge::Epoch;
use super::numbers::{ln, number};

/// Crossings are counted at this share of the threshold.
const LOW_SHARE: f64 = 0.8;
/// The threshold is raised to this multiple at most.
const MOST_FACTOR: f64 = 2.0;
/// Active epochs that the prior rate of crossings weighs as much as.
const PRIOR_EPOCHS: f64 = 6000.0;
/// The same for near stalls, and their prior rate: where there are no more, nothing is lifted.
const PRIOR_EPOCHS_OF_STALLS: f64 = 4000.0;
const NEAR_STALLS: f64 = 2e-4;
/// How far the packets of a stall are lifted, as a logarithm, for each unit of the logarithm by which near stalls are
/// more than that, and at most.
const LIFT: f64 = 0.3;
const MOST_LIFT: f64 = 0.8;
/// The least that a day can add to a sum.
const LEAST_A_DAY: f64 = -3.0;

/// What the node has seen of its own swings.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Mirror {
    /// Times that an account's mirrored sum crossed.
    pub crossings: u64,
    /// Active epochs of accounts.
    pub active_epochs: u64,
    /// Times that an account nearly stalled: a break too short to be told.
    pub near_stalls: u64,
}

/// A sum after an epoch: as it is compared, and as it is kept.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    pub score: f64,
    pub kept: Accumulator,
}

impl Mirror {
    /// The threshold that keeps to the budget of false raises.
    #[must_use]
    pub fn threshold(&self, threshold: &SurgeThreshold) -> f64 {
        let rate = (number(self.crossings) + PRIOR_EPOCHS * threshold.prior_rate)
            / (number(self.active_epochs) + PRIOR_EPOCHS);
        let wanted = LOW_SHARE * threshold.score + ln(rate / threshold.budget) / threshold.slope;
        wanted.clamp(threshold.score, MOST_FACTOR * threshold.score)
    }

    /// By how much more packets have to go unanswered here than elsewhere, as a logarithm. Stalls themselves are
    /// nearly all far beyond what counts as near, so that they lift nothing.
    #[must_use]
    pub fn stall_lift(&self) -> f64 {
        let near = number(self.near_stalls) + PRIOR_EPOCHS_OF_STALLS * NEAR_STALLS;
        let rate = near / (number(self.active_epochs) + PRIOR_EPOCHS_OF_STALLS);
        (LIFT * ln(rate / NEAR_STALLS)).clamp(0.0, MOST_LIFT)
    }
}

/// The sum of days above the account's own level. The fast level forgives what has lasted.
pub(super) fn upwards(baseline: &Baseline, epoch: &Epoch<'_>) -> Sum {
    let (slow, fast) = baseline.volume_levels(&epoch.features);
    let level = slow.max(fast - epoch.constants.surge.forgiven);
    after(baseline.surge, epoch.features.volume - level, baseline, epoch)
}

/// The same downwards.
pub(super) fn downwards(baseline: &Baseline, epoch: &Epoch<'_>) -> Sum {
    let (slow, fast) = baseline.volume_levels(&epoch.features);
    let level = slow.min(fast + epoch.constants.surge.forgiven);
    after(baseline.mirror, level - epoch.features.volume, baseline, epoch)
}

/// Whether the mirrored sum crosses, in an epoch that is no stall, of an account whose level is high enough for
/// a surge.
pub(super) fn crosses(baseline: &Baseline, mirrored: Sum, threshold: f64, constants: &Constants) -> bool {
    f64::from(baseline.volume_level) > ln(constants.surge.least_bytes)
        && mirrored.score >= LOW_SHARE * threshold
        && baseline.since_mirror >= constants.pause_epochs
}

/// Whether an epoch has the answers without which going down may be a stall.
pub(super) fn is_answered(sums: Totals) -> bool {
    number(sums.down.packets) >= 0.25 * number(sums.up.packets)
}

fn after(sum: Accumulator, deviation: f32, baseline: &Baseline, epoch: &Epoch<'_>) -> Sum {
    let Surge { keep, most_deviation, allowance, scale_offset, prior_epochs, most_a_day, .. } =
        epoch.constants.surge;
    let scale = baseline.blended_volume_scale(epoch.constants)
        * (1.0 + prior_epochs / f64::from(baseline.epochs).max(1.0));
    let today = f64::from(deviation.min(most_deviation) - allowance) / (scale + scale_offset);
    let Surge { ratio_weight, ratio_allowance, .. } = epoch.constants.surge;
    let of_another_kind = ratio_weight * (epoch.deviations.scaled[RATIO].abs() - ratio_allowance).max(0.0);
    let score = sum.faded(keep) + today.clamp(LEAST_A_DAY, most_a_day) - of_another_kind;
    Sum { score, kept: Accumulator::of(score) }
}
