//! R1: `kill -9` at random moments, under load, with addresses changing hands and epochs closing.
//! The kernel's tap misses no byte, not even while no process lives, and charges none to another
//! account; the other taps lose nothing that they had counted, and tell what passed unseen.
//!
//! The oracle is the sender's own count. BLINDMETER_KILLS sets the number of kills, for the long run;
//! BLINDMETER_SEED the moments. Needs a lab build, whose epochs may be a second long.

#![expect(clippy::disallowed_methods, reason = "a live test bounds its waits by the real clock")]

#[path = "kill/load.rs"]
mod load;
mod netns;
mod support;

use load::{CHANGING, LOCKED, Load, SLICED, setup, talker_address};
use netns::daemon::{Daemon, try_metrics};
use netns::folder::Folder;
use netns::tally::{Way, name};
use netns::wire::{Kind, Wire, nobody};
use netns::{Namespace, Pace};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use support::frames::datagram;
use support::rng::Rng;
use support::wait::{let_pass, wait_for};

/// Kills of each hook and layout of counters in a usual run.
const KILLS: u64 = 13;
const SEED: u64 = 0x9e11;

#[test]
fn tcx_misses_no_byte_when_the_daemon_is_killed() {
    println!("tcx, sliced: {}", killed_under_load("tcx", SLICED));
}

#[test]
fn tcx_with_locked_counters_misses_no_byte_when_the_daemon_is_killed() {
    println!("tcx, locked: {}", killed_under_load("tcx", LOCKED));
}

#[test]
fn clsact_misses_no_byte_when_the_daemon_is_killed() {
    println!("clsact, sliced: {}", killed_under_load("clsact", SLICED));
}

#[test]
fn clsact_with_locked_counters_misses_no_byte_when_the_daemon_is_killed() {
    println!("clsact, locked: {}", killed_under_load("clsact", LOCKED));
}

#[test]
fn ring_loses_no_counted_byte_and_tells_the_gap() {
    println!("ring: {}", killed_with_a_gap("ring"));
}

#[test]
fn pnet_loses_no_counted_byte_and_tells_the_gap() {
    println!("pnet: {}", killed_with_a_gap("pnet"));
}

#[test]
fn tcx_misses_no_byte_when_the_package_is_upgraded() {
    println!("tcx: {}", upgraded_under_load("tcx"));
}

#[test]
fn clsact_misses_no_byte_when_the_package_is_upgraded() {
    println!("clsact: {}", upgraded_under_load("clsact"));
}

/// Gives a sentence with what was done.
fn killed_under_load(tap: &'static str, layout: &str) -> String {
    let kills = number("BLINDMETER_KILLS", KILLS);
    let seed = number("BLINDMETER_SEED", SEED);
    let mut rng = Rng::seeded(seed);
    let mut load = Load::begin(tap, layout);
    let (mut early, mut releases) = (0, Releases::default());
    for _ in 0..kills {
        let daemon = Daemon::spawn_in(&load.namespace, &load.folder);
        if rng.below(4) == 0 {
            // While it starts.
            let_pass(Duration::from_millis(rng.word() % 120), "it gets as far as chance has it");
            early += 1;
        } else {
            wait_for("the daemon to answer", || matches!(daemon.status(), 0 | 2).then_some(()));
            let until = Instant::now() + Duration::from_millis(rng.word() % 1500);
            while Instant::now() < until {
                releases.look(&load.namespace);
                let_pass(Duration::from_millis(rng.word() % 60), "the pace of the looks");
            }
        }
        daemon.kill();
        // While none lives.
        let_pass(Duration::from_millis(rng.word() % 150), "packets pass while none lives");
    }
    let daemon = Daemon::start_in(&load.namespace, &load.folder);
    let (expected, changes) = load.end();
    expected.assert_held_by(&daemon);
    releases.look(&load.namespace);
    let epochs = releases.0.len();
    assert!(kills < 10 || epochs >= 3, "{epochs} epochs were released, seed {seed}");
    daemon.stop();
    assert!(load.folder.pins().is_empty(), "a real stop leaves nothing");
    let packets = expected.node().counted();
    format!(
        "{kills} kills ({early} while it started), {packets} packets, {changes} hand-overs, {epochs} epochs"
    )
}

