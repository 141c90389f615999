//! Addresses pass from one account to another while others talk: no byte is lost, and none is charged
//! to an account that did not own the address. Packets that cross a hand-over may go to either side,
//! and the test says how many there were.

#![expect(clippy::disallowed_methods, reason = "a live test bounds its waits by the real clock")]

mod netns;
mod support;

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::tally::{Expected, Totals, Way, name};
use netns::wire::{Kind, Wire, nobody};
use nix::sys::signal::Signal;
use support::frames::{Address, datagram};
use support::rng::Rng;
use support::wait::{let_pass, wait_for};

/// Threads that hand over addresses of their own, at once.
const CLERKS: usize = 4;
const ADDRESSES_OF_A_CLERK: usize = 12;
/// The first accounts take part in hand-overs, the others talk meanwhile.
const CHANGING: usize = 40;
const ACCOUNTS: usize = 60;
const POOLS: [&str; 2] = ["10.8.0.0/16", "fd42:8::/112"];

/// As many hand-overs as `BLINDMETER_HANDOVERS` says.
fn handovers() -> usize {
    let asked = std::env::var("BLINDMETER_HANDOVERS").ok();
    asked.map_or(3000, |text| text.parse().expect("a number"))
}

#[test]
fn ring_charges_nobody_for_anothers_bytes_in_thousands_of_handovers() {
    let (packets, milliseconds) = settled_handovers("ring");
    println!("ring: {} hand-overs among {packets} packets in {milliseconds} ms", handovers());
}

#[test]
fn pnet_charges_nobody_for_anothers_bytes_in_thousands_of_handovers() {
    let (packets, milliseconds) = settled_handovers("pnet");
    println!("pnet: {} hand-overs among {packets} packets in {milliseconds} ms", handovers());
}

#[test]
fn tcx_charges_nobody_for_anothers_bytes_in_thousands_of_handovers() {
    let (packets, milliseconds) = settled_handovers("tcx");
    println!("tcx: {} hand-overs among {packets} packets in {milliseconds} ms", handovers());
}

#[test]
fn clsact_charges_nobody_for_anothers_bytes_in_thousands_of_handovers() {
    let (packets, milliseconds) = settled_handovers("clsact");
    println!("clsact: {} hand-overs among {packets} packets in {milliseconds} ms", handovers());
}

#[test]
fn tcx_loses_and_doubles_nothing_in_a_storm_of_reloads() {
    storm_of_reloads("tcx");
}

#[test]
fn ring_loses_and_doubles_nothing_in_a_storm_of_reloads() {
    storm_of_reloads("ring");
}

#[test]
fn ring_loses_no_byte_of_packets_that_cross_a_handover() {
    let (packets, disputed) = crossed_handovers("ring");
    println!("ring: {disputed} of {packets} packets crossed a hand-over");
}

#[test]
fn pnet_loses_no_byte_of_packets_that_cross_a_handover() {
    let (packets, disputed) = crossed_handovers("pnet");
    println!("pnet: {disputed} of {packets} packets crossed a hand-over");
}

#[test]
fn tcx_loses_no_byte_of_packets_that_cross_a_handover() {
    let (packets, disputed) = crossed_handovers("tcx");
    println!("tcx: {disputed} of {packets} packets crossed a hand-over");
}

#[test]
fn clsact_loses_no_byte_of_packets_that_cross_a_handover() {
    let (packets, disputed) = crossed_handovers("clsact");
    println!("clsact: {disputed} of {packets} packets crossed a hand-over");
}

#[test]
fn ring_hands_over_while_it_is_flooded() {
    println!("ring: {}", flooded_handovers("ring"));
}

#[test]
fn pnet_hands_over_while_it_is_flooded() {
    println!("pnet: {}", flooded_handovers("pnet"));
}

#[test]
fn tcx_hands_over_while_it_is_flooded() {
    println!("tcx: {}", flooded_handovers("tcx"));
}

#[test]
fn clsact_hands_over_while_it_is_flooded() {
    println!("clsact: {}", flooded_handovers("clsact"));
}

