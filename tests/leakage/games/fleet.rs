//! Game G12: what one of a fleet's two clusters, and both together, tell of an account.
//!
//! The adversary has a cluster whole: every call with its arguments, its order and its time, and so all that its memory
//! holds, or held in two weeks; and the fleet's key, so that whose words lie where is known. Asked of one cluster is what the
//! two together tell by design, which is the control; asked of both is what they must not tell: when in a week an account
//! was there, and, without the key, whose a tag is. Whoever watches the wire must see the same whoever used what.

use super::clusters::{Cluster, Deed, NODES, Put, World, week_begins};
use super::learners::Attack;
use super::membership::best;
use super::report::{Control, Figure, Form, Row};
use super::statistics::Estimate;
use super::threads::on_two_threads;
use super::verdict::{Goal, control, figure};
use super::worlds::DAY_SECONDS;
use crate::support::rng::Rng;
use blindmeter::fleet::keys::{FleetKey, PeriodTag};
use blindmeter::fleet::words::{MODULUS, Words};
use blindmeter::meter::tags::Tag;

const GIB: u64 = 1 << 30;

/// Accounts of a world, each asked one of the questions.
const ACCOUNTS: usize = 2000;

/// What is asked of an account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    /// Did it move anything this week?
    Active,
    /// On which of two nodes?
    Node,
    /// 2 GiB or 40?
    Volume,
    /// Does it carry flags?
    Flagged,
    /// In the first half of the week, or in the second?
    Half,
}

const QUESTIONS: [Question; 5] =
    [Question::Active, Question::Node, Question::Volume, Question::Flagged, Question::Half];

impl Question {
    const fn word(self) -> &'static str {
        match self {
            Self::Active => "did the account move anything",
            Self::Node => "on which node",
            Self::Volume => "2 GiB or 40",
            Self::Flagged => "is it flagged",
            Self::Half => "in which half of the week",
        }
    }

    fn deed(self, rng: &mut Rng, truth: bool) -> Deed {
        let deed = Deed {
            node: rng.below(NODES),
            bytes: GIB + rng.word() % (20 * GIB),
            day: rng.below_u64(7),
            flagged: false,
        };
        match self {
            Self::Active => Deed { bytes: if truth { deed.bytes } else { 0 }, ..deed },
            Self::Node => Deed { node: usize::from(truth), ..deed },
            Self::Volume => Deed { bytes: if truth { 40 * GIB } else { 2 * GIB }, ..deed },
            Self::Flagged => Deed { flagged: truth, ..deed },
            Self::Half => Deed { day: if truth { 4 } else { 0 } + deed.day % 3, ..deed },
        }
    }
}

/// Whose view it is.
#[derive(Clone, Copy)]
enum Sight {
    One(usize),
    Both,
}

/// What is seen of an account by cluster A, by B, by both, and by whoever is told of it when it was used.
struct Seen {
    question: Question,
    truth: bool,
    views: [Vec<f64>; 4],
}

/// A number on a scale on which a word and a difference both show.
fn scaled(word: u64) -> [f64; 2] {
    let half = MODULUS / 2;
    let centred = if word >= half { -((MODULUS - word) as f64) } else { word as f64 };
    [word as f64 / MODULUS as f64, centred.signum() * centred.abs().ln_1p()]
}

/// What a view shows of an account.
fn row(world: &World, tag: PeriodTag, sight: Sight) -> Vec<f64> {
    let mut row = Vec::new();
    for node in 0..NODES {
        let of = |cluster: &Cluster, week: u64| -> (Option<Words>, [f64; 4]) {
            let puts = cluster.of(tag, node, week_begins(week), week_begins(week + 1));
            let at = |put: &&Put| (put.at - week_begins(week)) as f64 / f64::from(DAY_SECONDS);
            let last = puts.last();
            let told = [
                puts.len() as f64,
                puts.first().map_or(-1.0, at),
                last.map_or(2.0, |put| put.displaced),
                last.map_or(0.0, |put| put.value.len() as f64),
            ];
            (last.map(|put| put.words()), told)
        };
        let words = |week: u64| {
            let [one, other] = [0, 1].map(|place| of(&world.clusters[place], week).0.unwrap_or_default());
            match sight {
                Sight::One(0) => one,
                Sight::One(_) => other,
                Sight::Both => one.and(other),
            }
        };
        let seen = if let Sight::One(place) = sight { place } else { 0 };
        row.extend(of(&world.clusters[seen], 1).1);
        let (last, before) = (words(1), words(0));
        let moved = last.without(before);
        for word in last.0.into_iter().chain(moved.0) {
            row.extend(scaled(word));
        }
    }
    row
}

