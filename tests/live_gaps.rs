//! What passes an interface while no tap sees it is told as lost, to the packet, and nothing else is; and
//! the epoch says that the tap was away, whether or not anything passed.

mod netns;
mod support;

use netns::Namespace;
use netns::daemon::{Daemon, Setup, try_metrics};
use netns::folder::Folder;
use netns::packet_socket::PacketSocket;
use netns::tally::{Expected, Way, name};
use netns::tun::Tun;
use netns::wire::{HERE, Kind, THERE, Wire};
use std::process::Command;
use std::time::Duration;
use support::frames::{Address, IPV4, datagram, frame, mac};
use support::wait::{let_pass, wait_for};

const LENGTH: usize = 120;
const TAPS: [&str; 4] = ["tcx", "clsact", "ring", "pnet"];

/// A TUN device of a namespace, and what the daemon there is to hold of it.
struct Fixture {
    namespace: Namespace,
    tun: Tun,
    expected: Expected,
}

impl Fixture {
    fn new() -> Self {
        let namespace = Namespace::new();
        let tun = Tun::open(&namespace, "tun0");
        Self { namespace, tun, expected: Expected::of(1) }
    }

    /// So many packets of the account pass.
    fn pass(&self, packets: u64) {
        for _ in 0..packets {
            self.tun.inject(&datagram(address(), Address::v4(0x0900_0001), LENGTH));
        }
    }

    /// The same under the eyes of the tap.
    fn send(&mut self, packets: u64) {
        self.pass(packets);
        self.expected.add(Some(0), Way::Up, packets, packets * LENGTH as u64);
    }

    /// The device goes to another namespace, where so many packets pass it, and comes back.
    fn away(&self, daemon: &Daemon, packets: u64) {
        let elsewhere = Namespace::new();
        self.namespace.hand_over_device("tun0", &elsewhere);
        daemon.await_status(2);
        elsewhere.command("ip link set tun0 up");
        self.pass(packets);
        elsewhere.hand_over_device("tun0", &self.namespace);
        self.namespace.command("ip link set tun0 up");
        daemon.await_status(0);
    }
}

fn address() -> Address {
    Address::v4(0x0a08_0001)
}

fn setup(tap: &'static str, interface: &'static str) -> Setup {
    let roster = format!("{},{}\n", address().text(), name(0));
    Setup { backend: tap, interfaces: vec![interface], pools: vec!["10.8.0.0/24"], roster }
}

#[test]
fn a_device_that_was_away_tells_what_passed_there_and_nothing_where_nothing_did() {
    for tap in TAPS {
        let mut fixture = Fixture::new();
        let daemon = Daemon::start(&fixture.namespace, &setup(tap, "tun0"));
        fixture.send(3000);
        fixture.expected.assert_held_by(&daemon);
        for (packets, lost) in [(0, 0), (0, 0), (20, 20), (700, 720)] {
            fixture.away(&daemon, packets);
            fixture.send(10);
            fixture.expected.lost = lost;
            fixture.expected.assert_held_by(&daemon);
        }
        daemon.stop();
    }
}

/// What it carried elsewhere was never this node's.
#[test]
fn a_device_that_comes_from_another_namespace_brings_no_loss_along() {
    for tap in TAPS {
        let mut fixture = Fixture::new();
        let here = Namespace::new();
        let daemon = Daemon::start_degraded(&here, &setup(tap, "tun0"));
        fixture.pass(2500);
        fixture.namespace.hand_over_device("tun0", &here);
        here.command("ip link set tun0 up");
        daemon.await_status(0);
        fixture.send(50);
        fixture.expected.assert_held_by(&daemon);
        daemon.stop();
    }
}

#[test]
fn tcx_tells_of_a_gap_in_the_epoch_of_each_event_and_in_no_other() {
    gaps_of_epochs("tcx", false);
}

#[test]
fn ring_tells_of_a_gap_in_the_epoch_of_each_event_and_in_no_other() {
    gaps_of_epochs("ring", true);
}

