//! Devices appear, vanish, flap, are renamed and come back: what passes while the daemon says that it
//! is attached is counted exactly, nothing is counted on a device that the configuration does not name,
//! and what passed a device that is named while nobody was attached to it is told as lost.

mod netns;
mod support;

use std::time::Duration;

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::tally::{Expected, Way, name};
use netns::tun::Tun;
use netns::wire::{Kind, Wire, nobody};
use support::frames::{Address, datagram};
use support::wait::{TIMEOUT, let_pass, wait_until};

const ACCOUNTS: usize = 4;
const LENGTH: usize = 150;
const BATCH: u64 = 50;

#[test]
fn ring_waits_for_a_device_that_comes_later() {
    late_device("ring");
}

#[test]
fn pnet_waits_for_a_device_that_comes_later() {
    late_device("pnet");
}

#[test]
fn tcx_waits_for_a_device_that_comes_later() {
    late_device("tcx");
}

#[test]
fn clsact_waits_for_a_device_that_comes_later() {
    late_device("clsact");
}

#[test]
fn ring_is_exact_across_a_flap() {
    flap("ring");
}

#[test]
fn pnet_is_exact_across_a_flap() {
    flap("pnet");
}

#[test]
fn tcx_is_exact_across_a_flap() {
    flap("tcx");
}

#[test]
fn clsact_is_exact_across_a_flap() {
    flap("clsact");
}

#[test]
fn ring_follows_a_device_that_comes_back_with_another_index() {
    another_index("ring");
}

#[test]
fn pnet_follows_a_device_that_comes_back_with_another_index() {
    another_index("pnet");
}

#[test]
fn tcx_follows_a_device_that_comes_back_with_another_index() {
    another_index("tcx");
}

#[test]
fn clsact_follows_a_device_that_comes_back_with_another_index() {
    another_index("clsact");
}

#[test]
fn ring_counts_nothing_under_another_name() {
    renamed("ring");
}

#[test]
fn pnet_counts_nothing_under_another_name() {
    renamed("pnet");
}

#[test]
fn tcx_counts_nothing_under_another_name() {
    renamed("tcx");
}

#[test]
fn clsact_counts_nothing_under_another_name() {
    renamed("clsact");
}

#[test]
fn ring_follows_a_device_to_another_namespace_and_back() {
    moved("ring");
}

#[test]
fn pnet_follows_a_device_to_another_namespace_and_back() {
    moved("pnet");
}

#[test]
fn tcx_follows_a_device_to_another_namespace_and_back() {
    moved("tcx");
}

#[test]
fn clsact_follows_a_device_to_another_namespace_and_back() {
    moved("clsact");
}

#[test]
fn ring_attaches_whatever_a_glob_matches_and_says_nothing_of_it() {
    glob("ring");
}

#[test]
fn pnet_attaches_whatever_a_glob_matches_and_says_nothing_of_it() {
    glob("pnet");
}

#[test]
fn tcx_attaches_whatever_a_glob_matches_and_says_nothing_of_it() {
    glob("tcx");
}

#[test]
fn clsact_attaches_whatever_a_glob_matches_and_says_nothing_of_it() {
    glob("clsact");
}

#[test]
fn ring_counts_nothing_twice_when_a_name_comes_straight_back() {
    straight_back("ring");
}

#[test]
fn pnet_counts_nothing_twice_when_a_name_comes_straight_back() {
    straight_back("pnet");
}

#[test]
fn tcx_counts_nothing_twice_when_a_name_comes_straight_back() {
    straight_back("tcx");
}

#[test]
fn clsact_counts_nothing_twice_when_a_name_comes_straight_back() {
    straight_back("clsact");
}

#[test]
fn ring_is_exact_when_a_device_joins_and_leaves_a_bridge() {
    bridged("ring");
}

#[test]
fn pnet_is_exact_when_a_device_joins_and_leaves_a_bridge() {
    bridged("pnet");
}

#[test]
fn tcx_is_exact_when_a_device_joins_and_leaves_a_bridge() {
    bridged("tcx");
}

#[test]
fn clsact_is_exact_when_a_device_joins_and_leaves_a_bridge() {
    bridged("clsact");
}

#[test]
fn device_that_is_named_twice_is_counted_once() {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let daemon = Daemon::start(&namespace, &setup("ring", &["tun0", "tun*", "t*0"]));
    let mut expected = Expected::of(ACCOUNTS);
    await_attached(&daemon, &wire);
    batch(&wire, &mut expected);
    expected.assert_held_beside_probes(&daemon);
    daemon.stop();
}

fn late_device(tap: &'static str) {
    let namespace = Namespace::new();
    let daemon = Daemon::start_degraded(&namespace, &setup(tap, &["tun0"]));
    assert_eq!(attached(&daemon, &namespace, "tun0"), 0);
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    daemon.await_status(0);
    assert_eq!(attached(&daemon, &namespace, "tun0"), 1);
    let mut expected = Expected::of(ACCOUNTS);
    batch(&wire, &mut expected);
    expected.assert_held_by(&daemon);
    daemon.stop();
}

