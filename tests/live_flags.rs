//! Flags on packets: accounts on a TUN device behave as they are used to, and then six things go wrong. Each account
//! is flagged with its own kind, nobody else is, and when the uplink dies it is the node that is told of.
//!
//! Epochs of three seconds stand for days here, and ticks of a second for hours: see docs/flags.md.
#![expect(clippy::disallowed_methods, reason = "epochs follow the wall clock, and so does the traffic here")]

#[path = "leakage/needles/clocks.rs"]
mod clocks;
#[path = "leakage/needles/image.rs"]
mod image;
#[path = "live_flags/memory.rs"]
mod memory;
mod netns;
mod support;

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::tally::Way;
use netns::wire::{Kind, Wire, nobody};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::frames::{Address, datagram};
use support::wait::wait_for_within;

const ACCOUNTS: u32 = 24;
const EPOCH: Duration = Duration::from_secs(3);

/// Between two rounds of packets: short, so that the end of a tick parts no packet from its answer by much.
const ROUND: Duration = Duration::from_millis(50);

/// What passes.
const USUAL: usize = 0;
const TROUBLE: usize = 1;
const OUTAGE: usize = 2;
const OVER: usize = 3;

fn name(account: u32) -> String {
    format!("user-{account:02}")
}

/// Packets of a round, up and down, each with its length; in sixths, so that there may be less than one.
fn rates(account: u32, phase: usize) -> [(u32, usize); 2] {
    // No two accounts move as much.
    let [up, down] = [(6, 400 + 7 * account as usize), (18, 900 + 19 * account as usize)];
    match (phase, account) {
        (OUTAGE, _) => [up, (0, 100)],
        // Fourteen times as much of everything.
        (TROUBLE, 1) => [(84, up.1), (252, down.1)],
        // A flood of uploads; with fewer answers it would be cut off as well.
        (TROUBLE, 2) => [(240, 1200), (72, down.1)],
        // A flood of small packets, a third of them answered.
        (TROUBLE, 3) => [(360, 60), (120, 60)],
        // No answer at all, and one for each seventh packet.
        (TROUBLE, 4) => [(12, 90), (0, 100)],
        (TROUBLE, 5) => [up, (1, 100)],
        _ => [up, down],
    }
}

/// Packets of a round by account and phase; see [`rates`].
type Rates = fn(u32, usize) -> [(u32, usize); 2];

/// Sends rounds until it is over.
fn send(wire: &Wire, phase: &AtomicUsize, rates: Rates) {
    let address = |account: u32| Address::v4(0x0a08_0000 + account);
    let elsewhere = nobody(address(1), 1);
    let mut due = vec![[0; 2]; ACCOUNTS as usize + 1];
    let start = Instant::now();
    for round in 0_u32.. {
        // Relaxed: nothing else is told by it.
        let phase = phase.load(Ordering::Relaxed);
        if phase == OVER {
            return;
        }
        thread::sleep((ROUND * round).saturating_sub(start.elapsed()));
        for account in 1..=ACCOUNTS {
            let inside = address(account);
            for (side, (sixths, length)) in rates(account, phase).into_iter().enumerate() {
                let due = &mut due[account as usize][side];
                *due += sixths;
                let (way, ends) =
                    if side == 0 { (Way::Up, (inside, elsewhere)) } else { (Way::Down, (elsewhere, inside)) };
                let packet = datagram(ends.0, ends.1, length);
                while *due >= 6 {
                    *due -= 6;
                    wire.send(way, &packet);
                }
            }
        }
    }
}

/// Ends the sending, also where an assertion fails.
struct Over<'a>(&'a AtomicUsize);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(OVER, Ordering::Relaxed);
    }
}

/// Whoever is flagged, with the kinds.
type Flagged = BTreeMap<String, BTreeSet<String>>;

/// What the role support is told.
fn told(daemon: &Daemon) -> (String, Flagged) {
    let report = daemon.answer(&["accounts", "flagged", "--list", "all", "--json"]);
    assert_eq!((&report["mass_event"], &report["unnamed"]), (&Value::Bool(false), &Value::from(0)));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let accounts = report["accounts"].as_array().expect("a list").iter();
    let flagged = accounts.map(|account| {
        let flags = account["flags"].as_array().expect("a list");
        assert!(flags.iter().all(|flag| text(&flag["advice"]).len() > 20));
        (text(&account["account"]), flags.iter().map(|flag| text(&flag["kind"])).collect())
    });
    let mut flagged: Flagged = flagged.collect();
    // So much for so long may be a surge as well.
    flagged.entry(name(2)).and_modify(|kinds| _ = kinds.remove("surge"));
    (text(&report["node"]), flagged)
}

fn ordinal(daemon: &Daemon, namespace: &Namespace) -> u64 {
    let page = daemon.metrics(namespace);
    let value = page.lines().find_map(|line| line.strip_prefix("blindmeter_epoch "));
    value.and_then(|value| value.parse().ok()).expect("an ordinal")
}

/// Waits for so many more releases.
fn await_releases(daemon: &Daemon, namespace: &Namespace, count: u64) {
    let until = ordinal(daemon, namespace) + count;
    let limit = EPOCH * (u32::try_from(count).expect("few") + 3);
    wait_for_within("epochs are released", limit, || (ordinal(daemon, namespace) >= until).then_some(()));
}

#[test]
fn each_trouble_has_its_kind_and_nobody_else_is_flagged() {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let roster = (1..=ACCOUNTS).map(|account| format!("10.8.0.{account},{}\n", name(account))).collect();
    let setup = Setup { backend: "tcx", interfaces: vec!["tun0"], pools: vec!["10.8.0.0/16"], roster };
    let folder = Folder::keeping(&setup, "3s");
    folder.configure("[store]\n", "[irregularity]\ntick = \"1s\"\n[store]\n");
    let daemon = Daemon::start_in(&namespace, &folder);
    let phase = AtomicUsize::new(USUAL);
    thread::scope(|scope| {
        scope.spawn(|| send(&wire, &phase, rates));
        let _over = Over(&phase);
        await_releases(&daemon, &namespace, 6);
        // What was learned outlives the process.
        daemon.kill();
        let daemon = Daemon::start_in(&namespace, &folder);
        await_releases(&daemon, &namespace, 7);
        assert_eq!(told(&daemon), ("working".to_owned(), Flagged::new()), "all is as usual");

        phase.store(TROUBLE, Ordering::Relaxed);
        await_releases(&daemon, &namespace, 6);
        let (node, flagged) = told(&daemon);
        assert_eq!(node, "working");
        let kinds = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let expected: Flagged = [
            (1, kinds(&["surge"])),
            (2, kinds(&["upload", "updrift"])),
            (3, kinds(&["pktflood"])),
            (4, kinds(&["stall"])),
            (5, kinds(&["stall"])),
        ]
        .into_iter()
        .map(|(account, kinds): (u32, BTreeSet<String>)| (name(account), kinds))
        .collect();
        assert_eq!(flagged, expected);
        let shown = daemon.answer(&["accounts", "show", &name(3), "--json"]);
        assert_eq!(
            (&shown["flags"][0]["kind"], &shown["flags"][0]["list"], &shown["flags"][0]["severity"]),
            (&Value::from("pktflood"), &Value::from("contact"), &Value::from("highest"))
        );

        phase.store(OUTAGE, Ordering::Relaxed);
        await_releases(&daemon, &namespace, 3);
        assert_eq!(told(&daemon), ("interrupted".to_owned(), expected), "nobody is blamed for the node");
        daemon.stop();
    });
}
