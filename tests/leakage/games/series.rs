//! Game G9: what one account did on a day, told by whoever reads every published series.
//!
//! Beside its own bytes an account can move the node's own series: packets to addresses that nobody owns,
//! malformed ones, ones that the tap misses; another account's bytes (a hairpin through the VPN server); and
//! hooks run when it comes and goes; after a kill its bytes may turn out to be nobody's. The adversary knows everything else, to the packet, and asks whether it
//! was so. One world has it, the other has not, or has the same packets before a restart instead of in its gap.

use super::learners::Attack;
use super::membership::{best, held};
use super::node::{MIDNIGHT, Node, PUBLISHED_AFTER};
use super::report::{Form, Row};
use super::sim::packets::{Kind, Packet};
use super::statistics::Estimate;
use super::support::frames::Address;
use super::threads::on_two_threads;
use super::verdict::{Goal, control, figure};
use super::worlds::{DAY_SECONDS, Stratum};
use crate::support::rng::Rng;
use blindmeter::engine::End;

const GIB: u64 = 1 << 30;

/// The others, of all strata.
const OTHERS: usize = 99;

/// The account that is asked about, and the one that it sends to.
const ASKED: usize = 0;
const FRIEND: usize = 1;

/// How often a node saves that is started again.
const SAVE_SECONDS: u64 = 3600;

/// In the pool, and nobody's.
const UNOWNED: u32 = 0x0a4d_fff0;

/// Series of the page, with the scale of their noise in the defaults: bytes 50 GiB, the node's own series twenty
/// times their influence.
const SERIES: [(&str, f64); 6] = [
    ("blindmeter_epoch_bytes{direction=\"up\"}", (50 * GIB) as f64),
    ("blindmeter_epoch_bytes{direction=\"down\"}", (50 * GIB) as f64),
    ("blindmeter_epoch_unattributed_bytes{direction=\"up\"}", (20 * GIB) as f64),
    ("blindmeter_epoch_unattributed_bytes{direction=\"down\"}", (20 * GIB) as f64),
    ("blindmeter_epoch_lost_packets", (20 << 20) as f64),
    ("blindmeter_epoch_malformed_packets", (20 << 16) as f64),
];

/// What is asked of a day.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secret {
    /// Clients of the account came and went, and moved nothing.
    LogIns,
    /// It touched everything once: an unowned address, a malformed packet, a lost one.
    Touch,
    /// It moved the stated influence of all of the node's series.
    Influence,
    /// It sent 2 GiB to another account.
    Hairpin,
    /// A million of its packets passed in the gap of a restart, and not before it.
    Gap,
    /// 1 GiB passed after the last save before a kill, after which its address is found to be another's, and not
    /// before that save.
    Contradicted,
}

const SECRETS: [Secret; 6] =
    [Secret::LogIns, Secret::Touch, Secret::Influence, Secret::Hairpin, Secret::Gap, Secret::Contradicted];

/// What the account does on a day, in the order of [`SERIES`], and how often it comes and goes.
#[derive(Clone, Copy, Default)]
struct Deed {
    moved: [u64; SERIES.len()],
    /// Bytes of `moved` that are another account's.
    of_friend: u64,
    log_ins: u32,
}

impl Secret {
    const fn word(self) -> &'static str {
        match self {
            Self::LogIns => "20 log-ins without a packet",
            Self::Touch => "one packet each: unowned, malformed, lost",
            Self::Influence => "the influence of every series of the node",
            Self::Hairpin => "2 GiB to another account",
            Self::Gap => "2^20 packets in a restart's gap, or before",
            Self::Contradicted => {
                "1 GiB after the last save before a kill, with a contradicted owner, or before"
            }
        }
    }

    fn deed(self, there: bool) -> Deed {
        let moved = |moved| Deed { moved, ..Deed::default() };
        match (self, there) {
            (Self::LogIns, true) => Deed { log_ins: 20, ..Deed::default() },
            (Self::Touch, true) => moved([100, 0, 0, 100, 1, 1]),
            // To an address that nobody owns: up of the account, and unattributed down.
            (Self::Influence, true) => moved([GIB, 0, 0, GIB, 1 << 20, 1 << 16]),
            (Self::Hairpin, true) => {
                Deed { moved: [2 * GIB, 2 * GIB, 0, 0, 0, 0], of_friend: 2 * GIB, log_ins: 0 }
            }
            (Self::Gap, true) => moved([0, 0, 0, 0, 1 << 20, 0]),
            (Self::Contradicted, true) => moved([0, 0, GIB, 0, 0, 0]),
            (Self::Gap | Self::Contradicted, false) => moved([GIB, 0, 0, 0, 0, 0]),
            (_, false) => Deed::default(),
        }
    }

    /// The area that the budget allows who knows everything else: Laplace noise, with its whole shift in one
    /// series.
    fn allowed(self) -> f64 {
        let [with, without] = [true, false].map(|there| self.deed(there).moved);
        let shifts = with.iter().zip(without).zip(SERIES);
        let s: f64 = shifts.map(|((with, without), (_, scale))| with.abs_diff(without) as f64 / scale).sum();
        1.0 - (-s).exp() * (0.5 + s / 4.0)
    }
}

/// What two adversaries see of a day: of blindmeter's page, and of exact counts.
struct Day {
    page: Vec<f64>,
    exact: Vec<f64>,
}

