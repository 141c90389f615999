//! The flags: against an oracle of other authors, at the edges of numbers, and whatever order accounts come in.
//!
//! `flags/expected.*.csv` is what the oracle that the formulas of docs/flags.md were taken from (NumPy, double
//! precision, all accounts at once) raises on the world that `flags/world.rs` draws.
//! `BLINDMETER_WORLD=FILE cargo test --test flags the_world` writes that world for another oracle.

#[path = "flags/histories.rs"]
mod histories;
#[path = "flags/picture.rs"]
mod picture;
#[path = "flags/second.rs"]
mod second;
mod support;
#[path = "flags/time.rs"]
mod time;
#[path = "flags/watch.rs"]
mod watch;
#[path = "flags/world.rs"]
mod world;

use blindmeter::meter::flags::constants::{
    ANY_HOUR, Constants, DAY, HOUR, SENSITIVE_DAY, STRICT_DAY, Thresholds,
};
use blindmeter::meter::flags::detector::Detector;
use blindmeter::meter::flags::interruption::{NodeState, Senders};
use blindmeter::meter::flags::kind::Kind;
use blindmeter::meter::flags::surge::Mirror;
use blindmeter::meter::units::{Totals, Volume};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Flags of a table by node, account, epoch and kind, with their scores.
type Flags = BTreeMap<[String; 4], f64>;

#[test]
fn scores_are_those_of_the_oracle() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let table = folder.path().join("world.csv");
    std::fs::write(&table, world::csv()).expect("a file of our own");
    for (epoch, preset, expected) in [
        ("24h", "strict", include_str!("flags/expected.strict.csv")),
        ("24h", "sensitive", include_str!("flags/expected.sensitive.csv")),
        ("1h", "strict", include_str!("flags/expected.hour.csv")),
    ] {
        let path = table.to_str().expect("a path of ASCII");
        let output = Command::new(env!("CARGO_BIN_EXE_blindmeter"))
            .args(["flags", path, "--epoch", epoch, "--preset", preset])
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut found = flags(&String::from_utf8(output.stdout).expect("UTF-8"));
        // The oracle knows no crowd.
        found.retain(|[_, _, _, kind], _| kind != "heavy");
        let expected = flags(expected);
        let kinds: BTreeSet<&str> = expected.keys().map(|[.., kind]| kind.as_str()).collect();
        assert!(kinds.len() >= if epoch == "24h" { 7 } else { 4 }, "{kinds:?}");
        for (flag, score) in &expected {
            let of_ours = found.remove(flag);
            assert!(of_ours.is_some_and(|ours| (ours - score).abs() < 1e-4), "{flag:?} {score}: {of_ours:?}");
        }
        assert!(found.is_empty(), "raised by none but ours: {found:?}");
    }
}

fn flags(text: &str) -> Flags {
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let flag = |row: Vec<&str>| {
        let &[node, account, epoch, kind, score] = row.as_slice() else { panic!("five fields: {row:?}") };
        ([node, account, epoch, kind].map(str::to_owned), score.parse().expect("a number"))
    };
    rows.map(flag).collect()
}

/// `FLAGS_PICTURE=write` draws it anew.
#[test]
fn the_picture_of_the_days_is_what_the_program_makes_of_them() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/flags.svg");
    let drawn = picture::draw();
    if std::env::var("FLAGS_PICTURE").as_deref() == Ok("write") {
        std::fs::write(path, &drawn).expect("the picture can be written");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == drawn, "docs/flags.svg is another picture: FLAGS_PICTURE=write draws it anew");
}

#[test]
fn the_world_can_be_written_for_another_oracle() {
    let text = world::csv();
    assert_eq!(text.lines().count(), 1 + world::ACCOUNTS * world::EPOCHS);
    if let Some(path) = std::env::var_os("BLINDMETER_WORLD") {
        std::fs::write(path, text).expect("a place that can be written");
    }
}

/// What a detector raises over these epochs: account, epoch, kind, score.
fn raised(
    (constants, thresholds): (&'static Constants, &'static Thresholds),
    accounts: &[Vec<Totals>],
) -> Vec<(usize, usize, &'static str, f64)> {
    let mut detector = Detector::new(constants, thresholds, accounts.len());
    let epochs = accounts.iter().map(Vec::len).max().unwrap_or(0);
    let mut raised = Vec::new();
    for epoch in 0..epochs {
        let sums = |index: usize| accounts[index].get(epoch).copied().unwrap_or_default();
        detector.close(false, sums, |index, kind, score| raised.push((index, epoch, kind.name(), score)));
    }
    raised
}