#[test]
fn each_source_gives_way_to_the_one_above_it() {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let setup = Setup {
        backend: "ring",
        interfaces: vec!["tun0"],
        pools: POOLS.to_vec(),
        roster: format!("10.8.0.1,{}\n10.8.0.0/24,{}\n", name(0), name(1)),
    };
    let daemon = Daemon::start(&namespace, &setup);
    let host = Address::v4(0x0a08_0001);
    let neighbour = Address::v4(0x0a08_0002);
    let mut expected = Expected::of(6);
    let mut say = |owner_of_host: Option<usize>, owner_of_neighbour: Option<usize>| {
        for (address, owner) in [(host, owner_of_host), (neighbour, owner_of_neighbour)] {
            wire.send(Way::Up, &datagram(address, nobody(address, 1), 100));
            expected.add(owner, Way::Up, 1, 100);
        }
    };
    say(Some(0), Some(1));
    daemon.assign("10.8.0.1/32", &name(2));
    say(Some(2), Some(1));
    daemon.assign("10.8.0.1", &name(3));
    say(Some(3), Some(1));
    daemon.release("10.8.0.1");
    say(Some(0), Some(1));
    daemon.assign("10.8.0.2/31", &name(4));
    say(Some(0), Some(4));
    daemon.assign("10.8.0.1", &name(2));
    // A sync replaces what the control socket assigned, and nothing of the file.
    daemon.sync(&format!("10.8.0.2,{}\n", name(5)));
    say(Some(0), Some(5));
    daemon.sync("");
    say(Some(0), Some(1));
    daemon.assign("10.8.0.1", &name(2));
    // A reload replaces what the file said, and nothing of the control socket.
    daemon.reload_roster(&format!("10.8.0.1,{}\n", name(4)));
    say(Some(2), None);
    daemon.release("10.8.0.1");
    say(Some(4), None);
    expected.assert_held_by(&daemon);
    daemon.stop();
}

/// No packet is under way when an address changes hands, so every figure must be exact.
/// Gives the packets sent and the milliseconds taken.
fn settled_handovers(tap: &'static str) -> (u64, u128) {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let daemon = Daemon::start(&namespace, &setup(tap));
    let started = Instant::now();
    let done = AtomicBool::new(false);
    let (handed, talked) = thread::scope(|scope| {
        let clerks: Vec<_> = (0..CLERKS)
            .map(|clerk| {
                let (wire, daemon) = (&wire, &daemon);
                scope.spawn(move || hand_over_settled(clerk, wire, daemon))
            })
            .collect();
        let talker = scope.spawn(|| talk(&wire, &done));
        let handed: Vec<_> = clerks.into_iter().map(|clerk| clerk.join()).collect();
        // Relaxed: the talker only needs to see it eventually.
        done.store(true, Ordering::Relaxed);
        (handed, talker.join().expect("the talker sends to the end"))
    });
    let took = started.elapsed().as_millis();
    let mut expected = talked;
    for share in handed {
        expected.merge(&share.expect("every hand-over is answered"));
    }
    expected.assert_held_by(&daemon);
    daemon.stop();
    (expected.node().counted(), took)
}

fn hand_over_settled(clerk: usize, wire: &Wire, daemon: &Daemon) -> Expected {
    let mut rng = Rng::seeded(0x5e77_1ed0 + u64::try_from(clerk).expect("few"));
    let mut expected = Expected::of(ACCOUNTS);
    let mut owners: [Option<usize>; ADDRESSES_OF_A_CLERK] = [None; ADDRESSES_OF_A_CLERK];
    for _ in 0..handovers() / CLERKS {
        let which = rng.below(ADDRESSES_OF_A_CLERK);
        let address = address_of(clerk, which);
        for when in 0..2 {
            for _ in 0..rng.below(4) {
                let length = rng.between(address.smallest_packet(), 600);
                let far = nobody(address, 3);
                let (way, from, to) = match rng.below(2) {
                    0 => (Way::Up, address, far),
                    _ => (Way::Down, far, address),
                };
                wire.send(way, &datagram(from, to, length));
                expected.add(owners[which], way, 1, u64::try_from(length).expect("a length"));
            }
            if when == 0 {
                let next = rng.below(CHANGING);
                daemon.assign(&address.text(), &name(next));
                owners[which] = Some(next);
            }
        }
    }
    expected
}