/// The package is upgraded to a program with other maps: a restart with another capacity and other
/// pools stands for it, and one with the same ones.
fn upgraded_under_load(tap: &'static str) -> String {
    let mut load = Load::begin(tap, SLICED);
    let mut daemon = Daemon::start_in(&load.namespace, &load.folder);
    let steps = [
        ("capacity = 4096", "capacity = 4096"),
        ("capacity = 4", "capacity = 6"),
        ("\"fd42:8::/112\"]", "\"fd42:8::/112\", \"198.18.0.0/24\"]"),
        ("capacity = 6", "capacity = 5"),
        ("\"10.8.0.0/16\"", "\"10.8.0.0/20\""),
    ];
    for (at, (from, to)) in steps.into_iter().enumerate() {
        let_pass(Duration::from_millis(700), "it counts for a while");
        load.folder.configure(from, to);
        if at % 2 == 0 {
            daemon.hand_over();
        } else {
            daemon.kill();
        }
        // Killed in the middle of going over as well, and each time to other maps: what was counted then
        // lies in several sets.
        for (more, wait) in (1..).zip([40, 60, 80, 100, 120, 150]) {
            let capacity = load.folder.value("\ncapacity = ");
            load.folder
                .configure(&format!("\ncapacity = {capacity}"), &format!("\ncapacity = {}", capacity + more));
            let starting = Daemon::spawn_in(&load.namespace, &load.folder);
            let_pass(Duration::from_millis(wait), "it gets as far as that");
            starting.kill();
        }
        daemon = Daemon::start_in(&load.namespace, &load.folder);
    }
    let (expected, changes) = load.end();
    expected.assert_held_by(&daemon);
    daemon.stop();
    assert!(load.folder.pins().is_empty(), "a real stop leaves nothing");
    let packets = expected.node().counted();
    format!("{} restarts, {packets} packets, {changes} hand-overs", steps.len())
}

/// The daemon of a user-space tap is killed, packets pass, and another one starts.
fn killed_with_a_gap(tap: &'static str) -> String {
    const ROUNDS: u64 = 8;
    const GAP: u64 = 3000;
    let seed = number("BLINDMETER_SEED", SEED);
    let mut rng = Rng::seeded(seed);
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let folder = Folder::keeping(&setup(tap), "24h");
    let address = talker_address(CHANGING);
    let packet = datagram(address, nobody(address, 1), 200);
    let mut pace = Pace::of(tap);
    let mut send = |packets: u64| {
        for _ in 0..packets {
            wire.send(Way::Up, &packet);
            pace.step();
        }
        packets
    };
    let (mut sent, mut daemon) = (0, Daemon::start_in(&namespace, &folder));
    let mut before = daemon.export_node();
    for _ in 0..ROUNDS {
        sent += send(500 + rng.word() % 4000);
        before = daemon.export_node();
        // Counted or not when the kill comes.
        sent += send(rng.word() % 1000);
        daemon.kill();
        sent += send(GAP);
        daemon = Daemon::start_in(&namespace, &folder);
        let after = daemon.export_node();
        let name = name(CHANGING);
        assert!(after.attributed.up_packets >= before.attributed.up_packets, "a counted packet is lost");
        assert!(after.attributed.up_bytes >= before.attributed.up_bytes, "a counted byte is lost");
        assert_eq!(daemon.export(&name), after.attributed, "what is counted is its account's");
        let told = after.counted() + after.lost;
        assert!(
            told >= sent,
            "{} counted and {} lost are not the {sent} sent, seed {seed}",
            after.counted(),
            after.lost
        );
        // Of what was counted just before the kill some may be told as lost as well: a block of the ring.
        assert!(told <= sent + 1600, "{told} told of {sent} sent, seed {seed}");
        before = after;
        sent = told;
    }
    daemon.stop();
    assert!(!folder.path("control.counters").exists(), "a real stop leaves nothing");
    format!("{ROUNDS} kills, {} packets counted, {} told as lost", before.counted(), before.lost)
}

/// What was released, by ordinal: one value for each, whoever looks when.
#[derive(Default)]
struct Releases(BTreeMap<u64, String>);

impl Releases {
    fn look(&mut self, namespace: &Namespace) {
        let Some(page) = try_metrics(namespace) else { return };
        let epoch = |line: &&str| line.starts_with("blindmeter_epoch");
        let text: String = page.lines().filter(epoch).flat_map(|line| [line, "\n"]).collect();
        let ordinal =
            text.lines().find_map(|line| line.strip_prefix("blindmeter_epoch ")).expect("an ordinal");
        let ordinal = ordinal.parse().expect("an ordinal is a number");
        let known = self.0.entry(ordinal).or_insert_with(|| text.clone());
        assert_eq!(*known, text, "one value for an ordinal");
        let highest = self.0.keys().next_back().expect("there is one");
        assert!(ordinal == *highest, "ordinal {ordinal} after {highest}");
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
