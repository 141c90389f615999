//! Game G1: when did an account's sessions begin and end?
//!
//! The adversary scrapes, has learned on other worlds what a boundary looks like, and names moments;
//! one within 60 seconds of a true boundary is found. The score is F1 over account-days. The measure
//! for blindmeter is the same attack without any metrics, which knows the habits of each stratum.

use super::history::DayHistory;
use super::learners::{ATTACKS, Attack, Learned, Lesson};
use super::prior::{Priors, boundaries};
use super::statistics::{Estimate, Matched, f1, f1_gain};
use super::views::{Looks, step_of};
use super::worlds::{AccountDay, STEP_SECONDS, STEPS, STRATA};
use crate::support::rng::Rng;

/// How far a guess may be off.
const WITHIN_SECONDS: u32 = 60;

/// Steps within which only the best guess counts.
const APART_STEPS: usize = 4;

/// What the adversary looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    Exporter,
    Blindmeter,
    Nothing,
}

pub(crate) const SIGHTS: [Sight; 3] = [Sight::Exporter, Sight::Blindmeter, Sight::Nothing];

impl Sight {
    pub(crate) fn looks(self, history: &DayHistory, account: usize) -> Looks {
        match self {
            Self::Exporter => Looks::of(&history.exporter, account),
            Self::Blindmeter => Looks::of(&history.blindmeter, account),
            Self::Nothing => Looks::of_nothing(),
        }
    }
}

/// The lessons of one sight, by stratum; and days to choose a threshold on.
#[derive(Default)]
pub(crate) struct School {
    lessons: [Lesson; STRATA.len()],
    choosing: Vec<(usize, Looks, Vec<u32>)>,
}

/// An account's day to learn from.
pub(crate) fn learn_from(
    school: &mut School,
    sight: Sight,
    history: &DayHistory,
    account: usize,
    priors: &Priors,
    rng: &mut Rng,
) {
    let truth = &history.truths[account];
    let stratum = account % STRATA.len();
    let looks = sight.looks(history, account);
    let steps: Vec<usize> = boundaries(truth).into_iter().map(step_of).collect();
    let lesson = &mut school.lessons[stratum];
    steps.iter().for_each(|step| lesson.add(looks.row(*step, &priors[stratum]), true));
    for at in 0..24 {
        // Every second one near a boundary, where it is hard.
        let (anywhere, by) = (rng.below(STEPS), rng.below(33));
        let near = steps.get(rng.below(steps.len().max(1))).filter(|_| at % 2 == 0);
        let step = near.map_or(anywhere, |step| (step + by).saturating_sub(16));
        if steps.iter().all(|boundary| boundary.abs_diff(step) > 1) {
            lesson.add(looks.row(step.min(STEPS - 1), &priors[stratum]), false);
        }
    }
}

/// An account's day on which thresholds are chosen.
pub(crate) fn choose_on(school: &mut School, sight: Sight, history: &DayHistory, account: usize) {
    let looks = sight.looks(history, account);
    school.choosing.push((account % STRATA.len(), looks, boundaries(&history.truths[account])));
}

/// One attack of one sight on one stratum, ready.
pub(crate) struct Finder {
    learned: Learned,
    least: f64,
}

/// Steps with their scores, the highest first.
type Peaks = Vec<(f64, usize)>;

/// The attacks of one sight, by stratum.
pub(crate) fn graduate(school: &School, priors: &Priors) -> Vec<[Finder; ATTACKS.len()]> {
    let finder = |stratum: usize, attack: Attack| {
        let learned = attack.learn(&school.lessons[stratum]);
        let days = school.choosing.iter().filter(|day| day.0 == stratum);
        let days: Vec<(Peaks, &[u32])> = days
            .map(|(_, looks, truth)| (peaks(&learned, looks, &priors[stratum]), truth.as_slice()))
            .collect();
        let least = best_threshold(&days);
        Finder { learned, least }
    };
    (0..STRATA.len()).map(|stratum| ATTACKS.map(|attack| finder(stratum, attack))).collect()
}

/// The steps of a day that score above all around them, the highest first.
fn peaks(learned: &Learned, looks: &Looks, prior: &[f64; super::views::QUARTERS]) -> Peaks {
    let mut steps: Peaks = (0..STEPS).map(|step| (learned.score(&looks.row(step, prior)), step)).collect();
    steps.sort_by(|left, right| right.0.total_cmp(&left.0));
    let mut taken = vec![false; STEPS];
    steps.retain(|(_, step)| {
        let around = step.saturating_sub(APART_STEPS - 1)..(step + APART_STEPS).min(STEPS);
        let free = !taken[around].iter().any(|taken| *taken);
        taken[*step] |= free;
        free
    });
    steps
}

