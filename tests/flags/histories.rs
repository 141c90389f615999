//! Random histories, judged by the product and by the second calculation (`second.rs`): usual days, every kind of
//! trouble, and the edges of numbers in any place. Levels, scales, sums, raises with their scores, and what is shown
//! agree after every epoch.

use super::second::{KINDS, Node, Rate, Sums};
use crate::support::rng::Rng;
use blindmeter::meter::flags::baseline::Baseline;
use blindmeter::meter::flags::constants::{
    ANY_HOUR, Constants, DAY, HOUR, SENSITIVE_DAY, STRICT_DAY, Thresholds,
};
use blindmeter::meter::flags::detector::Detector;
use blindmeter::meter::flags::kind::Kind;
use blindmeter::meter::flags::rates::{Preset, Rates};
use blindmeter::meter::flags::watch::{Watch, WatchState};
use blindmeter::meter::units::{Totals, Volume};

const ACCOUNTS: usize = 24;
const EPOCHS: usize = 90;
const TICKS: usize = 24;

/// How far two scores may be apart.
const APART: f64 = 1e-4;

const EDGES: [u64; 14] = [
    0,
    1,
    149,
    150,
    299,
    300,
    100_000,
    999_999,
    1_000_000,
    1_000_001,
    1 << 24,
    (1 << 53) + 1,
    u64::MAX - 1,
    u64::MAX,
];

/// An account's habits, drawn once.
struct Habits {
    size: f64,
    ratio: f64,
    answers: f64,
    packet: f64,
    restless: f64,
}

impl Habits {
    fn draw(rng: &mut Rng) -> Self {
        Self {
            size: (normal(rng) * 1.5).exp() * 4e8,
            ratio: (normal(rng) - 2.5).exp(),
            answers: (normal(rng) * 0.3 + 0.4).exp(),
            packet: (normal(rng) * 0.4 + 5.5).exp(),
            restless: uniform(rng) * 0.8,
        }
    }

    /// An epoch, of which this part is an hour or a day.
    fn epoch(&self, part: f64, rng: &mut Rng) -> Sums {
        if uniform(rng) < 0.15 {
            return Sums::default();
        }
        let mut swing = |much: f64| (normal(rng) * self.restless * much).exp();
        let down = self.size * part * swing(1.0);
        let up = down * self.ratio * swing(0.5);
        let sent = up / self.packet * swing(0.3);
        let answered = sent * self.answers * swing(0.2);
        let [up, down, sent, answered] = [up, down, sent, answered].map(whole);
        let usual = Sums { up, down, sent, answered };
        let scaled = |count: f64| whole(count * part);
        let (drawn, trouble) = (rng.below(60), rng.below(30));
        let mut edge = || EDGES[rng.below(EDGES.len())];
        match drawn {
            // An edge in every place, or in some.
            0 => Sums { up: edge(), down: edge(), sent: edge(), answered: edge() },
            1 => Sums { up: edge(), ..usual },
            2 => Sums { sent: edge(), ..usual },
            3 => Sums { answered: edge(), down: edge(), ..usual },
            _ => match trouble {
                0 => Sums { up: scaled(2e6), down: 0, sent: scaled(2e4) + 200, answered: 0 },
                1 => Sums { up: usual.up, down: usual.down / 40, sent: usual.sent, answered: usual.sent / 8 },
                2 => Sums { up: usual.up + scaled(1e9), sent: usual.sent + scaled(1.5e7), ..usual },
                3 => Sums { up: usual.up + scaled(2e10), sent: usual.sent + scaled(1.7e7), ..usual },
                4 => Sums { up: usual.up + scaled(1.5e9), answered: usual.answered / 2, ..usual },
                5 | 6 => {
                    let times = |count: u64| count.saturating_mul(12);
                    let [up, down] = [times(usual.up), times(usual.down)];
                    Sums { up, down, sent: times(usual.sent), answered: times(usual.answered) }
                }
                _ => usual,
            },
        }
    }
}

fn uniform(rng: &mut Rng) -> f64 {
    (rng.word() >> 11) as f64 / (1_u64 << 53) as f64
}

fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| uniform(rng)).sum::<f64>() - 6.0
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
fn whole(number: f64) -> u64 {
    number as u64
}

fn totals(sums: Sums) -> Totals {
    let volume = |bytes, packets| Volume { bytes, packets };
    Totals { up: volume(sums.up, sums.sent), down: volume(sums.down, sums.answered) }
}

fn plus(one: Sums, other: Sums) -> Sums {
    Sums {
        up: one.up.saturating_add(other.up),
        down: one.down.saturating_add(other.down),
        sent: one.sent.saturating_add(other.sent),
        answered: one.answered.saturating_add(other.answered),
    }
}

fn close_to(one: f64, other: f64, what: &str) {
    assert!(one.is_finite() && other.is_finite(), "{what}: {one} and {other}");
    assert!((one - other).abs() < APART * other.abs().max(1.0), "{what}: {one} and {other}");
}