#[test]
fn the_order_of_accounts_changes_nothing() {
    let accounts = world::accounts();
    let accounts: Vec<Vec<Totals>> = accounts.into_iter().map(|account| account.epochs).collect();
    let reversed: Vec<Vec<Totals>> = accounts.iter().rev().cloned().collect();
    let sorted = |mut raised: Vec<(usize, usize, &'static str, f64)>| {
        raised.sort_by(|one, other| one.partial_cmp(other).expect("numbers"));
        raised
    };
    let one = sorted(raised((&DAY, &SENSITIVE_DAY), &accounts));
    let other = raised((&DAY, &SENSITIVE_DAY), &reversed).into_iter();
    let other =
        sorted(other.map(|(at, epoch, kind, score)| (accounts.len() - 1 - at, epoch, kind, score)).collect());
    assert!(one.len() > 50, "{}", one.len());
    assert_eq!(one, other);
}

#[test]
fn no_numbers_make_a_score_that_is_none() {
    let edges = [0, 1, 299, 300, 999_999, 1_000_000, 1 << 24, (1 << 53) + 1, u64::MAX - 1, u64::MAX];
    // Every edge in every place, in an order that lets baselines form and break.
    let mut epochs = Vec::new();
    for round in 0..4_000_usize {
        let at = |step: usize| edges[(round * step + round / 7) % edges.len()];
        let up = Volume { bytes: at(1), packets: at(3) };
        epochs.push(Totals { up, down: Volume { bytes: at(7), packets: at(9) } });
    }
    for (constants, thresholds) in [(&DAY, &SENSITIVE_DAY), (&HOUR, &ANY_HOUR)] {
        let raised = raised((constants, thresholds), &[epochs.clone()]);
        assert!(!raised.is_empty());
        assert!(raised.iter().all(|(.., score)| score.is_finite()), "{raised:?}");
    }
}

pub(crate) fn sums(up: [u64; 2], down: [u64; 2]) -> Totals {
    let volume = |[bytes, packets]: [u64; 2]| Volume { bytes, packets };
    Totals { up: volume(up), down: volume(down) }
}

#[test]
fn a_new_account_is_flagged_by_absolute_rules_alone() {
    // Four quiet days, each twice the other: nothing is known yet, and nothing is raised.
    let days: Vec<Totals> =
        (0..4).map(|day| sums([200_000_000 << day, 1_000_000], [4_000_000_000 << day, 2_500_000])).collect();
    assert!(raised((&DAY, &SENSITIVE_DAY), &[days]).is_empty());
    // A flood on the first day, and an account that gets nothing back.
    let flood = vec![sums([600_000_000, 10_000_000], [1_000_000, 10_000])];
    let cut_off = vec![sums([1_400_000, 20_000], [0, 0])];
    let raised = raised((&DAY, &STRICT_DAY), &[flood, cut_off]);
    let kinds: Vec<(usize, &str)> = raised.iter().map(|(at, _, kind, _)| (*at, *kind)).collect();
    // A flood is hardly answered either.
    assert_eq!(kinds, [(0, "stall"), (0, "pktflood"), (1, "stall")], "{raised:?}");
}

#[test]
fn a_node_that_is_interrupted_flags_nobody_and_teaches_nothing() {
    let well = sums([100_000_000, 500_000], [2_000_000_000, 1_500_000]);
    let cut_off = sums([1_400_000, 20_000], [0, 0]);
    let accounts = |sick: usize, all: usize| -> Vec<Totals> {
        (0..all).map(|index| if index < sick { cut_off } else { well }).collect()
    };
    for (sick, all, state) in [
        (7, 7, NodeState::Unknown),
        (5, 8, NodeState::Interrupted),
        (4, 8, NodeState::Working),
        (5, 20, NodeState::Working),
        (6, 20, NodeState::Interrupted),
    ] {
        let accounts = accounts(sick, all);
        let mut senders = Senders::default();
        accounts.iter().for_each(|sums| senders.add(*sums, &DAY));
        assert!(senders.state() == state, "{sick} of {all}");
        let mut detector = Detector::new(&DAY, &STRICT_DAY, all);
        let mut flagged = 0;
        detector.close(false, |index| accounts[index], |_, _, _| flagged += 1);
        let expected = if state == NodeState::Interrupted { 0 } else { sick };
        assert_eq!(flagged, expected, "{sick} of {all}");
        let fresh = Detector::new(&DAY, &STRICT_DAY, all);
        let learned = (0..all).any(|index| detector.baseline(index) != fresh.baseline(index));
        // Of those who are cut off each is a little further on, raised or not.
        assert_eq!(learned, state != NodeState::Interrupted, "{sick} of {all}");
    }
}