/// Starts, a device that is away for a moment, a kill; nothing passes at all.
fn gaps_of_epochs(tap: &'static str, ends_with_its_process: bool) {
    let fixture = Fixture::new();
    // An epoch that a late start cuts short is released with the next: long enough for a start beside others.
    let folder = Folder::keeping(&setup(tap, "tun0"), "10s");
    let daemon = Daemon::start_in(&fixture.namespace, &folder);
    let mut releases = Releases { namespace: &fixture.namespace, last: 0 };
    assert!(releases.next(), "{tap}: it was started");
    assert!(!releases.next(), "{tap}: nothing happened");
    fixture.away(&daemon, 0);
    assert!(releases.next(), "{tap}: the device was away");
    assert!(!releases.next(), "{tap}: nothing happened since it is back");
    daemon.kill();
    let daemon = Daemon::start_in(&fixture.namespace, &folder);
    assert_eq!(releases.next(), ends_with_its_process, "{tap}: it was killed");
    assert!(!releases.next(), "{tap}: nothing happened since the kill");
    daemon.stop();
}

#[test]
fn tcx_tells_in_no_release_of_clients_devices() {
    devices_of_clients("tcx");
}

#[test]
fn ring_tells_in_no_release_of_clients_devices() {
    devices_of_clients("ring");
}

/// Under a glob, devices come, stay and go in every other epoch; all releases but the first are alike.
fn devices_of_clients(tap: &'static str) {
    let namespace = Namespace::new();
    let folder = Folder::keeping(&setup(tap, "tun*"), "3s");
    let daemon = Daemon::start_in(&namespace, &folder);
    let mut releases = Releases { namespace: &namespace, last: 0 };
    // The first is that of the start.
    releases.next();
    let (mut stay, mut pages) = (Vec::new(), Vec::new());
    for epoch in 0..6 {
        if epoch % 2 == 1 {
            let comes = Wire::make(&namespace, Kind::Tun, &format!("tun{epoch}"));
            stay.push(Wire::make(&namespace, Kind::Tun, &format!("tun1{epoch}")));
            let_pass(Duration::from_millis(200), "the daemon meters them");
            drop(comes);
        }
        releases.next();
        let page = try_metrics(&namespace).expect("the node answers");
        let is_same = |line: &&str| !line.starts_with("blindmeter_epoch ") && !line.contains("_timestamp_");
        pages.push(page.lines().filter(is_same).collect::<Vec<_>>().join("\n"));
    }
    for page in &pages {
        assert_eq!(*page, pages[0], "{tap}");
    }
    daemon.stop();
}

/// The releases that a node publishes, one after the other.
struct Releases<'a> {
    namespace: &'a Namespace,
    /// Ordinal of the last one.
    last: u64,
}

impl Releases<'_> {
    /// Waits for the next release; whether it tells of a gap. Where a start took longer than an epoch, that
    /// is of both.
    fn next(&mut self) -> bool {
        let page = wait_for("a release", || {
            let page = try_metrics(self.namespace)?;
            (value(&page, "blindmeter_epoch") > self.last).then_some(page)
        });
        let ordinal = value(&page, "blindmeter_epoch");
        assert!(
            self.last == 0 || ordinal == self.last + 1,
            "each release is seen: {} then {ordinal}",
            self.last
        );
        self.last = ordinal;
        value(&page, "blindmeter_epoch_tap_gap") == 1
    }
}

/// The value of a series without labels.
fn value(page: &str, series: &str) -> u64 {
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no count {series} in {page}"))
}

#[test]
fn tcx_tells_at_the_close_what_a_tun_sent_past_it() {
    passed_by("tcx", Kind::Tun);
}

#[test]
fn clsact_tells_at_the_close_what_a_veth_sent_past_it() {
    passed_by("clsact", Kind::Veth);
}

#[test]
fn ring_tells_at_the_close_what_a_tun_sent_past_it() {
    passed_by("ring", Kind::Tun);
}

/// The device counts what the tap cannot see; nobody is told of it before the close.
fn passed_by(tap: &'static str, kind: Kind) {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, kind, "dev0");
    let around = PacketSocket::past_taps(&namespace, "dev0");
    let folder = Folder::keeping(&setup(tap, "dev0"), "2s");
    let daemon = Daemon::start_in(&namespace, &folder);
    let mut releases = Releases { namespace: &namespace, last: 0 };
    releases.next();
    let packet = datagram(Address::v4(0x0900_0001), address(), LENGTH);
    for _ in 0..50 {
        wire.send(Way::Down, &packet);
    }
    for _ in 0..70 {
        match kind {
            Kind::Tun => around.send_ip(&packet),
            Kind::Veth => around.send_frame(&frame(mac(THERE), mac(HERE), &[], IPV4, &packet)),
        }
    }
    let node = daemon.await_packets(50);
    assert_eq!((node.attributed.down_packets, node.lost), (50, 0), "{tap}: nothing is told before the close");
    for _ in 0..2 {
        releases.next();
        let node = daemon.export_node();
        assert_eq!((node.counted(), node.lost), (50, 70), "{tap}: it is told once");
    }
    daemon.stop();
}

