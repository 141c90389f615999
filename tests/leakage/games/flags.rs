//! Game G11: was one account flagged, told by whoever reads a year of flag counts?
//!
//! Every account's days are judged by the daemon's own flags, and each day's counts are published by the daemon's
//! own releases. The adversary knows every other account's flags, and on which days this one would have been
//! flagged with what; it reads all counts of 365 releases. One world has the trouble, the other has not. A flag
//! that shows for weeks is counted at the releases of the days on which it is raised, and the goal counts those.

use super::learners::Attack;
use super::membership::best;
use super::report::{Form, Row};
use super::statistics::Estimate;
use super::threads::on_two_threads;
use super::verdict::{Goal, control, figure};
use crate::support::rng::Rng;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::epoch::Epochs;
use blindmeter::meter::flag_counts::{FlagCounts, KINDS};
use blindmeter::meter::flags::rates::{Preset, Rates};
use blindmeter::meter::flags::watch::{Watch, WatchState};
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::policy::{DAY_SECONDS, KINDS_OF_AN_ACCOUNT, Policy};
use blindmeter::meter::release::Release;
use blindmeter::meter::units::{Totals, Volume};

const DAYS: usize = 365;
const TICKS: usize = 24;

/// Fewer than a hundred: whatever happens to them is no mass event.
const ACCOUNTS: usize = 32;

/// The account that is asked about.
const ASKED: usize = 0;

/// The scale of the noise on a count: an epsilon of 0.2 for each of an account's two kinds.
const SCALE: f64 = 5.0;
/// The same of how far the node looks interrupted, and where it does.
const INTERRUPTION_SCALE: f64 = 10.0;
const INTERRUPTED_ABOVE: i64 = 70;
/// Counts are rounded to multiples of this.
const STEP: i64 = 8;

/// What is asked of a year.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secret {
    /// Cut off for an hour of one day.
    Hour,
    /// A flood on one day, hardly answered: two kinds.
    Flood,
    /// Uploads for three weeks.
    Uploads,
    /// Cut off for an hour of every day: raised again and again.
    Always,
    /// The flood, once a week.
    Weekly,
}

const SECRETS: [Secret; 5] = [Secret::Hour, Secret::Flood, Secret::Uploads, Secret::Always, Secret::Weekly];

impl Secret {
    const fn word(self) -> &'static str {
        match self {
            Self::Hour => "cut off for an hour of one day",
            Self::Flood => "a flood on one day",
            Self::Uploads => "uploads for three weeks",
            Self::Always => "cut off for an hour of every day",
            Self::Weekly => "a flood every week",
        }
    }

    /// How many counts of a year it moves at the most: each raise in one release, and what an episode leaves in the
    /// baseline may raise one more now and then. A flag that is counted while it is shown moves seven times as many.
    const fn most_counts(self) -> u64 {
        match self {
            Self::Hour => 3,
            Self::Flood => 5,
            Self::Uploads => 10,
            Self::Always => 56,
            Self::Weekly => 110,
        }
    }

    /// What the account moves in this tick, where it is in trouble in it.
    fn trouble(self, day: usize, tick: usize) -> Option<Totals> {
        let cut_off = sums([1_400_000, 20_000], [0, 0]);
        let flood = sums([180_000_000, 3_000_000], [30_000, 500]);
        match self {
            Self::Hour => (day == 200 && tick == 7).then_some(cut_off),
            Self::Flood => (day == 200 && tick == 7).then_some(flood),
            Self::Uploads => {
                (200..221).contains(&day).then(|| sums([900_000_000, 700_000], [9_000_000, 300_000]))
            }
            Self::Always => (day >= 10 && tick == 7).then_some(cut_off),
            Self::Weekly => (day >= 10 && day % 7 == 3 && tick == 7).then_some(flood),
        }
    }
}

fn sums(up: [u64; 2], down: [u64; 2]) -> Totals {
    let volume = |[bytes, packets]: [u64; 2]| Volume { bytes, packets };
    Totals { up: volume(up), down: volume(down) }
}

