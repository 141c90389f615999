//! Game G6: does a node that is restarted, killed and set to other times tell an epoch twice?
//!
//! Whoever can make a node start again, or change its clock, hopes that noise is drawn anew: the mean
//! of a thousand draws has no noise left. A thousand times in each epoch the process is killed, also in
//! the middle of a save, or stopped, or handed over, or the clock is set by a second or ten years, and
//! everything that is ever served is kept. The figure is the most distinct values of one epoch.

use super::node::{MIDNIGHT, Node};
use super::regressions::{keep, kept};
use super::report::{Control, Figure, Form, Row};
use super::sim::apart;
use super::sim::disk::Fault;
use super::statistics::{Scored, auc};
use super::verdict::figure;
use super::worlds::{DAY_SECONDS, Stratum};
use crate::support::rng::Rng;
use blindmeter::engine::End;
use blindmeter::meter::noise::{Scale, discrete_laplace};
use std::collections::{BTreeMap, BTreeSet};

/// Restarts and jumps in each epoch.
const DISTURBED: u64 = 1_000;

const ACCOUNTS: usize = 50;

/// Its name among the regressions.
const GAME: &str = "restarts";

/// What is done to the node.
#[derive(Clone, Copy)]
enum Disturbance {
    Kill,
    KillInASave,
    Stop,
    HandOver,
    Jump,
}

const DISTURBANCES: [Disturbance; 5] = [
    Disturbance::Kill,
    Disturbance::KillInASave,
    Disturbance::Stop,
    Disturbance::HandOver,
    Disturbance::Jump,
];

/// Everything that was ever served: the values of each epoch.
#[derive(Default)]
struct Served {
    epochs: BTreeMap<u64, BTreeSet<String>>,
    disturbed: u64,
}

impl Served {
    fn look(&mut self, node: &mut Node) {
        node.scrape();
        let page = node.page();
        let released = page.samples.iter().filter(|(series, _)| series.starts_with("blindmeter_epoch"));
        let text: Vec<String> = released.map(|(series, value)| format!("{series} {value}")).collect();
        let ordinal = super::distributions::whole(page.ordinal());
        if ordinal > 0 {
            self.epochs.entry(ordinal).or_default().insert(text.join("\n"));
        }
    }

    fn most(&self) -> usize {
        self.epochs.values().map(BTreeSet::len).max().unwrap_or(0)
    }
}

/// Seconds between two of them; a save is due after each. An epoch lasts 0.9 days at the least, and some
/// disturbances last as long as this.
const BETWEEN: u64 = 60;

/// Lives through so many epochs under disturbances.
fn live(seed: u64, epochs: u64) -> Served {
    let mut node = Node::new(ACCOUNTS, Rng::of(&[seed, 40]).word(), Some(BETWEEN / 2));
    let mut rng = Rng::of(&[seed, 41]);
    let mut served = Served::default();
    node.pass_until(MIDNIGHT + u64::from(DAY_SECONDS));
    while served.disturbed < epochs * DISTURBED * 5 / 4 {
        for account in 0..ACCOUNTS {
            let [up, down] = Stratum::of(account).bytes_of_a_day(&mut rng);
            node.count(account, up / DISTURBED, down / DISTURBED);
        }
        disturb(&mut node, &mut served, &mut rng);
        node.pass(BETWEEN);
        served.look(&mut node);
        served.disturbed += 1;
    }
    served
}

fn disturb(node: &mut Node, served: &mut Served, rng: &mut Rng) {
    match DISTURBANCES[rng.below(DISTURBANCES.len())] {
        Disturbance::Kill => node.end(None),
        Disturbance::KillInASave => {
            node.machine.environment.disk.plan(Fault::Kill, rng.word() % 12);
            node.pass(BETWEEN);
            node.end(None);
        }
        Disturbance::Stop => node.end(Some(End::Stop)),
        Disturbance::HandOver => node.end(Some(End::HandOver)),
        Disturbance::Jump => {
            // From a second to ten years, each power of two as likely.
            let most = 1_i64 << rng.below(29);
            let by = (rng.word() % most.unsigned_abs()).cast_signed() + 1;
            let by = if rng.chance(0.5) { by } else { -by };
            node.machine.environment.clocks.set(by);
            node.pass(1);
            served.look(node);
            node.machine.environment.clocks.set(-by);
            node.pass(1);
        }
    }
    node.start();
    served.look(node);
}

/// The area that the mean of a thousand draws reaches at 10 GiB, with the product's own noise.
fn averaged(seed: u64, epochs: usize) -> super::statistics::Estimate {
    let scale = Scale::new(50 << 30, 1);
    let mut rng = Rng::of(&[seed, 42]);
    let scored: Vec<Scored> = (0..epochs)
        .map(|at| {
            let there = at % 2 == 0;
            let draws: f64 = (0..DISTURBED).map(|_| discrete_laplace(&mut rng, scale) as f64).sum();
            let volume = if there { (10_u64 << 30) as f64 } else { 0.0 };
            Scored { score: draws / DISTURBED as f64 + volume, positive: there, cluster: at }
        })
        .collect();
    auc(&scored)
}

/// Plays the game on this seed and on those that are kept.
pub(crate) fn play(seed: u64, form: Form) -> Row {
    let epochs = form.choose(2, 40);
    let served = apart(|_| live(seed, epochs));
    if served.most() > 1 {
        keep(GAME, seed);
    }
    let replayed = kept(GAME, seed);
    let again = replayed.iter().map(|seed| apart(|_| live(*seed, 2)).most()).max().unwrap_or(0);
    let most = served.most().max(again);
    let averaged = averaged(seed, form.choose(60, 400));
    // As many as drawn: the naive exporter's values of an epoch are all different.
    let control = Control {
        what: "an exporter that draws noise at each start, AUC of the mean at 10 GiB".to_owned(),
        figure: figure(&averaged, "DeLong 95 %"),
        goal: "at least 0.95".to_owned(),
        scores: averaged.value >= 0.95,
    };
    let released = served.epochs.len() as u64;
    // The first was released before the first disturbance: there is a day of them after each but the last.
    let tried = released >= epochs && served.disturbed >= released.saturating_sub(1) * DISTURBED;
    Row {
        check: "G6 1,000 restarts and clock jumps in each epoch (distinct values of an epoch)".to_owned(),
        control: Some(control),
        figure: Figure::counted(most as f64),
        goal: "1".to_owned(),
        passes: most == 1 && tried,
        note: format!(
            "{} restarts and jumps, {released} epochs released; {} kept seeds replayed",
            served.disturbed,
            replayed.len(),
        ),
    }
}