/// The load of accounts that keep their addresses.
fn talk(wire: &Wire, done: &AtomicBool) -> Expected {
    let mut rng = Rng::seeded(0x7a1c);
    let mut expected = Expected::of(ACCOUNTS);
    // Relaxed: see the store.
    while !done.load(Ordering::Relaxed) {
        for _ in 0..10 {
            let account = rng.between(CHANGING, ACCOUNTS - 1);
            let (address, length) = (talker_address(account), rng.between(28, 600));
            wire.send(Way::Up, &datagram(address, nobody(address, 4), length));
            expected.add(Some(account), Way::Up, 1, u64::try_from(length).expect("a length"));
        }
        let_pass(Duration::from_millis(5), "the pace of the load");
    }
    expected
}

/// One address goes round while it is talking all the time. Gives packets sent, and those that were
/// sent between call and answer of an assignment.
fn crossed_handovers(tap: &'static str) -> (u64, u64) {
    const ROUNDS: usize = 300;
    const ROUND: usize = 5;
    const LENGTH: u64 = 200;
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let daemon = Daemon::start(&namespace, &setup(tap));
    let address = address_of(0, 0);
    daemon.assign(&address.text(), &name(0));
    let (begun, sent, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));

    // Per account: what is surely its own, and what it may share with a neighbour in time.
    let (mut sure, mut open) = ([0_u64; ROUND], [0_u64; ROUND]);
    let mut disputed = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            let packet = datagram(address, nobody(address, 5), usize::try_from(LENGTH).expect("small"));
            // SeqCst on both counts: a packet that the clerk takes for settled has been written.
            while !done.load(Ordering::SeqCst) {
                begun.fetch_add(1, Ordering::SeqCst);
                wire.send(Way::Up, &packet);
                sent.fetch_add(1, Ordering::SeqCst);
                let_pass(Duration::from_micros(100), "the pace of the load");
            }
        });
        let mut settled_from = 0;
        for round in 0..ROUNDS {
            let (owner, next) = (round % ROUND, (round + 1) % ROUND);
            let_pass(Duration::from_millis(10), "an owner has the address for a while");
            let at_call = sent.load(Ordering::SeqCst);
            daemon.assign(&address.text(), &name(next));
            let at_answer = begun.load(Ordering::SeqCst);
            sure[owner] += at_call.saturating_sub(settled_from);
            // A packet under way over two hand-overs in a row is shared with both neighbours.
            let crossing = at_answer - at_call.max(settled_from);
            open[owner] += crossing;
            open[next] += crossing;
            disputed += crossing;
            settled_from = at_answer;
        }
        done.store(true, Ordering::SeqCst);
        wait_for("the sender to end", || {
            (begun.load(Ordering::SeqCst) == sent.load(Ordering::SeqCst)).then_some(())
        });
        sure[ROUNDS % ROUND] += sent.load(Ordering::SeqCst).saturating_sub(settled_from);
    });

    let packets = sent.load(Ordering::SeqCst);
    let node = daemon.await_packets(packets);
    let whole = Totals { up_packets: packets, up_bytes: packets * LENGTH, ..Totals::default() };
    assert_eq!(node.attributed, whole, "no packet is lost or counted twice");
    assert_eq!(node.counted(), packets, "and nothing else is counted");
    for account in 0..ROUND {
        let held = daemon.export(&name(account));
        assert_eq!(held.up_bytes, held.up_packets * LENGTH, "bytes and packets go together");
        let (least, most) = (sure[account], sure[account] + open[account]);
        let held = held.up_packets;
        assert!((least..=most).contains(&held), "{}: {least} <= {held} <= {most}", name(account));
    }
    daemon.stop();
    (packets, disputed)
}

