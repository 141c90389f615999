//! Game G5: is the account on this node? An active watermark in node totals.
//!
//! The adversary sends to the account, on and off in a pattern, 20 Mbit/s for half an hour, and looks
//! for the pattern in totals of the whole node, among 99 others. A crowd does not hide it from a total
//! that is live; a total that is released once an epoch has no place for a pattern.

use super::exporter::{Change, Peer, scrape_steps};
use super::learners::{ATTACKS, Attack, Learned, Lesson};
use super::node::{MIDNIGHT, Node, PUBLISHED_AFTER};
use super::report::{Form, Row};
use super::statistics::{Estimate, Scored, auc};
use super::verdict::{Goal, control, figure};
use super::views::NodeChange;
use super::worlds::{AccountDay, DAY_SECONDS, Moved, STEP_SECONDS, STEPS, STRATA, World};
use crate::support::rng::Rng;
use std::ops::Range;
use std::thread;

/// Steps of half an hour.
const WINDOW: usize = 120;

/// Steps before and after it, to compare with.
const AROUND: usize = 40;

/// Steps of one piece of the pattern: a minute.
const PIECE: usize = 4;

/// Bytes of a step at 20 Mbit/s.
const BYTES: u64 = 20_000_000 / 8 * STEP_SECONDS as u64;

/// The account and 99 others.
const ACCOUNTS: usize = 100;

/// A day with or without the watermark, as both targets show it.
struct Trial {
    stratum: usize,
    marked: bool,
    rows: [Vec<f64>; 2],
}

/// Whether the pattern is on in each step of the window: random, half of the pieces, known to the
/// adversary.
fn pattern(rng: &mut Rng) -> Vec<bool> {
    let pieces = WINDOW / PIECE;
    let mut on: Vec<bool> = (0..pieces).map(|piece| piece % 2 == 0).collect();
    for at in (1..pieces).rev() {
        on.swap(at, rng.below(at + 1));
    }
    on.iter().flat_map(|on| [*on; PIECE]).collect()
}

/// So many days of a node; on a random half of them the account is sent the watermark.
fn trials(seed: u64, count: usize) -> Vec<Trial> {
    let world = World { seed, accounts: ACCOUNTS };
    let mut node = Node::new(ACCOUNTS, Rng::of(&[seed, 30]).word(), None);
    let mut rng = Rng::of(&[seed, 31]);
    let mut peers = [Peer::default(); ACCOUNTS];
    let (mut found, mut usual) = (Vec::with_capacity(count), [0.0; 2]);
    node.pass_until(MIDNIGHT + u64::from(DAY_SECONDS));
    for day in 0..count {
        let account = rng.below(ACCOUNTS);
        let (marked, on) = (rng.chance(0.5), pattern(&mut rng));
        // Never across the publication of the day before.
        let from = AROUND + 60 + rng.below(STEPS - WINDOW - 2 * AROUND - 60);
        let mut truths: Vec<AccountDay> = (0..ACCOUNTS).map(|account| world.day(account, day)).collect();
        if marked {
            send(&mut truths[account], &on, from);
        }
        let midnight = MIDNIGHT + (day as u64 + 1) * u64::from(DAY_SECONDS);
        let seen = live(&mut node, &truths, midnight, from);
        node.pass_until(midnight + u64::from(DAY_SECONDS));
        node.pass(PUBLISHED_AFTER);
        node.scrape();
        let published = node.page().released();
        let ways = [0, 1].map(|way: usize| published[way] - usual[way]);
        let blindmeter = row(&seen, &on, ways);
        // What is usual: the mean of the days so far, recent ones more.
        usual = [0, 1].map(
            |way: usize| if day == 0 { published[way] } else { 0.9 * usual[way] + 0.1 * published[way] },
        );
        let exporter = row(&totals(&mut peers, &truths, day, from), &on, [0.0; 2]);
        found.push(Trial { stratum: account % STRATA.len(), marked, rows: [exporter, blindmeter] });
    }
    found
}

/// The account is sent the pattern, beside whatever else it moves.
fn send(truth: &mut AccountDay, on: &[bool], from: usize) {
    for step in (0..WINDOW).filter(|step| on[*step]).map(|step| from + step) {
        match truth.moved.binary_search_by_key(&step, |piece| piece.step) {
            Ok(at) => truth.moved[at].down += BYTES,
            Err(at) => truth.moved.insert(at, Moved { step, up: BYTES / 60, down: BYTES }),
        }
    }
}

/// Lives through a day, and scrapes blindmeter around the window.
fn live(node: &mut Node, truths: &[AccountDay], midnight: u64, from: usize) -> Vec<NodeChange> {
    let window = from - AROUND..from + WINDOW + AROUND;
    let part = |node: &Node, steps: Range<usize>| {
        for (account, truth) in truths.iter().enumerate() {
            let place = |step: usize| truth.moved.partition_point(|piece| piece.step < step);
            let pieces = &truth.moved[place(steps.start)..place(steps.end)];
            let sum = |way: fn(&Moved) -> u64| pieces.iter().map(way).sum();
            node.count(account, sum(|piece| piece.up), sum(|piece| piece.down));
        }
    };
    node.pass_until(midnight + PUBLISHED_AFTER);
    node.scrape();
    part(node, 0..window.start);
    let mut seen = Vec::new();
    for step in window.clone() {
        part(node, step..step + 1);
        node.pass_until(midnight + (step as u64 + 1) * u64::from(STEP_SECONDS));
        let before = node.scrape();
        let change = before.map_or_else(NodeChange::default, |before| {
            let page = node.page();
            let way = |way: usize| page.released()[way] - before.released()[way];
            let rest = page.sum() - before.sum() - way(0) - way(1);
            NodeChange { up: way(0), down: way(1), rest, page: true }
        });
        seen.push(change);
    }
    part(node, window.end..STEPS);
    seen
}

