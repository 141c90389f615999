//! What is computed from scores: areas under the curve, matched boundaries, and intervals.
//!
//! Intervals are two-sided at 95 %. Of an area: DeLong's variance, with Obuchowski's correction where
//! samples of one world-day hang together. Of a share of successes: Clopper and Pearson's. Of an F1 or
//! a difference of two: bootstrap over whole account-days.

use super::interval;
use crate::support::rng::Rng;

/// What an interval's ends together may fail by.
pub(crate) const FAILS: f64 = 0.05;

/// The normal distribution's quantile for [`FAILS`] on two sides.
const QUANTILE: f64 = 1.959_964;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2_000;

/// A figure with its interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// A sample of a game with two answers: the attack's score, the truth, and the world-day it is of.
#[derive(Clone, Copy)]
pub(crate) struct Scored {
    pub(crate) score: f64,
    pub(crate) positive: bool,
    pub(crate) cluster: usize,
}

/// Area under the ROC curve: how often a positive scores above a negative, ties counted half.
///
/// # Source
/// DeLong, DeLong, Clarke-Pearson, Biometrics 44 (1988); Obuchowski, Biometrics 53 (1997) for clusters.
///
/// # Panics
/// Without samples of both kinds.
pub(crate) fn auc(samples: &[Scored]) -> Estimate {
    let (positives, negatives) = split(samples);
    assert!(!positives.is_empty() && !negatives.is_empty(), "both answers are among the samples");
    let clusters = samples.iter().map(|sample| sample.cluster + 1).max().unwrap_or(1);
    let mut sums = vec![[0.0; 2]; clusters];
    let mut counts = vec![[0.0; 2]; clusters];
    let mut area = 0.0;
    for sample in samples {
        let others = if sample.positive { &negatives } else { &positives };
        let below = others.partition_point(|other| *other < sample.score);
        let ties = others[below..].partition_point(|other| *other <= sample.score);
        let share = (below as f64 + ties as f64 / 2.0) / others.len() as f64;
        let placement = if sample.positive { share } else { 1.0 - share };
        let side = usize::from(!sample.positive);
        sums[sample.cluster][side] += placement;
        counts[sample.cluster][side] += 1.0;
        if sample.positive {
            area += placement;
        }
    }
    let sizes = [positives.len() as f64, negatives.len() as f64];
    let value = area / sizes[0];
    let clusters = clusters as f64;
    let product = |left: usize, right: usize| -> f64 {
        let away = |at: usize, side: usize| sums[at][side] - counts[at][side] * value;
        (0..sums.len()).map(|at| away(at, left) * away(at, right)).sum::<f64>() * clusters
            / ((clusters - 1.0).max(1.0) * sizes[left] * sizes[right])
    };
    let variance = product(0, 0) + product(1, 1) + 2.0 * product(0, 1);
    let half = QUANTILE * variance.max(0.0).sqrt();
    Estimate { value, low: (value - half).max(0.0), high: (value + half).min(1.0) }
}

fn split(samples: &[Scored]) -> (Vec<f64>, Vec<f64>) {
    let side = |positive| {
        let mut scores: Vec<f64> =
            samples.iter().filter(|sample| sample.positive == positive).map(|sample| sample.score).collect();
        scores.sort_unstable_by(f64::total_cmp);
        scores
    };
    (side(true), side(false))
}

/// A share of successes.
pub(crate) fn share(successes: u32, runs: u32) -> Estimate {
    Estimate {
        value: f64::from(successes) / f64::from(runs),
        low: interval::lower(successes, runs, FAILS / 2.0),
        high: interval::upper(successes, runs, FAILS / 2.0),
    }
}

/// Guessed and true moments of one account-day, and how many of them meet.
#[derive(Clone, Copy, Default)]
pub(crate) struct Matched {
    pub(crate) guessed: u32,
    pub(crate) truth: u32,
    pub(crate) both: u32,
}