/// All accounts of a world, each with its question.
fn play_world(seed: u64) -> Vec<Seen> {
    let mut rng = Rng::of(&[seed, 53]);
    let asked: Vec<(Question, bool)> =
        (0..ACCOUNTS).map(|account| (QUESTIONS[account % QUESTIONS.len()], rng.chance(0.5))).collect();
    let deeds: Vec<Deed> = asked.iter().map(|(question, truth)| question.deed(&mut rng, *truth)).collect();
    let world = World::live(seed, &deeds);
    let seen = |(account, (question, truth)): (usize, (Question, bool))| {
        let [one, other, sum] =
            [Sight::One(0), Sight::One(1), Sight::Both].map(|sight| row(&world, world.tags[account], sight));
        let both = [&sum[..], &one, &other].concat();
        let views = [one, other, both, vec![deeds[account].day as f64]];
        Seen { question, truth, views }
    };
    asked.into_iter().enumerate().map(seen).collect()
}

/// All accounts of so many worlds.
fn play_worlds(seed: u64, stream: u64, worlds: u64) -> Vec<Seen> {
    let seeds: Vec<u64> = (0..worlds).map(|world| Rng::of(&[seed, 54, stream, world]).word()).collect();
    on_two_threads(&seeds, |seed| play_world(*seed)).into_iter().flatten().collect()
}

/// The best attack on a question, on one view.
fn area(learned: &[Seen], scored: &[Seen], question: Question, view: usize) -> (Attack, Estimate) {
    let of = |all: &[Seen], truth: bool| -> Vec<Vec<f64>> {
        let asked = all.iter().filter(|seen| seen.question == question && seen.truth == truth);
        asked.map(|seen| seen.views[view].clone()).collect()
    };
    let [learned, scored] = [learned, scored].map(|all| [of(all, true), of(all, false)]);
    best([&learned[0], &learned[1]], [&scored[0], &scored[1]], |row| row)
}

const GOAL: Goal = Goal::Between(0.49, 0.51);

fn row_of(what: &str, (attack, area): (Attack, Estimate), by: Control, count: usize, form: Form) -> Row {
    Row {
        check: format!("G12 {what} (AUC)"),
        control: Some(by),
        figure: figure(&area, "DeLong 95 %"),
        goal: GOAL.text(form),
        passes: GOAL.holds(&area, form),
        note: format!("{count} accounts; {}", attack.word()),
    }
}

/// Plays the game.
pub(crate) fn play(seed: u64, form: Form) -> Vec<Row> {
    let [learning, scoring] = form.choose([2, 3], [12, 300]);
    let learned = play_worlds(seed, 1, learning);
    let scored = play_worlds(seed, 2, scoring);
    let count = scored.len() / QUESTIONS.len();
    let mut rows = Vec::new();
    for question in QUESTIONS {
        let both = area(&learned, &scored, question, 2);
        if question == Question::Half {
            let live = area(&learned, &scored, question, 3).1;
            let by = control("a node that sends an account when it was used", &live, "DeLong 95 %", 0.99);
            rows.push(row_of(&format!("both clusters: {}", question.word()), both, by, count, form));
            continue;
        }
        for (view, cluster) in ["cluster A", "cluster B"].into_iter().enumerate() {
            let by = control("both clusters, AUC", &both.1, "DeLong 95 %", 0.99);
            let found = area(&learned, &scored, question, view);
            rows.push(row_of(&format!("{cluster}: {}", question.word()), found, by, count, form));
        }
    }
    rows.push(linked(seed, form));
    rows.push(watched(seed, form));
    rows
}