/// A flood of others' packets, above what the tap can take, neither blocks a hand-over nor moves bytes
/// across it. Gives a sentence with the slowest hand-over and the losses.
fn flooded_handovers(tap: &'static str) -> String {
    const ROUNDS: usize = 4;
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let daemon = Daemon::start(&namespace, &setup(tap));
    let address = address_of(0, 0);
    let done = AtomicBool::new(false);
    let mut expected = Expected::of(ACCOUNTS);
    let mut slowest = Duration::ZERO;
    let flood: u64 = thread::scope(|scope| {
        let flooders = [Way::Up, Way::Down].map(|way| {
            let (wire, done) = (&wire, &done);
            scope.spawn(move || {
                let other = talker_address(CHANGING);
                let packet = datagram(other, other, 64);
                let mut sent = 0;
                // Relaxed: the flooder only needs to see it eventually.
                while !done.load(Ordering::Relaxed) {
                    wire.send(way, &packet);
                    sent += 1;
                }
                sent
            })
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..ROUNDS {
                for owner in [round, round + ROUNDS] {
                    let asked = Instant::now();
                    daemon.assign(&address.text(), &name(owner));
                    slowest = slowest.max(asked.elapsed());
                    for _ in 0..20 {
                        wire.send(Way::Up, &datagram(address, nobody(address, 6), 100));
                        expected.add(Some(owner), Way::Up, 1, 100);
                    }
                }
            }
        }));
        done.store(true, Ordering::Relaxed);
        let sent = flooders.into_iter().map(|flooder| flooder.join().expect("the flood ends")).sum();
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        sent
    });
    let sent = flood + expected.node().counted();
    let node = daemon.await_packets(sent);
    assert_eq!(node.counted() + node.lost, sent, "counted {} + lost {} is sent", node.counted(), node.lost);
    for (account, mine) in expected.accounts.iter().enumerate().take(2 * ROUNDS) {
        let held = daemon.export(&name(account)).up_packets;
        // What was lost is nobody's; what was counted is its owner's.
        assert!(held <= mine.up_packets, "{}: {held} of {}", name(account), mine.up_packets);
        assert!(node.lost > 0 || held == mine.up_packets, "{}: {held} of {}", name(account), mine.up_packets);
    }
    daemon.stop();
    format!("slowest hand-over {} ms, {} of {sent} packets lost", slowest.as_millis(), node.lost)
}

fn setup(tap: &'static str) -> Setup {
    let mut roster = String::new();
    for account in CHANGING..ACCOUNTS {
        roster += &format!("{},{}\n", talker_address(account).text(), name(account));
    }
    Setup { backend: tap, interfaces: vec!["tun0"], pools: POOLS.to_vec(), roster }
}

/// Addresses in the pools and outside, of both families; no two clerks share one.
fn address_of(clerk: usize, which: usize) -> Address {
    let number = u32::try_from(clerk * ADDRESSES_OF_A_CLERK + which).expect("few");
    match which % 4 {
        0 => Address::v4(0x0a08_0100 + number),
        1 => Address::v6((0xfd42_0008 << 96) + 0x100 + u128::from(number)),
        2 => Address::v4(0xc612_0000 + number),
        _ => Address::v6((0xfd77 << 112) + u128::from(number)),
    }
}

fn talker_address(account: usize) -> Address {
    Address::v4(0x0a08_8000 + u32::try_from(account).expect("few"))
}

/// Configuration management that reloads in a loop, while the owner of an address changes.
fn storm_of_reloads(tap: &'static str) {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "metered0");
    let address = Address::v4(0x0a08_0005);
    let line = |account: usize| format!("{},{}\n", address.text(), name(account));
    let setup = Setup { backend: tap, interfaces: vec!["metered0"], pools: POOLS.to_vec(), roster: line(0) };
    let folder = Folder::forgetful(&setup);
    let daemon = Daemon::start_in(&namespace, &folder);
    let packet = datagram(address, nobody(address, 1), 128);
    for round in 0..300 {
        if round % 7 == 0 {
            let new = folder.path("roster.new");
            fs::write(&new, format!("prefix,account\n{}", line(round / 7 % 2))).expect("ours");
            fs::rename(&new, folder.path("roster.csv")).expect("ours");
        }
        daemon.signal(Signal::SIGHUP);
        for _ in 0..5 {
            wire.send(Way::Up, &packet);
        }
        let_pass(Duration::from_millis(5), "reloads come faster than they are made");
    }
    let node = daemon.await_packets(1500);
    assert_eq!((node.attributed.up_packets, node.unattributed.up_packets, node.lost), (1500, 0, 0));
    let [one, other] = [0, 1].map(|account| daemon.export(&name(account)).up_packets);
    assert!(one + other == 1500 && one > 0 && other > 0, "{one} and {other}");
    assert_eq!(daemon.status(), 0);
    daemon.stop();
}
