//! R1: `kill -9` at random moments, under load, with addresses changing hands and epochs closing.
//! The kernel's tap misses no byte, not even while no process lives, and charges none to another
//! account; the other taps lose nothing that they had counted, and tell what passed unseen.
//!
//! The oracle is the sender's own count. BLINDMETER_KILLS sets the number of kills, for the long run;
//! BLINDMETER_SEED the moments. Needs a lab build, whose epochs may be a second long.

#![expect(clippy::disallowed_methods, reason = "a live test bounds its waits by the real clock")]

mod netns;
mod support;

use netns::daemon::{Daemon, Setup, try_metrics};
use netns::folder::Folder;
use netns::tally::{Expected, Way, name};
use netns::wire::{Kind, Wire, nobody};
use netns::{Namespace, Pace};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::command::Outcome;
use support::frames::{Address, datagram};
use support::rng::Rng;
use support::wait::{let_pass, wait_for, wait_until};

/// Kills of each of the two hooks in a usual run.
const KILLS: u64 = 25;
const SEED: u64 = 0x9e11;
/// The first accounts change addresses, the others keep theirs.
const CHANGING: usize = 12;
const ACCOUNTS: usize = 30;
const ADDRESSES: usize = 8;
const POOLS: [&str; 2] = ["10.8.0.0/16", "fd42:8::/112"];

#[test]
fn tcx_misses_no_byte_when_the_daemon_is_killed() {
    println!("tcx: {}", killed_under_load("tcx"));
}

#[test]
fn clsact_misses_no_byte_when_the_daemon_is_killed() {
    println!("clsact: {}", killed_under_load("clsact"));
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
fn killed_under_load(tap: &'static str) -> String {
    let kills = number("BLINDMETER_KILLS", KILLS);
    let seed = number("BLINDMETER_SEED", SEED);
    let mut rng = Rng::seeded(seed);
    let mut load = Load::begin(tap);
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
    let mut load = Load::begin(tap);
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

/// Accounts that talk all the time, whether a daemon lives or not, and a clerk who gives addresses to
/// others whenever one does.
struct Load {
    namespace: Arc<Namespace>,
    folder: Arc<Folder>,
    done: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<(Expected, u64)>>,
}

impl Load {
    fn begin(tap: &'static str) -> Self {
        let namespace = Arc::new(Namespace::new());
        let wire = Arc::new(Wire::make(&namespace, Kind::Tun, "tun0"));
        let folder = Folder::keeping(&setup(tap), "1s");
        // Attached before the first packet, or there would be packets that nobody could count.
        Daemon::start_in(&namespace, &folder).hand_over();
        let done = Arc::new(AtomicBool::new(false));
        let talker = {
            let (wire, done) = (Arc::clone(&wire), Arc::clone(&done));
            thread::spawn(move || (talk(&wire, &done), 0))
        };
        let clerk = {
            let (namespace, folder, done) = (Arc::clone(&namespace), Arc::clone(&folder), Arc::clone(&done));
            thread::spawn(move || hand_over(&wire, &namespace, &folder, &done))
        };
        Self { namespace, folder, done, threads: vec![talker, clerk] }
    }

    /// What was sent, and how often an address changed hands. A daemon must live, for the clerk to
    /// come to an end.
    fn end(&mut self) -> (Expected, u64) {
        self.done.store(true, Ordering::SeqCst);
        let mut expected = Expected::of(ACCOUNTS);
        let mut changes = 0;
        for thread in self.threads.drain(..) {
            let (share, changed) = thread.join().expect("the senders run to their end");
            expected.merge(&share);
            changes += changed;
        }
        (expected, changes)
    }
}

/// The load of accounts that keep their addresses, in both directions.
fn talk(wire: &Wire, done: &AtomicBool) -> Expected {
    let mut rng = Rng::seeded(0x7a1c);
    let mut expected = Expected::of(ACCOUNTS);
    while !done.load(Ordering::SeqCst) {
        for _ in 0..20 {
            let account = rng.between(CHANGING, ACCOUNTS - 1);
            let address = talker_address(account);
            let length = rng.between(address.smallest_packet(), 600);
            say(wire, &mut expected, Some(account), address, &mut rng, length);
        }
        let_pass(Duration::from_millis(2), "the pace of the load");
    }
    expected
}

/// Gives addresses to one account after the other, each time taking it back first, as the hooks of a
/// server do. A request that was not answered is made again: it may have been met or not.
fn hand_over(wire: &Wire, namespace: &Namespace, folder: &Folder, done: &AtomicBool) -> (Expected, u64) {
    let mut rng = Rng::seeded(0xc1e7);
    let mut expected = Expected::of(ACCOUNTS);
    let mut owners: [Option<usize>; ADDRESSES] = [None; ADDRESSES];
    let mut changes = 0;
    while !done.load(Ordering::SeqCst) {
        let which = rng.below(ADDRESSES);
        let address = changing_address(which);
        // 2: it was taken back already.
        insist(|| folder.command_in(namespace, &["roster", "unassign", &address.text()]), &[0, 2]);
        let next = rng.below(CHANGING);
        insist(|| folder.command_in(namespace, &["roster", "assign", &address.text(), &name(next)]), &[0]);
        owners[which] = Some(next);
        changes += 1;
        for (which, owner) in owners.iter().enumerate().filter(|(_, owner)| owner.is_some()) {
            for _ in 0..rng.below(6) {
                let address = changing_address(which);
                let length = rng.between(address.smallest_packet(), 600);
                say(wire, &mut expected, *owner, address, &mut rng, length);
            }
        }
    }
    (expected, changes)
}

fn insist(ask: impl Fn() -> Outcome, met: &[i32]) {
    wait_until("a daemon answers", Duration::from_secs(60), || {
        let output = ask();
        let is_met = output.code.is_some_and(|code| met.contains(&code));
        // 69: no daemon answers.
        assert!(is_met || output.code == Some(69), "{}", output.stderr);
        is_met
    });
}

/// One packet from or to an address.
fn say(
    wire: &Wire,
    expected: &mut Expected,
    owner: Option<usize>,
    address: Address,
    rng: &mut Rng,
    length: usize,
) {
    let far = nobody(address, 3);
    let (way, from, to) = match rng.below(2) {
        0 => (Way::Up, address, far),
        _ => (Way::Down, far, address),
    };
    wire.send(way, &datagram(from, to, length));
    expected.add(owner, way, 1, u64::try_from(length).expect("a length"));
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

fn setup(tap: &'static str) -> Setup {
    let mut roster = String::new();
    for account in CHANGING..ACCOUNTS {
        roster += &format!("{},{}\n", talker_address(account).text(), name(account));
    }
    Setup { backend: tap, interfaces: vec!["tun0"], pools: POOLS.to_vec(), roster }
}

/// Addresses in the pools and outside, of both families.
fn changing_address(which: usize) -> Address {
    let number = u32::try_from(which).expect("few");
    match which % 4 {
        0 => Address::v4(0x0a08_0100 + number),
        1 => Address::v6((0xfd42_0008 << 96) + 0x100 + u128::from(number)),
        2 => Address::v4(0xc612_0000 + number),
        _ => Address::v6((0xfd77 << 112) + u128::from(number)),
    }
}

fn talker_address(account: usize) -> Address {
    let number = u32::try_from(account).expect("few");
    match account % 3 {
        0 => Address::v4(0x0a08_8000 + number),
        1 => Address::v6((0xfd42_0008 << 96) + 0x8000 + u128::from(number)),
        _ => Address::v4(0xc0a8_0000 + number),
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