/// What hardware counts cannot be compared, but a tap that sees nothing of it for an epoch is blind.
#[test]
fn a_device_of_another_kind_is_told_of_where_the_tap_saw_nothing_for_a_whole_epoch() {
    let namespace = Namespace::new();
    let peer = Namespace::new();
    namespace.veth("port0", HERE, &peer, "peer0", THERE);
    namespace.command("ip link add link port0 name dev0 type macvlan");
    namespace.command("ip link set dev0 up");
    let (seen, around) =
        (PacketSocket::egress(&namespace, "dev0"), PacketSocket::past_taps(&namespace, "dev0"));
    let folder = Folder::keeping(&setup("tcx", "dev0"), "2s");
    let daemon = Daemon::start_in(&namespace, &folder);
    let mut releases = Releases { namespace: &namespace, last: 0 };
    let packet = datagram(Address::v4(0x0900_0001), address(), LENGTH);
    let packet = frame(mac(THERE), mac(HERE), &[], IPV4, &packet);
    releases.next();
    for (sees, lost) in [(true, 0), (false, 30)] {
        if sees {
            seen.send_frame(&packet);
        }
        for _ in 0..30 {
            around.send_frame(&packet);
        }
        releases.next();
        let node = daemon.export_node();
        assert_eq!((node.counted(), node.lost), (1, lost));
    }
    daemon.stop();
}

#[test]
fn what_passes_while_the_daemon_is_stopped_is_told_as_lost_at_the_next_start() {
    for tap in TAPS {
        let mut fixture = Fixture::new();
        let folder = Folder::keeping(&setup(tap, "tun0"), "24h");
        let daemon = Daemon::start_in(&fixture.namespace, &folder);
        fixture.send(30);
        fixture.expected.assert_held_by(&daemon);
        daemon.stop();
        fixture.pass(40);
        let daemon = Daemon::start_in(&fixture.namespace, &folder);
        fixture.send(5);
        fixture.expected.lost = 40;
        fixture.expected.assert_held_by(&daemon);
        let said = daemon.stop();
        assert!(!said.contains("is lost"), "{tap}: all that was counted was saved: {said}");
    }
}

#[test]
fn what_was_counted_under_a_bpffs_that_is_mounted_over_is_told_as_lost() {
    for (tap, end) in [("tcx", "kill"), ("clsact", "hand over"), ("tcx", "stop")] {
        mounted_over(tap, end);
    }
}

fn mounted_over(tap: &'static str, end: &str) {
    let fixture = Fixture::new();
    let folder = Folder::keeping(&setup(tap, "tun0"), "24h");
    let daemon = Daemon::start_in(&fixture.namespace, &folder);
    fixture.pass(50);
    folder.await_saves(2);
    let mounted = Command::new("mount").args(["-t", "bpf", "bpf"]).arg(folder.path("bpf")).status();
    assert!(mounted.is_ok_and(|status| status.success()), "a bpffs can be mounted over another");
    wait_for("it is noticed", || daemon.said().contains("something else is there now").then_some(()));
    fixture.pass(50);
    folder.await_saves(2);
    fixture.pass(7);
    match end {
        "kill" => daemon.kill(),
        "hand over" => drop(daemon.hand_over()),
        _ => drop(daemon.stop()),
    }
    fixture.pass(5);
    let daemon = Daemon::start_in(&fixture.namespace, &folder);
    let node = daemon.await_packets(112);
    // A save may have come between the seven and the end.
    let lost = if end == "kill" && node.lost != 5 { 12 } else { 5 };
    assert_eq!((node.counted(), node.lost), (112 - lost, lost), "{tap}, {end}");
    assert_eq!(daemon.export(&name(0)).up_packets, 112 - lost, "{tap}, {end}");
    daemon.stop();
    let unmounted = Command::new("umount").arg("--lazy").arg(folder.path("bpf")).status();
    assert!(unmounted.is_ok_and(|status| status.success()), "what was mounted can be unmounted");
    if end == "stop" {
        assert_eq!(
            folder.pins(),
            Vec::<String>::new(),
            "{tap}: a stop leaves nothing, wherever it was pinned"
        );
    }
}