impl Matched {
    /// Pairs guesses with true moments, each once, the nearest in order of time; both ascend.
    pub(crate) fn of(guesses: &[u32], truth: &[u32], within_seconds: u32) -> Self {
        let (mut guess, mut moment, mut both) = (0, 0, 0);
        while guess < guesses.len() && moment < truth.len() {
            if guesses[guess].abs_diff(truth[moment]) <= within_seconds {
                both += 1;
                guess += 1;
                moment += 1;
            } else if guesses[guess] < truth[moment] {
                guess += 1;
            } else {
                moment += 1;
            }
        }
        let count = |moments: &[u32]| u32::try_from(moments.len()).expect("moments of one day");
        Self { guessed: count(guesses), truth: count(truth), both }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            guessed: self.guessed + other.guessed,
            truth: self.truth + other.truth,
            both: self.both + other.both,
        }
    }

    /// The harmonic mean of precision and recall; 0 where nothing was guessed and nothing was true.
    pub(crate) fn f1(self) -> f64 {
        let all = f64::from(self.guessed + self.truth);
        if all == 0.0 { 0.0 } else { 2.0 * f64::from(self.both) / all }
    }
}

/// F1 over account-days, with its bootstrap interval.
pub(crate) fn f1(days: &[Matched], rng: &mut Rng) -> Estimate {
    bootstrap(days, |days| days.iter().fold(Matched::default(), |sum, day| sum.plus(**day)).f1(), rng)
}

/// By how much the first of two attacks on the same account-days scores above the second.
pub(crate) fn f1_gain(days: &[(Matched, Matched)], rng: &mut Rng) -> Estimate {
    let gain = |days: &[&(Matched, Matched)]| {
        let sum = |side: fn(&(Matched, Matched)) -> Matched| {
            days.iter().fold(Matched::default(), |sum, day| sum.plus(side(day))).f1()
        };
        sum(|day| day.0) - sum(|day| day.1)
    };
    bootstrap(days, gain, rng)
}

/// The percentile interval of a figure, over resampled units.
fn bootstrap<T>(units: &[T], figure: impl Fn(&[&T]) -> f64, rng: &mut Rng) -> Estimate {
    let value = figure(&units.iter().collect::<Vec<_>>());
    let mut figures: Vec<f64> = (0..RESAMPLES)
        .map(|_| figure(&units.iter().map(|_| &units[rng.below(units.len())]).collect::<Vec<_>>()))
        .collect();
    figures.sort_unstable_by(f64::total_cmp);
    let cut = RESAMPLES * 25 / 1000;
    Estimate { value, low: figures[cut], high: figures[RESAMPLES - 1 - cut] }
}

#[test]
fn areas_and_their_intervals_are_those_of_known_distributions() {
    let scored = |score, positive, cluster| Scored { score, positive, cluster };
    let tied = auc(&[scored(1.0, true, 0), scored(1.0, false, 1)]);
    assert!((tied.value - 0.5).abs() < 1e-12);
    // Two normal distributions a standard deviation apart: 0.7602.
    let mut rng = Rng::of(&[1]);
    let mut hits = 0;
    for _ in 0..200 {
        let samples: Vec<Scored> = (0..400)
            .map(|at| {
                scored(rng.lognormal(if at % 2 == 0 { 1.0_f64.exp() } else { 1.0 }, 1.0), at % 2 == 0, at)
            })
            .collect();
        let found = auc(&samples);
        hits += u32::from((found.low..=found.high).contains(&0.760_25));
    }
    assert!((180..=199).contains(&hits), "{hits} of 200 intervals hold the area");
}

/// Copies of the same samples tell nothing more, if they are said to hang together.
#[test]
fn samples_that_hang_together_do_not_narrow_an_interval() {
    let mut rng = Rng::of(&[2]);
    let once: Vec<Scored> =
        (0..200).map(|at| Scored { score: rng.share(), positive: at % 2 == 0, cluster: at }).collect();
    let copies: Vec<Scored> = once.iter().flat_map(|sample| [*sample; 9]).collect();
    let (one, many) = (auc(&once), auc(&copies));
    assert!((one.value - many.value).abs() < 1e-9);
    assert!((one.high - many.high).abs() < 1e-3, "{one:?} {many:?}");
}

#[test]
fn moments_are_matched_once_each() {
    let matched = |guesses: &[u32], truth: &[u32]| Matched::of(guesses, truth, 60).both;
    assert_eq!(matched(&[100, 110], &[105]), 1);
    assert_eq!(matched(&[100], &[40, 160]), 1);
    assert_eq!(matched(&[10, 1000], &[80, 1050]), 1);
    let perfect = Matched::of(&[5, 500], &[5, 500], 60);
    assert!((perfect.f1() - 1.0).abs() < 1e-12);
}