/// The exact counts of a year: of usual accounts, each of which is cut off for an hour now and then.
fn judged(seed: u64, secret: Option<Secret>) -> Vec<FlagCounts> {
    let rates = Rates::of(DAY_SECONDS, 3_600_000_000_000, Preset::Strict);
    let mut watch = Watch::resumed(&rates, 20_000, Vec::new(), ACCOUNTS, WatchState::default());
    let mut rng = Rng::of(&[seed, 110]);
    let day = |day: usize| {
        let mut of_day = [Totals::default(); ACCOUNTS];
        let bad = [(); ACCOUNTS].map(|()| rng.chance(0.05).then(|| rng.below(TICKS)));
        for tick in 0..TICKS {
            let mut of_tick = [Totals::default(); ACCOUNTS];
            for (at, tick_sums) in of_tick.iter_mut().enumerate() {
                let busy = rng.lognormal(1.0, 0.3) * (1.0 + at as f64 / 8.0);
                let times = |count: f64| super::distributions::whole(count * busy);
                *tick_sums = sums([times(4e6), times(2e4)], [times(8e7), times(6e4)]);
                if at != ASKED && bad[at] == Some(tick) {
                    *tick_sums = sums([1_400_000, 20_000], [0, 0]);
                }
                if at == ASKED
                    && let Some(trouble) = secret.and_then(|secret| secret.trouble(day, tick))
                {
                    *tick_sums = trouble;
                }
            }
            watch.tick(|at| of_tick[at]);
            of_day.iter_mut().zip(of_tick).for_each(|(day, tick)| *day = day.plus(tick));
        }
        let counts = watch.close(|at| of_day[at]);
        watch.tell();
        counts
    };
    (0..DAYS).map(day).collect()
}

/// The two worlds as they are, and which of a year's counts differ between them.
struct Worlds {
    with: Vec<FlagCounts>,
    without: Vec<FlagCounts>,
    differing: u64,
}

impl Worlds {
    /// # Panics
    /// Where an account moves a release, or a year of them, by more than the noise is made for.
    fn of(seed: u64, secret: Secret) -> Self {
        let [with, without] = [judged(seed, Some(secret)), judged(seed, None)];
        let mut differing = 0;
        for (with, without) in with.iter().zip(&without) {
            let moved: u64 =
                with.accounts.iter().zip(without.accounts).map(|(one, other)| one.abs_diff(other)).sum();
            assert!(moved <= u64::from(KINDS_OF_AN_ACCOUNT), "an account counts for two kinds at the most");
            assert!(with.interruption.abs_diff(without.interruption) <= 1, "and as one sender");
            differing += moved;
        }
        assert!(differing <= secret.most_counts(), "{}: {differing} counts of a year", secret.word());
        Self { with, without, differing }
    }
}

/// The area that the budget allows: of so many counts that differ by one, each with noise of its own.
///
/// # Source
/// Of discrete Laplace noise of scale b, counts one apart are told by one bit, which is right with
/// 1 / (1 + exp(-1/b)): the best test counts the bits.
fn allowed(differing: u64) -> f64 {
    let right = 1.0 / (1.0 + (-1.0 / SCALE).exp());
    let mut bits = vec![1.0];
    for _ in 0..differing {
        let mut more = vec![0.0; bits.len() + 1];
        for (at, probability) in bits.iter().enumerate() {
            more[at] += probability * (1.0 - right);
            more[at + 1] += probability * right;
        }
        bits = more;
    }
    // In the other world as many are wrong.
    let (mut area, mut below) = (0.0, 0.0);
    for (of_with, of_without) in bits.iter().zip(bits.iter().rev()) {
        area += of_with * (below + of_without / 2.0);
        below += of_without;
    }
    area
}

/// The chance that noise of this scale is at most this.
fn at_most(noise: i64, scale: f64) -> f64 {
    let tail = |distance: i64| (-(distance as f64) / scale).exp() / (1.0 + (-1.0 / scale).exp());
    if noise >= 0 { 1.0 - tail(noise + 1) } else { tail(-noise) }
}

/// The chance that a count is published as this.
fn published_as(shown: u64, count: u64) -> f64 {
    let [shown, count] = [shown, count].map(|number| i64::try_from(number).expect("few accounts"));
    let below = if shown == 0 { 0.0 } else { at_most(shown - STEP / 2 - 1 - count, SCALE) };
    at_most(shown + STEP / 2 - 1 - count, SCALE) - below
}

