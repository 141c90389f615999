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

#[path = "audit/fleet.rs"]
mod fleet;
#[path = "audit/interval.rs"]
mod interval;
mod support;

use blindmeter::meter::budget::Epsilon;
use blindmeter::meter::counters::Counters;
use blindmeter::meter::epoch::Epochs;
use blindmeter::meter::flag_counts::FlagCounts;
use blindmeter::meter::ledger::Ledger;
use blindmeter::meter::policy::{Flagging, Mode, Noise, Policy};
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
/// down; what they move of the node's own counts, bytes up and down and packets; and what was raised.
#[derive(Clone, Copy, Default)]
struct World {
    others: u32,
    each: [u64; 2],
    account: [u64; 2],
    unattributed: [u64; 2],
    lost: u64,
    malformed: u64,
    raised: FlagCounts,
}

/// How often the event comes true in so many releases of a world.
fn frequency(policy: Policy, world: World, seed: u64, runs: u32, event: impl Fn(&Release) -> bool) -> u32 {
    let counters = Counters::in_memory(OTHERS as usize + 1);
    let mut ledger = Ledger::new(counters);
    let mut rng = Rng::seeded(seed);
    let add = |slot: Slot, [up, down]: [u64; 2]| {
        counters.add(slot, Direction::Up, up, 1);
        counters.add(slot, Direction::Down, down, 1);
    };
    let account = |at: u32| Slot::new(Slot::FIRST_ACCOUNT.word() + at);
    let mut count = 0;
    for _ in 0..runs {
        // Each release by itself: what a gate held back would be in the next.
        let mut epochs = Epochs::new(policy, 0);
        (1..=world.others).for_each(|at| add(account(at), world.each));
        add(account(0), world.account);
        add(Slot::UNATTRIBUTED, world.unattributed);
        counters.add(Slot::LOST, Direction::Up, 0, world.lost);
        counters.add(Slot::MALFORMED, Direction::Up, 0, world.malformed);
        assert!(epochs.seal(1, &mut ledger, &world.raised, &mut rng).is_ok());
        count += u32::from(epochs.publish().is_some_and(|release| event(&release)));
    }
    count
}

/// The epsilon that is observed from how often an event that tells of an account comes true with and
/// without it.
fn observed(policy: Policy, worlds: [World; 2], event: impl Fn(&Release) -> bool) -> f64 {
    observed_in(RUNS, policy, worlds, event)
}

