//! What an adversary knows before any scrape: how likely a thing is at each hour of a stratum's day.
//! Counted in worlds that are not scored.

use super::views::{QUARTERS, quarter, step_of};
use super::worlds::{AccountDay, STEPS, STRATA, Stratum, World};

/// Log-odds by stratum and quarter of an hour.
pub(crate) type Priors = [[f64; QUARTERS]; STRATA.len()];

/// Which steps of a day count.
#[derive(Clone, Copy)]
pub(crate) enum Of {
    /// A session begins or ends.
    Boundaries,
    /// A session goes on.
    Online,
}

/// Counts over these days of a world.
pub(crate) fn learn(world: World, days: usize, of: Of) -> Priors {
    let mut counts = [[1.0; QUARTERS]; STRATA.len()];
    let mut all = [1.0; STRATA.len()];
    for day in 0..days {
        for account in 0..world.accounts {
            let truth = world.day(account, day);
            let stratum = Stratum::of(account) as usize;
            all[stratum] += 1.0;
            for step in steps(&truth, of) {
                counts[stratum][quarter(step)] += 1.0;
            }
        }
    }
    for (counts, days) in counts.iter_mut().zip(all) {
        let steps = days * (STEPS / QUARTERS) as f64;
        counts.iter_mut().for_each(|count| *count = (*count / (steps - *count).max(1.0)).ln());
    }
    counts
}

fn steps(truth: &AccountDay, of: Of) -> Vec<usize> {
    match of {
        Of::Boundaries => boundaries(truth).into_iter().map(step_of).collect(),
        Of::Online => truth.sessions.iter().flat_map(|session| session.steps()).collect(),
    }
}

/// When sessions begin and end, in seconds of the day, ascending.
pub(crate) fn boundaries(truth: &AccountDay) -> Vec<u32> {
    truth.sessions.iter().flat_map(|session| [session.starts, session.ends]).collect()
}