#[test]
fn a_flag_is_raised_again_after_a_week_and_not_before() {
    let well = sums([100_000_000, 500_000], [2_000_000_000, 1_500_000]);
    let cut_off = sums([1_400_000, 20_000], [0, 0]);
    let days: Vec<Totals> = (0..40).map(|day| if day < 20 { well } else { cut_off }).collect();
    let raised = raised((&DAY, &STRICT_DAY), &[days]);
    let stalls: Vec<usize> =
        raised.iter().filter(|(_, _, kind, _)| *kind == "stall").map(|(_, epoch, ..)| *epoch).collect();
    assert_eq!(stalls, [20, 27, 34]);
}

#[test]
fn a_flag_is_shown_for_a_week_and_until_two_low_days_in_a_row() {
    let well = sums([100_000_000, 500_000], [2_000_000_000, 1_500_000]);
    let cut_off = sums([1_400_000, 20_000], [0, 0]);
    let mut detector = Detector::new(&DAY, &STRICT_DAY, 1);
    let mut shown = |sums: Totals| {
        detector.close(false, |_| sums, |_, _, _| ());
        detector.baseline(0).is_some_and(|baseline| baseline.shows(Kind::Stall))
    };
    assert!((0..20).all(|_| !shown(well)), "nothing happened");
    assert!(shown(cut_off), "raised");
    assert_eq!((1..12).map(|_| shown(well)).take_while(|shown| *shown).count(), 6, "shown for seven days");
    assert!(shown(cut_off), "raised again after the week");
    // Days on which the account was away say nothing.
    assert!((0..10).all(|_| shown(Totals::default())));
    assert!(shown(well), "one low day");
    assert!(!shown(well), "the second");
}

#[test]
fn who_is_forgotten_is_as_new() {
    let well = sums([100_000_000, 500_000], [2_000_000_000, 1_500_000]);
    let mut detector = Detector::new(&DAY, &STRICT_DAY, 2);
    for _ in 0..30 {
        detector.close(false, |_| well, |_, _, _| ());
    }
    detector.forget(0);
    let fresh = Detector::new(&DAY, &STRICT_DAY, 1);
    assert!(detector.baseline(0) == fresh.baseline(0) && detector.baseline(1) != fresh.baseline(0));
}

#[test]
fn somebody_far_above_the_crowd_is_heavy() {
    let day = |factor: u64| sums([10_000_000 * factor, 50_000], [200_000_000 * factor, 150_000]);
    let of = |accounts: u64, most: u64| -> Vec<Vec<Totals>> {
        (1..=accounts).map(|at| vec![day(if at == accounts { most } else { at % 7 + 3 }); 16]).collect()
    };
    let heavy = |accounts: &[Vec<Totals>]| -> Vec<usize> {
        let raised = raised((&DAY, &STRICT_DAY), accounts);
        raised.iter().filter(|(_, _, kind, _)| *kind == "heavy").map(|(at, ..)| *at).collect()
    };
    assert_eq!(heavy(&of(30, 400)), [29], "once, on the 15th day");
    assert_eq!(heavy(&of(30, 9)), [0; 0]);
    assert_eq!(heavy(&of(19, 400)), [0; 0], "too few to be a crowd");
    // Where all are alike, a little more is not heavy, and twice as much is.
    let alike = |more: u64| -> Vec<Vec<Totals>> {
        (0..30).map(|at| vec![day(if at == 29 { more } else { 100 }); 16]).collect()
    };
    assert_eq!((heavy(&alike(110)), heavy(&alike(220))), (vec![], vec![29]));
}