/// The account does it. What a restart's gap hides passes after it.
fn act(node: &mut Node, secret: Secret, deed: &Deed) {
    let [up, down, nobodys, unowned, lost, malformed] = deed.moved;
    (0..deed.log_ins).for_each(|_| node.comes_and_goes(ASKED));
    node.count(ASKED, up, down - deed.of_friend);
    node.count(FRIEND, 0, deed.of_friend);
    if secret == Secret::Gap {
        node.end(Some(End::HandOver));
        node.start();
    }
    if secret == Secret::Contradicted {
        node.pass(2 * SAVE_SECONDS);
        node.count(ASKED, nobodys, 0);
        node.end(None);
        node.start();
        node.is_contradicted(ASKED);
    }
    let packet = |kind, bytes| Packet { kind, up: false, bytes };
    if unowned > 0 {
        node.machine.count(&packet(Kind::Ip(Address::v4(UNOWNED)), unowned));
    }
    if lost > 0 {
        node.machine.count(&packet(Kind::Lost, lost));
    }
    (0..malformed).for_each(|_| node.machine.count(&packet(Kind::Malformed, 12)));
}

/// So many days of one world, each of its own noise and its own others.
fn days(seed: u64, secret: Secret, there: bool, count: usize) -> Vec<Day> {
    // A restart goes on from what was saved.
    let save = matches!(secret, Secret::Gap | Secret::Contradicted).then_some(SAVE_SECONDS);
    let mut node = Node::new(OTHERS + 1, seed, save);
    let mut rng = Rng::of(&[seed, 90]);
    let (mut known, mut found) = ([0.0; 2], Vec::with_capacity(count));
    node.pass_until(MIDNIGHT + u64::from(DAY_SECONDS));
    for day in 1..=count as u64 {
        for other in FRIEND..=OTHERS {
            let moved = if rng.chance(0.75) { Stratum::of(other).bytes_of_a_day(&mut rng) } else { [0; 2] };
            // Below the clamp, whatever comes to it.
            let moved = moved.map(|bytes| bytes.min(20 * GIB));
            node.count(other, moved[0], moved[1]);
            let counted = held(moved);
            known = [known[0] + counted[0], known[1] + counted[1]];
        }
        let deed = secret.deed(there);
        act(&mut node, secret, &deed);
        node.pass_until(MIDNIGHT + (day + 1) * u64::from(DAY_SECONDS));
        node.pass(PUBLISHED_AFTER);
        node.scrape();
        let exact = deed.moved.iter().map(|moved| *moved as f64).chain([f64::from(deed.log_ins)]);
        found.push(Day { page: row(&node, secret, known), exact: exact.collect() });
        if !node.page().suppressed() {
            known = [0.0; 2];
        }
    }
    found
}

/// The best statistic of all series together, each of them less what is known, and all else of the page.
fn row(node: &Node, secret: Secret, known: [f64; 2]) -> Vec<f64> {
    let page = node.page();
    let [with, without] = [true, false].map(|there| secret.deed(there).moved);
    let mut row = vec![0.0];
    for (at, (series, scale)) in SERIES.iter().enumerate() {
        let left = page.value(series) - known.get(at).copied().unwrap_or(0.0);
        let away = |moved: u64| (left - moved as f64).abs() / scale;
        row[0] += away(without[at]) - away(with[at]);
        row.push(left / scale);
    }
    let is_other =
        |series: &str| series != "blindmeter_epoch" && SERIES.iter().all(|(told, _)| *told != series);
    let is_time = |series: &str| series.contains("timestamp");
    let others = page.samples.iter().filter(|(series, _)| is_other(series) && !is_time(series));
    row.extend(others.map(|(_, value)| *value));
    row
}

struct Found {
    blindmeter: (Attack, Estimate),
    exact: Estimate,
}

fn play_one(seed: u64, secret: Secret, [learned, scored]: [usize; 2]) -> Found {
    let days = |stream: u64, there: bool, count: usize| {
        days(Rng::of(&[seed, 91, stream, secret as u64, u64::from(there)]).word(), secret, there, count)
    };
    let learned = [days(1, true, learned), days(1, false, learned)];
    let scored = [days(2, true, scored), days(2, false, scored)];
    let play = |sight| best([&learned[0], &learned[1]], [&scored[0], &scored[1]], sight);
    Found { blindmeter: play(|day: &Day| &day.page), exact: play(|day: &Day| &day.exact).1 }
}

/// Plays every secret, on two threads.
pub(crate) fn play(seed: u64, form: Form) -> Vec<Row> {
    let sizes = form.choose([60, 150], [1_000, 6_000]);
    let found = on_two_threads(&SECRETS, |secret| play_one(seed, *secret, sizes));
    let row = |(secret, found): (&Secret, &Found)| {
        let (attack, area) = found.blindmeter;
        let goal = Goal::AtMost(secret.allowed() + 0.02);
        Row {
            check: format!("G9 all series, everything else known: {} (AUC)", secret.word()),
            control: Some(control("exact counts, AUC", &found.exact, "DeLong 95 %", 1.0)),
            figure: figure(&area, "DeLong 95 %"),
            goal: format!("{}: the budget {:.4} + 0.02", goal.text(form), secret.allowed()),
            passes: goal.holds(&area, form),
            note: format!("{} days of each kind ({})", sizes[1], attack.word()),
        }
    };
    SECRETS.iter().zip(&found).map(row).collect()
}
