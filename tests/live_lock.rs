//! What passes while others hold the kernel's one lock on interfaces is counted, and whoever asks is answered.
//!
//! The lock is the whole host's, so that these tests run alone (`tests/run`).

mod netns;
mod support;

use std::time::Duration;

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::kernel_lock::KernelLock;
use netns::tally::{Expected, Way, name};
use netns::wire::{Kind, Wire, nobody};
use support::frames::{Address, datagram};
use support::wait::{TIMEOUT, let_pass, wait_until};

const ACCOUNTS: usize = 4;
const LENGTH: usize = 150;
const BATCH: u64 = 50;
const BETWEEN_PROBES: Duration = Duration::from_millis(50);

#[test]
fn ring_counts_and_answers_while_others_hold_the_kernels_lock_on_interfaces() {
    locked("ring");
}

#[test]
fn pnet_counts_and_answers_while_others_hold_the_kernels_lock_on_interfaces() {
    locked("pnet");
}

#[test]
fn tcx_counts_and_answers_while_others_hold_the_kernels_lock_on_interfaces() {
    locked("tcx");
}

/// Any user of the host can hold it for as long as he likes.
fn locked(tap: &'static str) {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let daemon = Daemon::start(&namespace, &setup(tap, &["tun0"]));
    let mut expected = Expected::of(ACCOUNTS);
    await_attached(&daemon, &wire);
    let lock = KernelLock::take();
    for _ in 0..3 {
        batch(&wire, &mut expected);
        let_pass(Duration::from_millis(700), "it would read the device's counters");
        expected.assert_held_beside_probes(&daemon);
    }
    drop(lock);
    daemon.stop();
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

fn probe() -> Vec<u8> {
    let nowhere = nobody(Address::v4(0), 99);
    datagram(nowhere, nowhere, 40)
}

fn await_probe(daemon: &Daemon, send: impl Fn()) {
    let before = daemon.export_node().unattributed.up_packets;
    wait_until("the device is counted", TIMEOUT, || {
        send();
        let_pass(BETWEEN_PROBES, "a probe is on its way");
        daemon.export_node().unattributed.up_packets > before
    });
}
