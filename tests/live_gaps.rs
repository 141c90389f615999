//! What passes an interface while no tap sees it is told as lost, to the packet, and nothing else is; and
//! the epoch says that the tap was away, whether or not anything passed.

mod netns;
mod support;

use netns::Namespace;
use netns::daemon::{Daemon, Setup, try_metrics};
use netns::folder::Folder;
use netns::tally::{Expected, Way, name};
use netns::tun::Tun;
use support::frames::{Address, datagram};
use support::wait::wait_for;

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
fn clsact_tells_of_a_gap_in_the_epoch_of_each_event_and_in_no_other() {
    gaps_of_epochs("clsact", false);
}

#[test]
fn ring_tells_of_a_gap_in_the_epoch_of_each_event_and_in_no_other() {
    gaps_of_epochs("ring", true);
}

/// Starts, a device that is away for a moment, a kill; nothing passes at all.
fn gaps_of_epochs(tap: &'static str, ends_with_its_process: bool) {
    let fixture = Fixture::new();
    let folder = Folder::keeping(&setup(tap, "tun0"), "2s");
    let daemon = Daemon::start_in(&fixture.namespace, &folder);
    let mut releases = Releases { fixture: &fixture, last: 0 };
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

/// The releases that a node publishes, one after the other.
struct Releases<'a> {
    fixture: &'a Fixture,
    /// Ordinal of the last one.
    last: u64,
}

impl Releases<'_> {
    /// Waits for the next release; whether it tells of a gap.
    fn next(&mut self) -> bool {
        let page = wait_for("a release", || {
            let page = try_metrics(&self.fixture.namespace)?;
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