/// The same in so many runs, where the event is rare or the epsilon small.
fn observed_in(
    runs: u32,
    policy: Policy,
    [with, without]: [World; 2],
    event: impl Fn(&Release) -> bool,
) -> f64 {
    let asked = std::env::var("BLINDMETER_AUDIT_RUNS").ok().and_then(|text| text.parse().ok());
    let runs = runs.max(asked.unwrap_or(0));
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
fn the_crowd_gate_tells_its_epsilon_and_no_more() {
    let found =
        observed_in(2 * RUNS, at_the_edge(), with_and_without([MIB, 0]), |release| !release.suppressed());
    holds("gate", 0.3, found);
}

fn at_the_edge() -> Policy {
    Policy { crowd: u64::from(OTHERS) + 1, ..bytes_policy("1.0") }
}

/// The policy once flags are raised.
fn flagging() -> Policy {
    Policy { flags: Some(Flagging::DEFAULT), ..bytes_policy("1.0") }
}

/// The two worlds of what is raised.
fn raised([with, without]: [FlagCounts; 2]) -> [World; 2] {
    [with, without].map(|raised| World { raised, ..World::default() })
}

/// An account that counts for two kinds, the most that one counts for.
#[test]
fn flag_counts_together_tell_their_epsilon_and_no_more() {
    let of = |count| FlagCounts { accounts: [count, count, 0, 0, 0, 0, 0], ..FlagCounts::default() };
    // 4 is rounded up to 8, 3 down to 0.
    let event = |release: &Release| release.irregular_accounts()[..2].iter().all(|count| *count >= 8);
    holds("flags", 0.4, observed_in(3 * RUNS, flagging(), raised([of(4), of(3)]), event));
}

/// Ten senders, so that ten times the epsilon shows: a tenth would take a hundred times the runs.
#[test]
fn an_interruption_tells_its_epsilon_of_each_sender_and_no_more() {
    let of = |interruption| FlagCounts { interruption, ..FlagCounts::default() };
    let found = observed(flagging(), raised([of(71), of(61)]), Release::interrupted);
    holds("interrupted, ten senders", 1.0, found);
}

/// Each series of the node, for twenty times the stated influence: twenty times an epsilon of 0.05.
#[test]
fn each_node_series_tells_its_epsilon_of_the_stated_influence_and_no_more() {
    const GIB: u64 = 1 << 30;
    let quiet = World::default();
    // Of what comes down to nobody one influence is seen at the most.
    let unattributed = World { unattributed: [19 * GIB, 60 * GIB], ..quiet };
    let found = observed_in(2 * RUNS, bytes_policy("1.0"), [unattributed, quiet], |release| {
        release.unattributed_up_bytes() >= 19 * GIB.cast_signed()
            && release.unattributed_down_bytes() >= GIB.cast_signed()
    });
    holds("unattributed, both directions", 1.0, found);

    // Half a step more in both worlds, so that the edge of the event is where rounding turns.
    let of = |influence: u64| [20 * influence + influence / 2, influence / 2];
    let least = |influence: u64| 21 * influence.cast_signed();
    let lost = of(1 << 20).map(|lost| World { lost, ..quiet });
    let found = observed(bytes_policy("1.0"), lost, |release| release.lost_packets() >= least(1 << 20));
    holds("lost", 1.0, found);
    let malformed = of(1 << 16).map(|malformed| World { malformed, ..quiet });
    let found =
        observed(bytes_policy("1.0"), malformed, |release| release.malformed_packets() >= least(1 << 16));
    holds("malformed", 1.0, found);
    let attempts = of(64).map(|failed_attempts| FlagCounts { failed_attempts, ..FlagCounts::default() });
    let found =
        observed(bytes_policy("1.0"), raised(attempts), |release| release.failed_attempts() >= least(64));
    holds("failed attempts", 1.0, found);
}

/// One account that does all of it at once: an adversary who reads every series learns the sum of the
/// epsilons, 2.0, and no more. The event is one release in a thousand, so that the bound is a loose one.
#[test]
fn all_series_together_tell_the_stated_sum_and_no_more() {
    let policy = Policy { flags: Some(Flagging::DEFAULT), ..at_the_edge() };
    let others = World {
        others: OTHERS,
        each: [MIB, 0],
        lost: 1 << 19,
        malformed: 1 << 15,
        raised: FlagCounts { accounts: [3, 3, 0, 0, 0, 0, 0], interruption: 70, failed_attempts: 32 },
        ..World::default()
    };
    let with = World {
        account: [MIB, 0],
        unattributed: [1 << 29, 1 << 29],
        lost: others.lost + (1 << 20),
        malformed: others.malformed + (1 << 16),
        raised: FlagCounts { accounts: [4, 4, 0, 0, 0, 0, 0], interruption: 71, failed_attempts: 96 },
        ..others
    };
    let event = |release: &Release| {
        !release.suppressed()
            && release.up_bytes() >= (SUM + MIB).cast_signed()
            && release.unattributed_up_bytes() >= 1 << 29
            && release.unattributed_down_bytes() >= 1 << 29
            && release.lost_packets() >= 2 << 20
            && release.malformed_packets() >= 2 << 16
            && release.failed_attempts() >= 128
            && release.irregular_accounts()[..2].iter().all(|count| *count >= 8)
            && release.interrupted()
    };
    let found = observed_in(4 * RUNS, policy, [with, others], event);
    println!("all series: observed {found:.4} of 2");
    assert!((1.5..=2.0).contains(&found), "all series: observed {found} of 2");
}

/// What one account moves beyond the stated influence is told in proportion: the promise ends there, and
/// SECURITY.md says so.
#[test]
fn beyond_the_influence_a_node_series_tells_more() {
    let moved = World { unattributed: [60 << 30, 0], ..World::default() };
    let found = observed(bytes_policy("1.0"), [moved, World::default()], |release| {
        release.unattributed_up_bytes() >= 60 << 30
    });
    holds("unattributed, 60 GiB", 3.0, found);
}

/// The control: noise that is a tenth too small or too large is found.
#[test]
fn noise_of_another_scale_is_noticed() {
    for (epsilon, found_within) in [("1.1", 1.0..=1.1), ("0.9", 0.8..=0.95)] {
        let found = observed(bytes_policy(epsilon), with_and_without([MIB, 0]), up_at_least(SUM + MIB));
        assert!(found_within.contains(&found) && !(0.95..=1.0).contains(&found), "{epsilon}: {found}");
    }
}
