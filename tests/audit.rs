//! The audit on neighbours: what the real path of a release, from counters to published values, tells
//! about one account at the most, measured.
//!
//! Two worlds differ by one account's day. Each is released many times; an event is counted that is as
//! much likelier in one of them as the promise allows. The observed epsilon is the logarithm of the
//! ratio of the two frequencies, lower bound over upper bound, so that with 99.9 % it is not above the
//! true one (Clopper and Pearson). It has to lie between 0.95 and 1.00 of what is stated: above, more
//! is told than was promised; below, there is more noise than was stated, or the event is badly chosen.
//!
//! `BLINDMETER_AUDIT_RUNS=1000000 cargo test --release --test audit` is the long form.

#[path = "audit/interval.rs"]
mod interval;
mod support;

use blindmeter::meter::budget::Epsilon;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::epoch::Epochs;
use blindmeter::meter::flag_counts::FlagCounts;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::policy::{Mode, Noise, Policy};
use blindmeter::meter::release::Release;
use blindmeter::meter::slot::{Direction, Slot};
use support::rng::Rng;

/// Runs of each world in a normal run of the tests: enough for every bound below.
const RUNS: u32 = 400_000;

/// What the observed epsilon may fail by; half of it on each side.
const FAILS: f64 = 0.001;

const MIB: u64 = 1 << 20;

/// Accounts that are the same in both worlds.
const OTHERS: u32 = 24;

/// One of two neighbouring worlds: what each of the others and the one account move in a day, up and
/// down, and what was raised.
#[derive(Clone, Copy, Default)]
struct World {
    others: u32,
    each: [u64; 2],
    account: [u64; 2],
    raised: FlagCounts,
}

/// How often the event comes true in so many releases of a world.
fn frequency(policy: Policy, world: World, seed: u64, runs: u32, event: impl Fn(&Release) -> bool) -> u32 {
    let counters = Counters::in_memory(OTHERS as usize + 1);
    let mut ledger = Ledger::new(counters);
    let mut epochs = Epochs::new(policy, 0);
    let mut rng = Rng::seeded(seed);
    let add = |at: u32, [up, down]: [u64; 2]| {
        let slot = Slot::new(Slot::FIRST_ACCOUNT.word() + at);
        counters.add(slot, Direction::Up, up, 1);
        counters.add(slot, Direction::Down, down, 1);
    };
    let mut count = 0;
    for ordinal in 1..=u64::from(runs) {
        (1..=world.others).for_each(|at| add(at, world.each));
        add(0, world.account);
        assert!(epochs.seal(ordinal, &mut ledger, &world.raised, &mut rng).is_ok());
        count += u32::from(epochs.publish().is_some_and(|release| event(&release)));
    }
    count
}

/// The epsilon that is observed from how often an event that tells of an account comes true with and
/// without it.
fn observed(policy: Policy, [with, without]: [World; 2], event: impl Fn(&Release) -> bool) -> f64 {
    let runs = std::env::var("BLINDMETER_AUDIT_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(RUNS);
    let with = frequency(policy, with, 1, runs, &event);
    let without = frequency(policy, without, 2, runs, &event);
    let ratio = interval::lower(with, runs, FAILS / 2.0) / interval::upper(without, runs, FAILS / 2.0);
    ratio.ln()
}

#[expect(clippy::print_stdout, reason = "the figures are what an audit is read for")]
fn holds(what: &str, stated: f64, observed: f64) {
    println!("{what}: observed {observed:.4} of {stated}, {:.3}", observed / stated);
    assert!((0.95..=1.0).contains(&(observed / stated)), "{what}: observed {observed} of {stated}");
}

/// A clamp of 1 MiB and a step of 16 bytes, so that rounding hides nothing; a crowd that is always
/// enough.
fn bytes_policy(epsilon: &str) -> Policy {
    let epsilon = Epsilon::of_decimal(epsilon).expect("a decimal");
    let policy = Policy {
        crowd: 1,
        link_bits_per_second: 1,
        mode: Mode::Noisy(Noise { epsilon, clamp_bytes: MIB }),
        ..Policy::DEFAULT
    };
    assert_eq!(policy.rounding_step(), 16);
    policy
}

/// Both worlds: the account moves this much, or nothing.
fn with_and_without(account: [u64; 2]) -> [World; 2] {
    let world = World { others: OTHERS, each: [MIB, 0], ..World::default() };
    [World { account, ..world }, world]
}

const SUM: u64 = OTHERS as u64 * MIB;

/// Published totals are at least these.
fn at_least(up: u64, down: u64) -> impl Fn(&Release) -> bool {
    move |release| {
        !release.suppressed()
            && release.up_bytes() >= up.cast_signed()
            && release.down_bytes() >= down.cast_signed()
    }
}

/// Published totals are at least this up; down is whatever it is.
fn up_at_least(up: u64) -> impl Fn(&Release) -> bool {
    move |release| !release.suppressed() && release.up_bytes() >= up.cast_signed()
}

#[test]
fn one_direction_tells_an_epsilon_and_no_more() {
    // Seven times the clamp: what is above it does not show.
    let found = observed(bytes_policy("1.0"), with_and_without([7 * MIB, 0]), up_at_least(SUM + MIB));
    holds("bytes up", 1.0, found);
}

#[test]
fn both_directions_together_tell_no_more_than_one() {
    let event = at_least(SUM + MIB / 2, MIB / 2);
    holds(
        "bytes up and down",
        0.7,
        observed(bytes_policy("0.7"), with_and_without([3 * MIB, 3 * MIB]), event),
    );
}

/// An account of exactly what counts as active, where the crowd stands at its edge.
#[test]
fn the_crowd_gate_tells_half_an_epsilon_and_no_more() {
    let policy = Policy { crowd: u64::from(OTHERS) + 1, ..bytes_policy("1.0") };
    let found = observed(policy, with_and_without([MIB, 0]), |release| !release.suppressed());
    holds("gate", 0.5, found);
}

/// An account that counts for two kinds, the most that one counts for.
#[test]
fn flag_counts_together_tell_half_an_epsilon_and_no_more() {
    let raised = |count| FlagCounts { accounts: [count, count, 0, 0, 0, 0], ..FlagCounts::default() };
    let worlds = [4, 3].map(|count| World { raised: raised(count), ..World::default() });
    // 4 is rounded up to 8, 3 down to 0.
    let event = |release: &Release| release.irregular_accounts()[..2].iter().all(|count| *count >= 8);
    holds("flags", 0.5, observed(bytes_policy("1.0"), worlds, event));
}

/// The control: noise that is a tenth too small or too large is found.
#[test]
fn noise_of_another_scale_is_noticed() {
    for (epsilon, found_within) in [("1.1", 1.0..=1.1), ("0.9", 0.8..=0.95)] {
        let found = observed(bytes_policy(epsilon), with_and_without([MIB, 0]), up_at_least(SUM + MIB));
        assert!(found_within.contains(&found) && !(0.95..=1.0).contains(&found), "{epsilon}: {found}");
    }
}