/// The guesses of a day: peaks of at least this score, as seconds in the middle of their steps.
fn guesses(peaks: &[(f64, usize)], least: f64) -> Vec<u32> {
    let steps = peaks.iter().take_while(|(score, _)| *score >= least);
    let mut seconds: Vec<u32> = steps
        .map(|(_, step)| u32::try_from(*step).expect("a step of a day") * STEP_SECONDS + STEP_SECONDS / 2)
        .collect();
    seconds.sort_unstable();
    seconds
}

/// The threshold with the highest F1 over these days.
fn best_threshold(days: &[(Peaks, &[u32])]) -> f64 {
    let mut scores: Vec<f64> = days.iter().flat_map(|(peaks, _)| peaks.iter().map(|peak| peak.0)).collect();
    scores.sort_unstable_by(|left, right| right.total_cmp(left));
    scores.dedup();
    let f1_at = |least: f64| {
        let days =
            days.iter().map(|(peaks, truth)| Matched::of(&guesses(peaks, least), truth, WITHIN_SECONDS));
        days.fold(Matched::default(), Matched::plus).f1()
    };
    // Finely among the few best, coarsely among the many others.
    let mut tried: Vec<f64> = Vec::new();
    let mut at = 0;
    while at < scores.len() {
        tried.push(scores[at]);
        at = (at + 1).max(at * 21 / 20);
    }
    let best =
        tried.into_iter().map(|least| (f1_at(least), least)).max_by(|left, right| left.0.total_cmp(&right.0));
    best.map_or(f64::INFINITY, |best| best.1)
}

/// What every attack of every sight found on scored account-days, by stratum.
#[derive(Default)]
pub(crate) struct Scores {
    days: [Vec<[[Matched; ATTACKS.len()]; SIGHTS.len()]>; STRATA.len()],
}

impl Scores {
    pub(crate) fn add(
        &mut self,
        finders: &[Vec<[Finder; ATTACKS.len()]>; SIGHTS.len()],
        history: &DayHistory,
        account: usize,
        priors: &Priors,
    ) {
        let stratum = account % STRATA.len();
        let truth = boundaries(&history.truths[account]);
        let found = SIGHTS.map(|sight| {
            let looks = sight.looks(history, account);
            let finders = &finders[sight as usize][stratum];
            [0, 1, 2].map(|attack: usize| {
                let peaks = peaks(&finders[attack].learned, &looks, &priors[stratum]);
                Matched::of(&guesses(&peaks, finders[attack].least), &truth, WITHIN_SECONDS)
            })
        });
        self.days[stratum].push(found);
    }

    /// The F1 of the best attack of a sight on a stratum.
    pub(crate) fn f1(&self, sight: Sight, stratum: usize, rng: &mut Rng) -> (Attack, Estimate) {
        let attack = self.best(sight, stratum);
        let days: Vec<Matched> = self.days[stratum].iter().map(|day| day[sight as usize][attack]).collect();
        (ATTACKS[attack], f1(&days, rng))
    }

    /// By how much blindmeter's metrics help on a stratum: the best attack with them, less the best
    /// without.
    pub(crate) fn gain(&self, stratum: usize, rng: &mut Rng) -> Estimate {
        let (with, without) = (self.best(Sight::Blindmeter, stratum), self.best(Sight::Nothing, stratum));
        let days = self.days[stratum].iter();
        let pair = |day: &[[Matched; 3]; 3]| {
            (day[Sight::Blindmeter as usize][with], day[Sight::Nothing as usize][without])
        };
        f1_gain(&days.map(pair).collect::<Vec<_>>(), rng)
    }

    fn best(&self, sight: Sight, stratum: usize) -> usize {
        let score = |attack: &usize| {
            let days = self.days[stratum].iter().map(|day| day[sight as usize][*attack]);
            days.fold(Matched::default(), Matched::plus).f1()
        };
        (0..ATTACKS.len()).max_by(|left, right| score(left).total_cmp(&score(right))).expect("attacks")
    }
}

/// Account-days that have anything to find.
pub(crate) fn has_sessions(truth: &AccountDay) -> bool {
    !truth.sessions.is_empty()
}
