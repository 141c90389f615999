//! Game G4: which of the accounts is somebody whose download of a day is known?
//!
//! The adversary knows that a person moved so many bytes at one time of a day, about 2 GiB, and looks in
//! `/metrics` for an account that did. The score is how often the account it names is the right one;
//! accounts between which nothing decides share the guess, so that chance is one in all.

use super::boundaries::Sight;
use super::exporter::Change;
use super::history::DayHistory;
use super::learners::{Learned, Lesson};
use super::worlds::{STRATA, World};

/// Lengths of stretches that are compared with what is known, in steps.
const STRETCHES: [usize; 4] = [12, 24, 30, 48];

/// What a target shows of an account's day: bytes in all, bytes down, and the most in each stretch.
type Shown = [f64; STRETCHES.len() + 2];

/// What a target shows of each account; nothing where it has no series of accounts.
fn shown(sight: Sight, history: &DayHistory, accounts: usize) -> Vec<Option<Shown>> {
    let view = if sight == Sight::Exporter { &history.exporter } else { &history.blindmeter };
    (0..accounts).map(|account| view.accounts.get(account).map(|changes| summary(changes))).collect()
}

fn summary(changes: &[Change]) -> Shown {
    let mut sums = vec![0.0];
    let mut down = 0.0;
    for (at, change) in changes.iter().enumerate() {
        sums.push(sums[at] + change.up + change.down);
        down += change.down;
    }
    let mut shown = [0.0; STRETCHES.len() + 2];
    (shown[0], shown[1]) = (sums[changes.len()], down);
    for (most, stretch) in shown[2..].iter_mut().zip(STRETCHES) {
        *most = sums.windows(stretch + 1).map(|sums| sums[stretch] - sums[0]).fold(0.0, f64::max);
    }
    shown
}

/// What is shown beside a volume that is known: how far each is from it, as a ratio.
fn row(shown: Option<&Shown>, bytes: u64) -> Vec<f64> {
    let far = |moved: &f64| if *moved <= 0.0 { 9.0 } else { (moved / bytes as f64).ln().abs().min(9.0) };
    shown.map_or_else(|| vec![0.0; STRETCHES.len() + 2], |shown| shown.iter().map(far).collect())
}

/// Adds a day's transfers to a lesson: the right account, and others of every stratum.
pub(crate) fn learn_from(lesson: &mut Lesson, sight: Sight, history: &DayHistory, world: World) {
    let shown = shown(sight, history, world.accounts);
    for stratum in STRATA {
        let (right, bytes) = world.transfer(stratum, history.day);
        let others = (0..world.accounts).filter(|account| *account != right);
        lesson.add(row(shown[right].as_ref(), bytes), true);
        for account in others.step_by((world.accounts / 24).max(1)) {
            lesson.add(row(shown[account].as_ref(), bytes), false);
        }
    }
}

/// Guesses on one day: by attack and stratum, the chance that the account which is named is right.
pub(crate) fn guess(
    learned: &[Learned],
    sight: Sight,
    history: &DayHistory,
    world: World,
) -> Vec<[f64; STRATA.len()]> {
    let shown = shown(sight, history, world.accounts);
    let day = |learned: &Learned| {
        STRATA.map(|stratum| {
            let (right, bytes) = world.transfer(stratum, history.day);
            let scores: Vec<f64> =
                shown.iter().map(|shown| learned.score(&row(shown.as_ref(), bytes))).collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let named = scores.iter().filter(|score| **score >= most).count();
            if scores[right] >= most { 1.0 / named as f64 } else { 0.0 }
        })
    };
    learned.iter().map(day).collect()
}
