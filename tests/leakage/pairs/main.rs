//! Layer 1 of the leakage harness: two worlds that differ in when traffic passed, compared byte by byte.
//!
//! `LEAKAGE_FORM=full` is the long form, `LEAKAGE_SEED=n` another set of pairs, `LEAKAGE_SEEDS=n` so
//! many of them. A seed that failed is run alone by `LEAKAGE_PAIR=n`, and kept in
//! `tests/leakage/pairs.regressions`, which every run replays. `tests/leakage/README.md` says how to
//! run it and what it cannot show.

mod at_rest;
mod binary;
mod flags;
#[path = "../marks.rs"]
mod marks;
#[path = "../../netns/mod.rs"]
mod netns;
mod pair;
mod patience;
mod plan;
mod refusals;
#[path = "../report/mod.rs"]
mod report;
mod shape;
#[path = "../sim/mod.rs"]
mod sim;
#[path = "../../support/mod.rs"]
mod support;
mod surfaces;
mod traffic;
mod world;

use pair::Figures;
use report::{Control, Figure, Form, Report, Row, form, hold, seed};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) static REPORT: Report = Report::new("leakage_pairs");

/// Seeds that showed a difference once, one a line.
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/leakage/pairs.regressions");

/// Seeds of the short and the full form; each is two pairs, one of each family.
const SEEDS: [u64; 2] = [64, 5000];

/// Failing seeds that are told of one run. Of a leak that was planted one is enough.
const TOLD: [usize; 2] = [4, 1];

/// True in the copy with planted leaks, whether one of them is planted in this run or none.
fn may_be_planted() -> bool {
    std::env::var_os("BLINDMETER_PLANTED").is_some()
}

fn regressions() -> Vec<u64> {
    let text = fs::read_to_string(REGRESSIONS).expect("the regressions are part of the repository");
    let seeds = text.lines().filter_map(|line| line.split('#').next()?.trim().parse().ok());
    seeds.collect()
}

/// A number from the environment.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text}")))
}

fn seeds(form: Form) -> Vec<u64> {
    if let Some(seed) = number("LEAKAGE_PAIR") {
        return vec![seed];
    }
    let count = number("LEAKAGE_SEEDS").unwrap_or(form.choose(SEEDS[0], SEEDS[1]));
    // Themes are drawn by the lowest bits: a run has all of them.
    let first = seed() << 20;
    // What showed another fault is nothing to a plant, and would show it by other signs.
    let replayed = if may_be_planted() { Vec::new() } else { regressions() };
    replayed.into_iter().chain((0..count).map(|number| first.wrapping_add(number))).collect()
}

/// What all pairs came to, and the seeds that showed something with what they showed.
#[derive(Default)]
struct Outcome {
    figures: Figures,
    failures: Vec<(u64, String)>,
}

/// Runs these seeds on every core.
fn run(seeds: &[u64], long: bool) -> Outcome {
    let (next, outcome) = (AtomicUsize::new(0), Mutex::new(Outcome::default()));
    let work = |log: &mut sim::log::Log| {
        let runtime = sim::runtime();
        // Relaxed: each number is taken once, and nothing else depends on it.
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let run = AssertUnwindSafe(|| runtime.block_on(pair::run(*seed, long, log)));
            let result = catch_unwind(run).unwrap_or_else(|_| Err("it panicked".to_owned()));
            let mut outcome = outcome.lock().expect("a worker that panics ends the test");
            match result {
                Ok(figures) => outcome.figures += &figures,
                Err(what) => outcome.failures.push((*seed, what)),
            }
            if outcome.failures.len() >= TOLD[usize::from(may_be_planted())] {
                return;
            }
        }
    };
    // Which of its signs a planted leak shows first is not to hang on who is faster.
    let cores = match may_be_planted() {
        true => 1,
        false => thread::available_parallelism().map_or(1, usize::from),
    };
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| sim::apart(work));
        }
    });
    outcome.into_inner().expect("a worker that panics ends the test")
}

/// Keeps a seed that showed something; not one that shows what was planted.
fn keep(seed: u64, what: &str) {
    let known = regressions().contains(&seed);
    if !known && !may_be_planted() {
        let line = format!("{seed} # {}\n", what.lines().next().unwrap_or_default());
        let text = fs::read_to_string(REGRESSIONS).expect("the regressions are part of the repository");
        fs::write(REGRESSIONS, text + &line).expect("the repository can be written");
    }
}

#[test]
fn when_inside_an_epoch_shows_nowhere_and_totals_not_before_their_release() {
    let form = form();
    let seeds = seeds(form);
    #[expect(clippy::disallowed_methods, reason = "how long a run took is one of its figures")]
    let start = Instant::now();
    let long = form == Form::Full;
    let Outcome { figures, failures } = run(&seeds, long);
    let row = row(&figures, failures.len(), start.elapsed(), seeds.len() > 64);
    REPORT.add(std::slice::from_ref(&row));
    let mut told = Vec::new();
    for (seed, what) in failures {
        keep(seed, &what);
        told.push(format!("LEAKAGE_PAIR={seed}: {what}\n{}", plan::Plan::draw(seed, long).course()));
    }
    assert!(told.is_empty(), "\n{}", told.join("\n"));
    hold(&[row]);
}

/// The figures as a row. A few pairs prove nothing: they have no control.
fn row(figures: &Figures, failures: usize, took: Duration, many: bool) -> Row {
    // What was compared was there, and the worlds were not the same by chance.
    let Figures {
        looks,
        moved,
        told,
        releases,
        suppressed,
        gaps,
        starts,
        log_lines,
        bands,
        refusals,
        errors,
        ..
    } = figures.clone();
    let seen = [releases - suppressed, suppressed, gaps, starts, log_lines, bands, refusals, errors];
    let is_there = moved * 8 > looks / 2 && told > looks / 20 && seen.iter().all(|count| *count > 30);
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    let [share, failures] = [(moved * 8) as f64 / looks.max(1) as f64, failures as f64];
    let control = Control {
        what: "the counters behind, read live: share of looks at which they differ".to_owned(),
        figure: Figure::counted(share),
        goal: "above 0.5; everything compared occurs".to_owned(),
        scores: is_there,
    };
    let words = figures.all().map(|(name, value)| format!("{value} {name}"));
    Row {
        check: "pairs that differ in one byte: sessions moved, or totals before their release".to_owned(),
        control: many.then_some(control),
        figure: Figure::counted(failures),
        goal: "0".to_owned(),
        passes: failures == 0.0,
        note: format!("{}; {} s", words.join(", "), took.as_secs()),
    }
}