/// What the live exporter's peers add up to around the window.
fn totals(peers: &mut [Peer; ACCOUNTS], truths: &[AccountDay], day: usize, from: usize) -> Vec<NodeChange> {
    let window = from - AROUND..from + WINDOW + AROUND;
    let mut totals = vec![NodeChange::default(); window.len()];
    for (peer, truth) in peers.iter_mut().zip(truths) {
        let changes = scrape_steps(peer, truth, day + 1, window.clone());
        for (sum, Change { up, down, .. }) in totals.iter_mut().zip(changes) {
            sum.up += up;
            sum.down += down;
        }
    }
    totals
}

/// How well a stretch of scrapes follows the pattern, by several measures, and what was published of
/// the day beyond what is usual.
fn row(seen: &[NodeChange], on: &[bool], published: [f64; 2]) -> Vec<f64> {
    let down: Vec<f64> = seen.iter().map(|change| change.down).collect();
    let rest: Vec<f64> = seen.iter().map(|change| change.rest + change.up).collect();
    // Heavy tails of others drown a mean: ranks do not care.
    let ranked = ranks(&down);
    let within = |values: &[f64], lag: usize| follow(&values[AROUND - 1 + lag..], on);
    let mut row = Vec::new();
    for lag in 0..3 {
        row.push(within(&down, lag) / BYTES as f64);
        row.push(within(&ranked, lag));
    }
    row.push(within(&rest, 1) / BYTES as f64);
    row.push(seen.iter().filter(|change| change.page).count() as f64);
    row.extend(published.map(|bytes| bytes / (1_u64 << 30) as f64));
    row
}

/// The mean where the pattern is on, less the mean beside it where it is off.
fn follow(values: &[f64], on: &[bool]) -> f64 {
    let mean = |wanted: bool| {
        let of: Vec<f64> = values.iter().zip(on).filter(|(_, on)| **on == wanted).map(|(v, _)| *v).collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    mean(true) - mean(false)
}

/// Each value's place among all, ties alike.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let place = |value: &f64| {
        let below = sorted.partition_point(|other| other < value);
        let upto = sorted.partition_point(|other| other <= value);
        (below + upto) as f64 / (2 * sorted.len()) as f64
    };
    values.iter().map(place).collect()
}

/// The best attack on a stratum.
fn best(learned: &[(Attack, Learned)], trials: &[Trial], sight: usize, stratum: usize) -> (Attack, Estimate) {
    let area = |(attack, learned): &(Attack, Learned)| {
        let of = trials.iter().filter(|trial| trial.stratum == stratum).enumerate();
        let scored = of.map(|(cluster, trial)| Scored {
            score: learned.score(&trial.rows[sight]),
            positive: trial.marked,
            cluster,
        });
        (*attack, auc(&scored.collect::<Vec<_>>()))
    };
    learned.iter().map(area).max_by(|l, r| l.1.value.total_cmp(&r.1.value)).expect("attacks")
}

/// Plays the game on two threads.
pub(crate) fn play(seed: u64, form: Form) -> Row {
    let [learned, scored] = form.choose([200, 500], [4_000, 160_000]);
    let both = |stream: u64, count: usize| -> Vec<Trial> {
        thread::scope(|scope| {
            let threads = [0, 1].map(|half| {
                let seed = Rng::of(&[seed, 32, stream, half]).word();
                scope.spawn(move || trials(seed, count / 2))
            });
            let joined = threads.into_iter().map(|thread| thread.join());
            joined
                .flat_map(|trials| trials.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    };
    let (school, exam) = (both(1, learned), both(2, scored));
    let learned = [0, 1].map(|sight: usize| {
        let mut lesson = Lesson::default();
        school.iter().for_each(|trial| lesson.add(trial.rows[sight].clone(), trial.marked));
        ATTACKS.map(|attack| (attack, attack.learn(&lesson)))
    });
    let strata = |sight: usize| {
        let (learned, exam) = (&learned[sight], &exam);
        (0..STRATA.len()).map(move |stratum| (stratum, best(learned, exam, sight, stratum)))
    };
    let (live_at, (live_by, live)) =
        strata(0).min_by(|l, r| l.1.1.value.total_cmp(&r.1.1.value)).expect("strata");
    let (at, (by, area)) = strata(1).max_by(|l, r| l.1.1.value.total_cmp(&r.1.1.value)).expect("strata");
    let goal = Goal::AtMost(0.53);
    Row {
        check: "G5 active watermark in node totals, 99 others (AUC)".to_owned(),
        control: Some(control("live node totals of the exporter, AUC", &live, "DeLong 95 %", 0.95)),
        figure: figure(&area, "DeLong 95 %"),
        goal: goal.text(form),
        passes: goal.holds(&area, form),
        note: format!(
            "{scored} days; worst stratum {} ({}); the exporter's worst is {} ({})",
            STRATA[at].word(),
            by.word(),
            STRATA[live_at].word(),
            live_by.word(),
        ),
    }
}