/// Two tags, one of each of two periods, and what may tell that they are of one account: of the tags and of the fields of a
/// node there, and with the key.
struct Pair {
    shown: Vec<f64>,
    known: Vec<f64>,
}

/// Without the fleet's key: is the account of this tag the one that had that tag in the period before? Whoever could tell
/// would know of an account that was erased, or looked up, which it was.
fn linked(seed: u64, form: Form) -> Row {
    let count = form.choose(1000, 80_000);
    let pairs = |stream: u64, count: usize| -> [Vec<Pair>; 2] {
        let mut rng = Rng::of(&[seed, 55, stream]);
        [true, false].map(|same| (0..count).map(|_| pair(&mut rng, same)).collect())
    };
    let (learned, scored) = (pairs(1, form.choose(400, 4000)), pairs(2, count));
    let play = |sight| best([&learned[0], &learned[1]], [&scored[0], &scored[1]], sight);
    let known = play(|pair: &Pair| &pair.known).1;
    let by = control("whoever has the fleet's key, AUC", &known, "DeLong 95 %", 1.0);
    row_of("whose tag of the last period this is", play(|pair: &Pair| &pair.shown), by, 2 * count, form)
}

fn pair(rng: &mut Rng, same: bool) -> Pair {
    let key = FleetKey::new(&rng.bytes(32).try_into().expect("32 bytes"));
    let mut account = || Tag(rng.bytes(16).try_into().expect("16 bytes"));
    let (one, other) = (account(), account());
    let before = key.period_tag(one, 731);
    let after = key.period_tag(if same { one } else { other }, 732);
    let fields = [before, after].map(|tag| key.field("node-0", tag).0);
    let alike = |one: &[u8], other: &[u8]| {
        let bits: u32 = one.iter().zip(other).map(|(one, other)| (one ^ other).count_ones()).sum();
        f64::from(bits)
    };
    let slots = f64::from(before.slot().abs_diff(after.slot()));
    Pair {
        shown: vec![alike(&before.0, &after.0), alike(&fields[0], &fields[1]), slots],
        known: vec![f64::from(u8::from(key.period_tag(one, 732) == after))],
    }
}

/// Two worlds whose accounts do other things at other times: are the calls between nodes and clusters the same, in time,
/// number and length?
fn watched(seed: u64, form: Form) -> Row {
    let deeds = |stream: u64| -> Vec<Deed> {
        let mut rng = Rng::of(&[seed, 56, stream]);
        let accounts = form.choose(300, 3000);
        (0..accounts)
            .map(|_| {
                let truth = rng.chance(0.3);
                Question::Active.deed(&mut rng, truth)
            })
            .collect()
    };
    let deeds = [deeds(1), deeds(2)];
    let worlds = deeds.each_ref().map(|deeds| World::live(seed, deeds));
    let mut differing = 0;
    for (one, other) in worlds[0].clusters.iter().zip(&worlds[1].clusters) {
        let pairs = one.shapes.iter().zip(&other.shapes);
        differing +=
            pairs.filter(|(one, other)| one != other).count() + one.shapes.len().abs_diff(other.shapes.len());
    }
    let used =
        deeds[0].iter().zip(&deeds[1]).filter(|(one, other)| (one.bytes > 0) != (other.bytes > 0)).count();
    let calls = worlds[0].clusters[0].shapes.len();
    Row {
        check: "G12 calls on the wire that differ by who used what".to_owned(),
        control: Some(Control {
            what: "a node that sends used accounts alone, accounts that differ".to_owned(),
            figure: Figure::counted(used as f64),
            goal: "at least 1".to_owned(),
            scores: used > 0,
        }),
        figure: Figure::counted(differing as f64),
        goal: "0".to_owned(),
        passes: differing == 0 && calls > 100,
        note: format!("{calls} calls to each cluster"),
    }
}