fn flap(tap: &'static str) {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let daemon = Daemon::start(&namespace, &setup(tap, &["tun0"]));
    let mut expected = Expected::of(ACCOUNTS);
    for slow in [false, true, false, true] {
        // What has passed is still to be counted when the device goes down, however slow the daemon is.
        if slow {
            daemon.pause();
        }
        batch(&wire, &mut expected);
        namespace.command("ip link set tun0 down");
        let_pass(Duration::from_millis(20), "the device is down for a moment");
        namespace.command("ip link set tun0 up");
        daemon.resume();
        await_attached(&daemon, &wire);
        assert_eq!(daemon.status(), 0);
    }
    batch(&wire, &mut expected);
    expected.assert_held_beside_probes(&daemon);
    daemon.stop();
}

fn another_index(tap: &'static str) {
    let namespace = Namespace::new();
    let mut wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let daemon = Daemon::start(&namespace, &setup(tap, &["tun0"]));
    let mut expected = Expected::of(ACCOUNTS);
    for slow in [false, true, false, true] {
        let index = namespace.device_index("tun0");
        // What has passed is still to be counted when the device is gone, however slow the daemon is.
        if slow {
            daemon.pause();
        }
        batch(&wire, &mut expected);
        drop(wire);
        daemon.resume();
        daemon.await_status(2);
        assert_eq!(attached(&daemon, &namespace, "tun0"), 0);
        wire = Wire::make(&namespace, Kind::Tun, "tun0");
        assert_ne!(namespace.device_index("tun0"), index);
        daemon.await_status(0);
        await_attached(&daemon, &wire);
        assert_eq!(attached(&daemon, &namespace, "tun0"), 1);
    }
    batch(&wire, &mut expected);
    expected.assert_held_beside_probes(&daemon);
    daemon.stop();
}

fn renamed(tap: &'static str) {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let daemon = Daemon::start(&namespace, &setup(tap, &["tun0"]));
    let mut expected = Expected::of(ACCOUNTS);
    batch(&wire, &mut expected);
    namespace.command("ip link set tun0 name other0");
    daemon.await_status(2);
    let mut unseen = Expected::of(ACCOUNTS);
    batch(&wire, &mut unseen);
    expected.lost = unseen.node().counted();
    namespace.command("ip link set other0 name tun0");
    daemon.await_status(0);
    await_attached(&daemon, &wire);
    batch(&wire, &mut expected);
    expected.assert_held_beside_probes(&daemon);
    // Another device under the old name of this one is the one that is metered.
    namespace.command("ip link set tun0 name other0");
    let second = Wire::make(&namespace, Kind::Tun, "tun0");
    await_attached(&daemon, &second);
    batch(&wire, &mut unseen);
    batch(&second, &mut expected);
    expected.assert_held_beside_probes(&daemon);
    daemon.stop();
}

/// A device that loses its name for a moment may be missed for that moment, but never counted twice:
/// one account talks after each time, all the while.
fn straight_back(tap: &'static str) {
    const ROUNDS: usize = 16;
    const PACKETS: u64 = 60;
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let roster = (0..ROUNDS).map(|round| format!("{},{}\n", address(round).text(), name(round))).collect();
    let daemon = Daemon::start(&namespace, &Setup { roster, ..setup(tap, &["tun0"]) });
    for round in 0..ROUNDS {
        namespace.command("ip link set tun0 name other0");
        namespace.command("ip link set other0 name tun0");
        for _ in 0..PACKETS {
            wire.send(Way::Up, &datagram(address(round), nobody(address(round), 1), LENGTH));
            let_pass(Duration::from_millis(2), "the pace of the load");
        }
    }
    daemon.await_packets(0);
    for round in 0..ROUNDS {
        let held = daemon.export(&name(round)).up_packets;
        assert!(held <= PACKETS, "after change {round} {held} were counted of {PACKETS}");
    }
    assert!(daemon.export(&name(ROUNDS - 1)).up_packets > 0, "the device is followed");
    daemon.stop();
}

/// Leaving a bridge is told by the same kind of message as the end of a device, and is not the end of it.
fn bridged(tap: &'static str) {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Veth, "tap0");
    let daemon = Daemon::start(&namespace, &setup(tap, &["tap0"]));
    namespace.command("ip link add br0 type bridge");
    let mut expected = Expected::of(ACCOUNTS);
    for _ in 0..5 {
        batch(&wire, &mut expected);
        namespace.command("ip link set tap0 master br0");
        batch(&wire, &mut expected);
        namespace.command("ip link set tap0 nomaster");
        batch(&wire, &mut expected);
    }
    expected.assert_held_by(&daemon);
    assert_eq!(daemon.status(), 0);
    daemon.stop();
}

