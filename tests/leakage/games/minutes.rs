//! Game G2: was an account online in a certain minute?
//!
//! Two worlds differ in the time of every session, inside its day, and in nothing else but the noise
//! that each draws. For each account-day one minute is taken that only the first world's account was
//! online in, and one that only the second's was; so the hour tells nothing, and half is a coin.

use super::boundaries::Sight;
use super::history::DayHistory;
use super::learners::{ATTACKS, Attack, Lesson};
use super::prior::Priors;
use super::statistics::{Estimate, Scored, auc};
use super::worlds::{AccountDay, STEP_SECONDS, STEPS, STRATA};
use crate::support::rng::Rng;

const STEPS_A_MINUTE: usize = 60 / STEP_SECONDS as usize;

const MINUTES: usize = STEPS / STEPS_A_MINUTE;

/// What the two sights of this game are.
pub(crate) const SIGHTS: [Sight; 2] = [Sight::Exporter, Sight::Blindmeter];

/// A minute of an account's day in one of the worlds, as each sight shows it.
struct Sample {
    stratum: usize,
    online: bool,
    /// The day, in both worlds of the pair: they share every minute that is asked for.
    cluster: usize,
    rows: [Vec<f64>; SIGHTS.len()],
}

/// Samples of one pair of worlds.
#[derive(Default)]
pub(crate) struct Samples(Vec<Sample>);

/// Minutes of a day: for each, whether the account was online all through it, or not at all.
fn minutes(truth: &AccountDay) -> Vec<Option<bool>> {
    let mut online = vec![0; MINUTES];
    for session in &truth.sessions {
        for step in session.steps().filter(|step| *step < STEPS) {
            online[step / STEPS_A_MINUTE] += 1;
        }
    }
    let told = |steps| match steps {
        0 => Some(false),
        STEPS_A_MINUTE => Some(true),
        _ => None,
    };
    online.into_iter().map(told).collect()
}

/// A minute that is online in the first day and not in the second.
fn minute_of(first: &[Option<bool>], second: &[Option<bool>], rng: &mut Rng) -> Option<usize> {
    let differ: Vec<usize> =
        (0..MINUTES).filter(|at| first[*at] == Some(true) && second[*at] == Some(false)).collect();
    if differ.is_empty() { None } else { Some(differ[rng.below(differ.len())]) }
}

impl Samples {
    /// Takes the samples of one account's day in one of two worlds; `pair` is the day in both, the
    /// first world's first, and `second` says which of them is lived.
    pub(crate) fn add(
        &mut self,
        history: &DayHistory,
        account: usize,
        pair: [&AccountDay; 2],
        second: bool,
        (seed, priors): (u64, &Priors),
    ) {
        let stratum = account % STRATA.len();
        // The same minutes whichever world is lived.
        let mut rng = Rng::of(&[seed, 4, account as u64, history.day as u64]);
        let [one, other] = pair.map(minutes);
        let (only_one, only_other) = (minute_of(&one, &other, &mut rng), minute_of(&other, &one, &mut rng));
        let (Some(only_one), Some(only_other)) = (only_one, only_other) else { return };
        let looks = SIGHTS.map(|sight| sight.looks(history, account));
        for (minute, online) in [(only_one, !second), (only_other, second)] {
            let step = minute * STEPS_A_MINUTE + STEPS_A_MINUTE / 2;
            let rows = [0, 1].map(|at: usize| looks[at].row(step, &priors[stratum]));
            self.0.push(Sample { stratum, online, cluster: history.day, rows });
        }
    }

    /// Samples of both worlds of a pair together.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The best attack of a sight on a stratum, fitted on one pair of worlds and scored on another.
pub(crate) fn play(
    learned_on: &Samples,
    scored_on: &Samples,
    sight: Sight,
    stratum: usize,
) -> (Attack, Estimate) {
    let at = SIGHTS.iter().position(|one| *one == sight).expect("a sight of this game");
    let mut lesson = Lesson::default();
    for sample in learned_on.0.iter().filter(|sample| sample.stratum == stratum) {
        lesson.add(sample.rows[at].clone(), sample.online);
    }
    let area = |attack: Attack| {
        let learned = attack.learn(&lesson);
        let samples = scored_on.0.iter().filter(|sample| sample.stratum == stratum);
        let scored = samples.map(|sample| Scored {
            score: learned.score(&sample.rows[at]),
            positive: sample.online,
            cluster: sample.cluster,
        });
        (attack, auc(&scored.collect::<Vec<_>>()))
    };
    let away = |estimate: &Estimate| (estimate.value - 0.5).abs();
    ATTACKS.map(area).into_iter().max_by(|l, r| away(&l.1).total_cmp(&away(&r.1))).expect("attacks")
}