#[test]
fn swings_raise_the_threshold_of_a_surge_and_only_so_far() {
    let surge = STRICT_DAY.surge.as_ref().expect("days have surges");
    let of =
        |crossings, active_epochs| Mirror { crossings, active_epochs, ..Mirror::default() }.threshold(surge);
    let (first, quiet, busy, mad) =
        (of(0, 0), of(0, 1_000_000), of(2_000, 1_000_000), of(1_000_000, 1_000_000));
    assert!((1.22..1.35).contains(&first), "{first}");
    assert!((quiet - 1.22).abs() < 1e-9 && busy > first && (mad - 2.44).abs() < 1e-9, "{quiet} {busy} {mad}");
}

/// Short breaks of a thousand accounts, every day some of them, with so many packets unanswered.
fn stalls_among_breaks_of(packets: u64) -> usize {
    let usual = sums([10_000_000, 50_000], [200_000_000, 150_000]);
    let broken = |packets: u64| sums([packets * 90, packets], [0, 0]);
    let accounts: Vec<Vec<Totals>> = (0..1000)
        .map(|at| {
            (0..60).map(|day| if (at + day * 7) % 200 == 0 { broken(packets) } else { usual }).collect()
        })
        .collect();
    let raised = raised((&DAY, &STRICT_DAY), &accounts);
    raised.iter().filter(|(_, _, kind, _)| *kind == "stall").count()
}

/// Where breaks are longer than elsewhere, more packets have to go unanswered; a stall has far more.
#[test]
fn a_node_of_long_breaks_calls_none_of_them_a_stall() {
    assert_eq!(stalls_among_breaks_of(1_000), 0, "too short wherever they are");
    let near = stalls_among_breaks_of(2_500);
    assert_eq!(near, 0, "nearly");
    let usual = sums([10_000_000, 50_000], [200_000_000, 150_000]);
    let of = |packets: u64, others: u64| {
        let mut accounts: Vec<Vec<Totals>> = (0..999)
            .map(|at| {
                let day =
                    |day| if (at + day * 7) % 200 == 0 { sums([others * 90, others], [0, 0]) } else { usual };
                (0..60).map(day).collect()
            })
            .collect();
        accounts.push(
            (0..60)
                .map(|day| if day == 59 { sums([packets * 90, packets], [0, 0]) } else { usual })
                .collect(),
        );
        let raised = raised((&DAY, &STRICT_DAY), &accounts);
        raised.iter().any(|(account, epoch, kind, _)| (*account, *epoch, *kind) == (999, 59, "stall"))
    };
    assert!(of(5_000, 300), "where breaks are short, so many are a stall");
    assert!(!of(5_000, 2_500), "where they nearly are one every day, no longer");
    assert!(of(20_000, 2_500), "a stall of a day is far beyond");
}

/// Fewer answers than usual are no flood where they swing as much from day to day.
#[test]
fn an_account_of_restless_answers_has_to_miss_more_of_them() {
    let day = |answered: u64| sums([150_000_000, 1_500_000], [200_000_000, answered]);
    let of = |swing: [u64; 2]| {
        let mut days: Vec<Totals> = (0..40).map(|at| day(swing[at % 2])).collect();
        days.push(day(330_000));
        let raised = raised((&DAY, &STRICT_DAY), &[days]);
        raised.iter().any(|(_, epoch, kind, _)| (*epoch, *kind) == (40, "pktflood"))
    };
    assert!(of([740_000, 760_000]), "steady answers");
    assert!(!of([400_000, 1_400_000]), "restless ones");
}

/// Nine times the volume is a surge, unless the account does something else than before.
#[test]
fn more_of_another_kind_is_no_surge() {
    let day = |times: u64, up: u64| {
        sums([10_000_000 * times * up, 50_000 * times], [200_000_000 * times, 150_000 * times])
    };
    let of = |up: u64| {
        let mut days: Vec<Totals> = (0..40).map(|at| day(4 + at % 2, 1)).collect();
        days.extend([day(45, up); 3]);
        let raised = raised((&DAY, &STRICT_DAY), &[days]);
        raised.iter().any(|(_, epoch, kind, _)| *epoch >= 40 && *kind == "surge")
    };
    assert!(of(1) && !of(4));
}
