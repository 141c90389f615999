//! Game G3: did one account move anything on a day, when everything else is known?
//!
//! The adversary knows what every other account moved, to the byte, and what this one would have moved.
//! It sees the release of the day. What is published promises that it is hardly better than a coin;
//! the formula of the design says how much. One world has the account's bytes in it, the other has not.

use super::distributions::whole;
use super::exporter::Peer;
use super::learners::{ATTACKS, Attack, Lesson};
use super::node::{MIDNIGHT, Node, PUBLISHED_AFTER};
use super::report::{Form, Row};
use super::statistics::{Estimate, Scored, auc};
use super::threads::on_two_threads;
use super::verdict::{Goal, control, figure};
use super::worlds::{DAY_SECONDS, STRATA, Stratum};
use crate::support::rng::Rng;
use blindmeter::meter::clamp::clamped;
use blindmeter::meter::units::{Totals, Volume};

const GIB: f64 = (1_u64 << 30) as f64;

/// What the account moves, in GiB.
pub(crate) const VOLUMES: [f64; 5] = [0.5, 2.0, 4.0, 10.0, 50.0];

/// The others, of all strata.
const OTHERS: usize = 99;

/// The clamp and the epsilon of the configuration.
const CLAMP: u64 = 50 << 30;
const EPSILON: f64 = 1.0;

/// The area that the promise allows at this volume, by who knows everything else.
///
/// # Source
/// Two Laplace distributions of scale clamp / epsilon, the volume apart.
pub(crate) fn allowed(gib: f64) -> f64 {
    let s = EPSILON * (gib * GIB / CLAMP as f64).min(1.0);
    1.0 - (-s).exp() * (0.5 + s / 4.0)
}

/// What two adversaries learn of a day.
struct Day {
    blindmeter: Vec<f64>,
    exporter: Vec<f64>,
}

/// Which world: whose volume it may be, and whether it is in.
#[derive(Clone, Copy)]
struct Case {
    stratum: Stratum,
    gib: f64,
    there: bool,
}

impl Case {
    fn bytes(self) -> [u64; 2] {
        let up = self.gib * GIB * self.stratum.up_share();
        [whole(up), whole(self.gib * GIB - up)]
    }
}

/// So many days of one case, each of its own noise and its own others.
fn days(seed: u64, case: Case, count: usize) -> Vec<Day> {
    let mut node = Node::new(OTHERS + 1, seed, None);
    let mut rng = Rng::of(&[seed, 20]);
    let mut peer = Peer::default();
    let (mut known, mut found) = ([0.0; 2], Vec::with_capacity(count));
    node.pass_until(MIDNIGHT + u64::from(DAY_SECONDS));
    for day in 1..=count as u64 {
        for other in 1..=OTHERS {
            let stratum = Stratum::of(other);
            let moved = if rng.chance(0.75) { stratum.bytes_of_a_day(&mut rng) } else { [0; 2] };
            node.count(other, moved[0], moved[1]);
            let counted = held(moved);
            known = [known[0] + counted[0], known[1] + counted[1]];
        }
        let [up, down] = if case.there { case.bytes() } else { [0; 2] };
        node.count(0, up, down);
        let before = peer;
        if case.there {
            peer.pass(day * u64::from(DAY_SECONDS), up, down);
        }
        node.pass_until(MIDNIGHT + (day + 1) * u64::from(DAY_SECONDS));
        node.pass(PUBLISHED_AFTER);
        node.scrape();
        found.push(Day {
            blindmeter: row(&node, case, known),
            exporter: vec![(peer.received - before.received) as f64, (peer.sent - before.sent) as f64],
        });
        // What the gate held back is in the next release, as everybody knows.
        if !node.page().suppressed() {
            known = [0.0; 2];
        }
    }
    found
}

/// What an account's bytes count for in a release.
pub(crate) fn held([up, down]: [u64; 2]) -> [f64; 2] {
    let volume = |bytes| Volume { bytes, packets: 1 };
    let (up, down) = clamped(Totals { up: volume(up), down: volume(down) }, CLAMP);
    [up as f64, down as f64]
}

/// What is published less what is known, the best statistic for two Laplace distributions, and
/// everything else of the page.
fn row(node: &Node, case: Case, known: [f64; 2]) -> Vec<f64> {
    let page = node.page();
    let released = page.released();
    let scale = CLAMP as f64 / EPSILON;
    let would = held(case.bytes());
    let left = [released[0] - known[0], released[1] - known[1]];
    let ratio: f64 = (0..2).map(|way| (left[way].abs() - (left[way] - would[way]).abs()) / scale).sum();
    let rest = page.sum() - released[0] - released[1] - page.ordinal();
    vec![
        ratio,
        left[0] / GIB,
        left[1] / GIB,
        (left[0] + left[1]) / GIB,
        f64::from(u8::from(page.suppressed())),
        rest,
    ]
}