/// What the adversary makes of a year: the best test of all that is published, and simpler sums.
fn row(worlds: &Worlds, shown: &[Release]) -> Vec<f64> {
    let mut row = vec![0.0; 4 + KINDS.len()];
    for ((with, without), release) in worlds.with.iter().zip(&worlds.without).zip(shown) {
        let differs = with.accounts != without.accounts;
        for (kind, shown) in release.irregular_accounts().into_iter().enumerate() {
            let [one, other] = [with, without].map(|counts| counts.accounts[kind]);
            row[0] += (published_as(shown, one) / published_as(shown, other)).ln();
            let left = shown as f64 - other as f64;
            row[1] += left;
            row[2] += if differs { left } else { 0.0 };
            row[4 + kind] += left;
        }
        let looks = |counts: &FlagCounts| {
            let calm = at_most(INTERRUPTED_ABOVE - counts.interruption, INTERRUPTION_SCALE);
            if release.interrupted() { 1.0 - calm } else { calm }
        };
        row[0] += (looks(with) / looks(without)).ln();
        row[3] += f64::from(u8::from(release.interrupted())) + f64::from(u8::from(release.mass_event()));
    }
    row
}

/// What two adversaries have of a year: of blindmeter's releases, and of exact counts.
struct Year {
    released: Vec<f64>,
    exact: Vec<f64>,
}

/// So many years of one world, each of its own noise.
fn years(seed: u64, worlds: &Worlds, there: bool, count: usize) -> Vec<Year> {
    let mut ledger = Ledger::new(Counters::in_memory(1));
    let mut rng = Rng::of(&[seed, 111, u64::from(there)]);
    let counts = if there { &worlds.with } else { &worlds.without };
    let sum = |counts: &FlagCounts| counts.accounts.iter().sum::<u64>();
    let exact: u64 = counts.iter().map(sum).sum();
    let mut year = || {
        let mut epochs = Epochs::new(Policy::DEFAULT, 0);
        let release = |(day, counts): (u64, &FlagCounts)| {
            assert!(epochs.seal(day, &mut ledger, counts, &mut rng).is_ok(), "ordinals ascend");
            epochs.publish().expect("it was sealed")
        };
        let shown: Vec<Release> = (1..).zip(counts).map(release).collect();
        Year { released: row(worlds, &shown), exact: vec![exact as f64] }
    };
    (0..count).map(|_| year()).collect()
}

struct Found {
    differing: u64,
    blindmeter: (Attack, Estimate),
    exact: Estimate,
}

fn play_one(seed: u64, secret: Secret, [learned, scored]: [usize; 2]) -> Found {
    let of = |stream: u64, count: usize| {
        let seed = Rng::of(&[seed, 112, stream, secret as u64]).word();
        let worlds = Worlds::of(seed, secret);
        let years = [true, false].map(|there| years(seed, &worlds, there, count));
        (worlds.differing, years)
    };
    let ((_, learned), (differing, scored)) = (of(1, learned), of(2, scored));
    let play = |sight| best([&learned[0], &learned[1]], [&scored[0], &scored[1]], sight);
    Found {
        differing,
        blindmeter: play(|year: &Year| &year.released),
        exact: play(|year: &Year| &year.exact).1,
    }
}

/// Plays every secret, on two threads.
pub(crate) fn play(seed: u64, form: Form) -> Vec<Row> {
    let sizes = form.choose([60, 200], [600, 3_000]);
    let found = on_two_threads(&SECRETS, |secret| play_one(seed, *secret, sizes));
    let row = |(secret, found): (&Secret, &Found)| {
        let (attack, area) = found.blindmeter;
        let allowed = allowed(found.differing);
        let goal = Goal::AtMost(allowed + 0.02);
        Row {
            check: format!("G11 a year of flag counts, everything else known: {} (AUC)", secret.word()),
            control: Some(control("exact counts, AUC", &found.exact, "DeLong 95 %", 1.0)),
            figure: figure(&area, "DeLong 95 %"),
            goal: format!(
                "{}: an epsilon of 0.2 for each of {} counts {allowed:.4} + 0.02",
                goal.text(form),
                found.differing
            ),
            passes: goal.holds(&area, form),
            note: format!("{} years of each kind ({})", sizes[1], attack.word()),
        }
    };
    SECRETS.iter().zip(&found).map(row).collect()
}

#[test]
fn what_the_budget_allows_is_what_the_documents_say() {
    for (differing, area) in [(0, 0.5), (1, 0.550), (2, 0.574), (6, 0.633), (53, 0.848), (106, 0.927)] {
        assert!((allowed(differing) - area).abs() < 6e-4, "{differing}: {}", allowed(differing));
    }
    let of_count: f64 = (0..40).map(|step| published_as(8 * step, 5)).sum();
    assert!((of_count - 1.0).abs() < 1e-9 && (at_most(-1, 5.0) + at_most(0, 5.0) - 1.0).abs() < 1e-9);
}
