//! Ticks, mass events, what is kept, and features at the edges of numbers by a second calculation.

use crate::sums;
use blindmeter::meter::flags::baseline::Baseline;
use blindmeter::meter::flags::constants::{DAY, HOUR};
use blindmeter::meter::flags::features::Features;
use blindmeter::meter::flags::interruption::NodeState;
use blindmeter::meter::flags::kind::Kind;
use blindmeter::meter::flags::rates::{Preset, Rates};
use blindmeter::meter::flags::watch::{Watch, WatchState};
use blindmeter::meter::units::Totals;

const HOUR_NANOSECONDS: u64 = 3_600_000_000_000;

fn watch(accounts: usize) -> Watch {
    let rates = Rates::of(86_400, HOUR_NANOSECONDS, Preset::Strict);
    Watch::resumed(&rates, 20_000, Vec::new(), accounts, WatchState::default())
}

fn well() -> Totals {
    sums([4_000_000, 20_000], [80_000_000, 60_000])
}

fn cut_off() -> Totals {
    sums([1_400_000, 20_000], [0, 0])
}

/// A day of equal ticks for everybody, but for one tick of these accounts.
fn day(watch: &mut Watch, accounts: usize, bad_tick: usize, bad: impl Fn(usize) -> bool) -> [u64; 7] {
    let of = |tick: usize, at: usize| if tick == bad_tick && bad(at) { cut_off() } else { well() };
    for tick in 0..24 {
        watch.tick(|at| of(tick, at));
    }
    let sums = |at: usize| (0..24).map(|tick| of(tick, at)).fold(Totals::default(), Totals::plus);
    let counts = watch.close(sums).accounts;
    assert!(watch.flagged().count() <= accounts);
    counts
}

#[test]
fn one_bad_tick_is_enough_and_which_one_it_was_is_not_kept() {
    let of = |bad_tick: usize| {
        let mut watch = watch(40);
        for _ in 0..6 {
            assert_eq!(day(&mut watch, 40, 99, |_| false), [0; 7]);
        }
        let counts = day(&mut watch, 40, bad_tick, |at| at == 7);
        assert_eq!(counts[Kind::Stall.index()], 1);
        assert_eq!(watch.flagged().count(), 0, "nothing is told before the publication");
        watch.tell();
        let told: Vec<usize> = watch.flagged().map(|(at, _)| at).collect();
        assert_eq!(told, [7]);
        let kept: Vec<[u8; 64]> = (0..40).filter_map(|at| watch.baseline(at)).map(Baseline::encode).collect();
        (kept, watch.state().told.node == NodeState::Working)
    };
    assert_eq!(of(3), of(20));
    assert!(of(3).1);
}

#[test]
fn too_many_at_once_make_a_mass_event_and_no_flag() {
    let raised = |accounts: usize, bad: usize| {
        let mut watch = watch(accounts);
        for _ in 0..6 {
            day(&mut watch, accounts, 99, |_| false);
        }
        let counts = day(&mut watch, accounts, 5, |at| at < bad);
        watch.tell();
        (counts[Kind::Stall.index()], watch.state().told.mass_event, watch.flagged().count())
    };
    assert_eq!(raised(200, 4), (4, false, 4), "two in a hundred");
    assert_eq!(raised(200, 5), (5, true, 0), "more: they are counted, and none is flagged");
    assert_eq!(raised(99, 20), (20, false, 20), "fewer than a hundred accounts are no mass");
}

#[test]
fn a_bad_tick_of_the_node_silences_the_epoch() {
    let mut watch = watch(40);
    for _ in 0..6 {
        day(&mut watch, 40, 99, |_| false);
    }
    let before: Vec<[f32; 4]> = (0..40).filter_map(|at| watch.baseline(at)).map(Baseline::levels).collect();
    assert_eq!(day(&mut watch, 40, 2, |at| at < 20), [0; 7]);
    watch.tell();
    let after: Vec<[f32; 4]> = (0..40).filter_map(|at| watch.baseline(at)).map(Baseline::levels).collect();
    assert!(
        watch.state().told.node == NodeState::Interrupted && before == after && watch.flagged().count() == 0
    );
    // Twenty sick, less a quarter of forty; it is of one epoch.
    assert_eq!(watch.state().interruption, 0);
}

#[test]
fn a_baseline_comes_back_from_its_bytes() {
    let mut watch = watch(3);
    for round in 0..30 {
        day(&mut watch, 3, round % 24, |at| at == 1 && round % 9 == 8);
        if round % 2 == 0 {
            watch.tell();
        }
        watch.tick(|at| if at == 2 { cut_off() } else { well() });
        for at in 0..3 {
            let baseline = watch.baseline(at).expect("an account");
            assert!(Baseline::decode(&baseline.encode()).as_ref() == Some(baseline));
        }
    }
    assert!(Baseline::decode(&[0; 64]).is_none());
}

/// The formulas of docs/flags.md once more, in double precision and with another logarithm.
#[test]
#[expect(clippy::cast_precision_loss, reason = "a count as a number, as in the product")]
fn features_at_the_edges_are_those_of_a_second_calculation() {
    let edges = [0, 1, 4, 99_999, 100_000, 1_000_000, 1 << 40, (1 << 53) + 1, u64::MAX];
    for (constants, floor, sender) in [(&DAY, 1e6, 300), (&HOUR, 1e5, 150)] {
        for (at, up) in edges.into_iter().enumerate() {
            for (beside, down) in edges.into_iter().enumerate() {
                let packets = [edges[(at + beside) % edges.len()], edges[(2 * at + beside) % edges.len()]];
                let [ub, db, ku, kd] = [up, down, packets[0], packets[1]].map(|count| count as f64);
                let expected = [
                    ub.max(floor / 10.0).ln(),
                    ((ub + floor / 10.0) / (db + floor)).ln(),
                    ((kd + 5.0) / (ku + 5.0)).ln(),
                    ((ub + 50.0) / (ku + 1.0)).ln(),
                ];
                let features = Features::of(sums([up, packets[0]], [down, packets[1]]), constants);
                for (ours, expected) in features.tracked.into_iter().zip(expected) {
                    assert!((f64::from(ours) - expected).abs() < 1e-5 * expected.abs().max(1.0));
                }
                let total = up.saturating_add(down) as f64;
                assert!((f64::from(features.volume) - total.max(floor).ln()).abs() < 1e-5 * 50.0);
                assert_eq!((features.is_active, features.is_sender), (total > floor, packets[0] >= sender));
            }
        }
    }
}

#[test]
fn for_another_length_all_that_is_counted_is_scaled_by_one_factor() {
    // A sender of a day sends 300 packets, one of two days 600, one of an epoch of seconds a thousandth.
    let sends = |epoch_seconds: u64, packets: u64| {
        let rates = Rates::of(epoch_seconds, u64::MAX, Preset::Strict);
        Features::of(sums([0, packets], [0, 0]), &rates.epoch).is_sender
    };
    for (epoch_seconds, least) in
        [(86_400, 300), (172_800, 600), (43_200, 150), (3600, 150), (7200, 300), (5, 1)]
    {
        assert!(sends(epoch_seconds, least) && !sends(epoch_seconds, least - 1), "{epoch_seconds} s");
    }
}