fn moved(tap: &'static str) {
    let (namespace, elsewhere) = (Namespace::new(), Namespace::new());
    let tun = Tun::open(&namespace, "tun0");
    let daemon = Daemon::start(&namespace, &setup(tap, &["tun0"]));
    let mut expected = Expected::of(ACCOUNTS);
    let say = |expected: &mut Expected| {
        for _ in 0..BATCH {
            tun.inject(&datagram(address(1), nobody(address(1), 1), LENGTH));
            expected.add(Some(1), Way::Up, 1, u64::try_from(LENGTH).expect("small"));
        }
    };
    say(&mut expected);
    namespace.hand_over_device("tun0", &elsewhere);
    elsewhere.command("ip link set tun0 up");
    daemon.await_status(2);
    say(&mut Expected::of(ACCOUNTS));
    expected.lost = BATCH;
    elsewhere.hand_over_device("tun0", &namespace);
    namespace.command("ip link set tun0 up");
    daemon.await_status(0);
    await_probe(&daemon, || tun.inject(&probe()));
    say(&mut expected);
    expected.assert_held_beside_probes(&daemon);
    daemon.stop();
}

fn glob(tap: &'static str) {
    let namespace = Namespace::new();
    let daemon = Daemon::start(&namespace, &setup(tap, &["tun*"]));
    assert_eq!(attached(&daemon, &namespace, "tun*"), 1, "a glob without a match is healthy");
    let said_before = daemon.said();
    let metrics_before = daemon.metrics(&namespace);
    let mut expected = Expected::of(ACCOUNTS);
    let stranger = Wire::make(&namespace, Kind::Tun, "other0");
    let mut wires = Vec::new();
    for number in 0..5 {
        wires.push(Wire::make(&namespace, Kind::Tun, &format!("tun{number}")));
        await_attached(&daemon, &wires[number]);
        batch(&stranger, &mut Expected::of(ACCOUNTS));
        for wire in &wires {
            batch(wire, &mut expected);
        }
    }
    expected.assert_held_beside_probes(&daemon);
    wires.remove(2);
    wires.remove(0);
    for wire in &wires {
        batch(wire, &mut expected);
    }
    wires.push(Wire::make(&namespace, Kind::Tun, "tun0"));
    await_attached(&daemon, wires.last().expect("just added"));
    for wire in &wires {
        batch(wire, &mut expected);
    }
    expected.assert_held_beside_probes(&daemon);
    assert_eq!(daemon.status(), 0);
    let body = |response: &str| response.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    assert_eq!(body(&daemon.metrics(&namespace)), body(&metrics_before), "/metrics tells nothing of matches");
    assert_eq!(daemon.said(), said_before, "the log tells nothing of matches");
    daemon.stop();
}

fn setup(tap: &'static str, interfaces: &[&'static str]) -> Setup {
    let mut roster = String::new();
    for account in 0..ACCOUNTS {
        roster += &format!("{},{}\n", address(account).text(), name(account));
    }
    Setup { backend: tap, interfaces: interfaces.to_vec(), pools: vec!["10.8.0.0/24"], roster }
}

fn address(account: usize) -> Address {
    Address::v4(0x0a08_0001 + u32::try_from(account).expect("few"))
}

fn batch(wire: &Wire, expected: &mut Expected) {
    let length = u64::try_from(LENGTH).expect("small");
    for account in 0..ACCOUNTS {
        let (owned, far) = (address(account), nobody(address(account), 1));
        for _ in 0..BATCH {
            wire.send(Way::Up, &datagram(owned, far, LENGTH));
            wire.send(Way::Down, &datagram(far, owned, LENGTH));
            expected.add(Some(account), Way::Up, 1, length);
            expected.add(Some(account), Way::Down, 1, length);
        }
    }
}

/// Few probes pass before a device is metered: their number is bounded, see `tally`.
const BETWEEN_PROBES: Duration = Duration::from_millis(50);

/// Sends probes from an address that nobody owns until one of each direction is counted.
fn await_attached(daemon: &Daemon, wire: &Wire) {
    await_probe(daemon, || wire.send(Way::Up, &probe()));
    let before = daemon.export_node().unattributed.down_packets;
    wait_until(&format!("{} is counted on the way out", wire.name()), TIMEOUT, || {
        wire.send(Way::Down, &probe());
        let_pass(BETWEEN_PROBES, "a probe is on its way");
        daemon.export_node().unattributed.down_packets > before
    });
}

fn await_probe(daemon: &Daemon, send: impl Fn()) {
    let before = daemon.export_node().unattributed.up_packets;
    wait_until("the device is counted", TIMEOUT, || {
        send();
        let_pass(BETWEEN_PROBES, "a probe is on its way");
        daemon.export_node().unattributed.up_packets > before
    });
}

fn probe() -> Vec<u8> {
    let nowhere = nobody(Address::v4(0), 99);
    datagram(nowhere, nowhere, 40)
}

/// The value of `blindmeter_tap_attached` for one configured name or glob.
fn attached(daemon: &Daemon, namespace: &Namespace, interface: &str) -> u64 {
    let metrics = daemon.metrics(namespace);
    let series = format!("blindmeter_tap_attached{{interface=\"{interface}\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(series.as_str()));
    let value = value.unwrap_or_else(|| panic!("no series {series}in {metrics}"));
    value.trim().parse().expect("a gauge of whole numbers")
}