/// The best attack on one case, as area under the curve, on blindmeter and on the exporter.
pub(crate) fn best<T>(
    learned_on: [&[T]; 2],
    scored_on: [&[T]; 2],
    sight: fn(&T) -> &Vec<f64>,
) -> (Attack, Estimate) {
    let mut lesson = Lesson::default();
    for (days, there) in learned_on.iter().zip([true, false]) {
        days.iter().for_each(|day| lesson.add(sight(day).clone(), there));
    }
    let area = |attack: Attack| {
        let learned = attack.learn(&lesson);
        let mut scored = Vec::new();
        for (days, positive) in scored_on.iter().zip([true, false]) {
            for day in *days {
                scored.push(Scored { score: learned.score(sight(day)), positive, cluster: scored.len() });
            }
        }
        (attack, auc(&scored))
    };
    ATTACKS.map(area).into_iter().max_by(|l, r| l.1.value.total_cmp(&r.1.value)).expect("attacks")
}

/// What was found of one volume in one stratum.
struct Found {
    volume: usize,
    stratum: Stratum,
    blindmeter: (Attack, Estimate),
    exporter: Estimate,
}

fn play_one(seed: u64, volume: usize, stratum: Stratum, [learned, scored]: [usize; 2]) -> Found {
    let days = |stream: u64, there: bool, count: usize| {
        let of = [seed, 21, stream, volume as u64, stratum as u64, u64::from(there)];
        days(Rng::of(&of).word(), Case { stratum, gib: VOLUMES[volume], there }, count)
    };
    let learned = [days(1, true, learned), days(1, false, learned)];
    let scored = [days(2, true, scored), days(2, false, scored)];
    let play = |sight| best([&learned[0], &learned[1]], [&scored[0], &scored[1]], sight);
    let (blindmeter, exporter) = (play(|day: &Day| &day.blindmeter), play(|day: &Day| &day.exporter).1);
    Found { volume, stratum, blindmeter, exporter }
}

/// Plays every volume in every stratum, on two threads.
pub(crate) fn play(seed: u64, form: Form) -> Vec<Row> {
    let sizes = form.choose([150, 300], [4_000, 20_000]);
    let cases: Vec<(usize, Stratum)> =
        (0..VOLUMES.len()).flat_map(|volume| STRATA.map(|stratum| (volume, stratum))).collect();
    let found = on_two_threads(&cases, |case| play_one(seed, case.0, case.1, sizes));
    (0..VOLUMES.len()).map(|volume| row_of(volume, &found, sizes[1], form)).collect()
}

fn row_of(volume: usize, found: &[Found], count: usize, form: Form) -> Row {
    let of_volume: Vec<&Found> = found.iter().filter(|found| found.volume == volume).collect();
    let by = |left: &&&Found, right: &&&Found| left.blindmeter.1.value.total_cmp(&right.blindmeter.1.value);
    let worst = of_volume.iter().max_by(by).expect("strata");
    let least =
        of_volume.iter().min_by(|l, r| l.exporter.value.total_cmp(&r.exporter.value)).expect("strata");
    let (attack, area) = worst.blindmeter;
    let goal = Goal::AtMost(allowed(VOLUMES[volume]) + 0.02);
    Row {
        check: format!("G3 one day of {} GiB, everything else known (AUC)", VOLUMES[volume]),
        control: Some(control("live per-peer exporter, AUC", &least.exporter, "DeLong 95 %", 1.0)),
        figure: figure(&area, "DeLong 95 %"),
        goal: format!("{}: formula {:.4} + 0.02", goal.text(form), allowed(VOLUMES[volume])),
        passes: goal.holds(&area, form),
        note: format!(
            "{count} days of each kind; worst stratum {} ({})",
            worst.stratum.word(),
            attack.word()
        ),
    }
}

#[test]
fn the_formula_gives_the_figures_of_the_documents() {
    for (gib, area) in [(0.5, 0.502), (2.0, 0.510), (4.0, 0.520), (8.0, 0.540), (10.0, 0.550), (50.0, 0.724)]
    {
        assert!((allowed(gib) - area).abs() < 6e-4, "{gib}: {}", allowed(gib));
    }
    assert!((allowed(90.0) - allowed(50.0)).abs() < 1e-12);
}