/// What both hold of every account.
fn hold_alike<'a>(baseline: impl Fn(usize) -> &'a Baseline, second: &Node, at: &str) {
    for (index, account) in second.accounts.iter().enumerate() {
        let (ours, what) = (baseline(index), format!("{at}, account {index}"));
        assert_eq!(ours.counts().map(u32::from), [account.epochs, account.sender_epochs], "{what}");
        let numbers = |baseline: &Baseline| [baseline.levels(), baseline.scales()].concat();
        for (one, other) in numbers(ours).into_iter().zip([account.levels, account.scales].concat()) {
            close_to(one.into(), other.into(), &what);
        }
        for (one, other) in ours.volume().into_iter().zip(account.volume) {
            close_to(one.into(), other.into(), &what);
        }
        let [surge, mirror, drift, unusual] = ours.sums();
        let sums = [surge, mirror, drift, unusual].into_iter().zip(account.sums);
        // Half a step of the kept sums is rounded either way.
        sums.for_each(|(one, other)| assert!((one - other).abs() < 0.002, "{what}: {one} and {other}"));
        for kind in Kind::ALL {
            assert_eq!(ours.shows(kind), account.shows(kind.name()), "{what}: {}", kind.name());
        }
    }
}

/// How often each kind was raised.
type Raised = [usize; KINDS.len()];

fn add(raised: &mut Raised, kind: &str) {
    raised[KINDS.iter().position(|name| *name == kind).expect("a kind")] += 1;
}

/// Lives through a history of whole epochs.
fn compare(seed: u64, rate: Rate, sensitive: bool, raised: &mut Raised) {
    let (constants, thresholds): (&Constants, &Thresholds) = match (rate, sensitive) {
        (Rate::Hour, _) => (&HOUR, &ANY_HOUR),
        (_, true) => (&DAY, &SENSITIVE_DAY),
        (_, false) => (&DAY, &STRICT_DAY),
    };
    let mut rng = Rng::seeded(seed);
    let habits: Vec<Habits> = (0..ACCOUNTS).map(|_| Habits::draw(&mut rng)).collect();
    let mut detector = Detector::new(constants, thresholds, ACCOUNTS);
    let mut second = Node::new(ACCOUNTS, rate, sensitive);
    let part = if rate == Rate::Hour { 1.0 / 24.0 } else { 1.0 };
    for epoch in 0..EPOCHS {
        let sums: Vec<Sums> = habits.iter().map(|habits| habits.epoch(part, &mut rng)).collect();
        let mut ours = Vec::new();
        detector.close(false, |at| totals(sums[at]), |at, kind, score| ours.push((at, kind.name(), score)));
        let theirs = second.close(&sums);
        let at = format!("seed {seed}, epoch {epoch}");
        assert_eq!(ours.len(), theirs.len(), "{at}: {ours:?} and {theirs:?}");
        for (one, other) in ours.iter().zip(&theirs) {
            assert_eq!((one.0, one.1), (other.0, other.1), "{at}");
            close_to(one.2, other.2, &format!("{at}: {}", one.1));
            add(raised, one.1);
        }
        hold_alike(|index| detector.baseline(index).expect("an account"), &second, &at);
    }
}

#[test]
fn random_histories_are_judged_alike_by_the_second_calculation() {
    let (mut days, mut hours) = (Raised::default(), Raised::default());
    for seed in 0..24 {
        compare(seed, Rate::Day, seed % 2 == 0, &mut days);
        compare(seed, Rate::Hour, false, &mut hours);
    }
    // What was compared was there: every kind of days, and those that hours have.
    assert!(days.iter().all(|count| *count > 3), "{days:?}");
    assert!([1, 2, 5, 6].iter().all(|kind| hours[*kind] > 3), "{hours:?}");
}

#[test]
fn random_ticks_are_judged_alike_by_the_second_calculation() {
    let mut counted = Raised::default();
    for (seed, preset) in (100..108).zip([Preset::Strict, Preset::Sensitive].into_iter().cycle()) {
        let mut rng = Rng::seeded(seed);
        let habits: Vec<Habits> = (0..ACCOUNTS).map(|_| Habits::draw(&mut rng)).collect();
        let rates = Rates::of(86_400, 3_600_000_000_000, preset);
        let mut watch = Watch::resumed(&rates, 1_000_000, Vec::new(), ACCOUNTS, WatchState::default());
        let mut second = Node::new(ACCOUNTS, Rate::Day, preset == Preset::Sensitive);
        for day in 0..EPOCHS / 3 {
            let mut of_day = vec![Sums::default(); ACCOUNTS];
            for tick in 0..TICKS {
                // Trouble of an hour now and then; the edges are of whole days.
                let sums: Vec<Sums> = habits
                    .iter()
                    .map(|habits| {
                        let sums = habits.epoch(1.0 / 24.0, &mut rng);
                        let is_edge =
                            [sums.up, sums.down, sums.sent, sums.answered].iter().any(|part| *part > 1 << 40);
                        if is_edge && tick != 5 { Sums::default() } else { sums }
                    })
                    .collect();
                watch.tick(|at| totals(sums[at]));
                second.tick(&sums);
                of_day.iter_mut().zip(&sums).for_each(|(day, tick)| *day = plus(*day, *tick));
            }
            let counts = watch.close(|at| totals(of_day[at]));
            let raises = second.close(&of_day);
            let at = format!("seed {seed}, day {day}");
            // Of an account the two most severe kinds are counted.
            let mut least = [0; KINDS.len()];
            raises.iter().for_each(|(_, kind, _)| add(&mut least, kind));
            for (kind, count) in Kind::ALL.into_iter().zip(counts.accounts) {
                assert!(count <= least[kind.index()] as u64, "{at}: {}", kind.name());
            }
            raises.iter().for_each(|(_, kind, _)| add(&mut counted, kind));
            hold_alike(|index| watch.baseline(index).expect("an account"), &second, &at);
        }
    }
    assert!([1, 2, 6].iter().all(|kind| counted[*kind] > 10), "{counted:?}");
}
