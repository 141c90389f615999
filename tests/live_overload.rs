//! Above its capacity a tap loses packets, knows how many, and says so: counted plus lost equals sent.

mod netns;
mod support;

use std::thread;

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::tally::{Node, Way, name};
use netns::wire::{Kind, Wire, nobody};
use support::frames::{Address, datagram};

const LENGTH: usize = 64;
/// Packets of one burst, half in each direction.
const BURST: u64 = 300_000;
/// Enough for any buffer that a tap may reasonably hold.
const BURSTS: u64 = 8;

#[test]
fn ring_that_overflows_reports_every_packet_it_missed() {
    let node = overflow_while_stopped("ring", Kind::Tun);
    println!("ring: {} counted, {} lost", node.counted(), node.lost);
}

#[test]
fn pnet_that_overflows_reports_every_packet_it_missed() {
    let node = overflow_while_stopped("pnet", Kind::Tun);
    println!("pnet: {} counted, {} lost", node.counted(), node.lost);
}

#[test]
fn ring_that_overflows_on_veth_reports_every_packet_it_missed() {
    let node = overflow_while_stopped("ring", Kind::Veth);
    println!("ring: {} counted, {} lost", node.counted(), node.lost);
}

#[test]
fn ring_accounts_for_every_packet_of_a_flood() {
    let node = flood_at_full_rate("ring");
    println!("ring: {} counted, {} lost", node.counted(), node.lost);
}

#[test]
fn pnet_accounts_for_every_packet_of_a_flood() {
    let node = flood_at_full_rate("pnet");
    println!("pnet: {} counted, {} lost", node.counted(), node.lost);
}

#[test]
fn tcx_counts_every_packet_while_the_daemon_stands_still() {
    counted_while_stopped("tcx");
}

#[test]
fn clsact_counts_every_packet_while_the_daemon_stands_still() {
    counted_while_stopped("clsact");
}

/// The kernel counts; whether the daemon runs does not matter to a single packet.
fn counted_while_stopped(hook: &'static str) {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "metered0");
    let daemon = Daemon::start(&namespace, &setup(hook));
    daemon.pause();
    flood(&wire);
    daemon.resume();
    let node = daemon.await_packets(BURST);
    assert_eq!(node.lost, 0);
    assert_adds_up(&node, BURST);
    daemon.stop();
}

/// A daemon that does not run cannot empty its buffers, whatever the machine: some packets must be lost.
fn overflow_while_stopped(tap: &'static str, kind: Kind) -> Node {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, kind, "metered0");
    let daemon = Daemon::start(&namespace, &setup(tap));
    let mut sent = 0;
    let mut node = Node::default();
    // Stopped for longer and longer, until its buffers are known to have been too small.
    for bursts in [1, 2, BURSTS] {
        daemon.pause();
        for _ in 0..bursts {
            flood(&wire);
            sent += BURST;
        }
        daemon.resume();
        node = daemon.await_packets(sent);
        assert_adds_up(&node, sent);
        if node.lost > 0 {
            break;
        }
    }
    assert!(node.lost > 0, "{sent} packets fitted into the buffers: no overflow was tested");
    // Afterwards it counts again as if nothing had been.
    let address = Address::v4(0x0a08_0001);
    for _ in 0..100 {
        wire.send(Way::Up, &datagram(address, nobody(address, 1), LENGTH));
    }
    let after = daemon.await_packets(sent + 100);
    assert_eq!(after.attributed.up_packets, node.attributed.up_packets + 100);
    assert_eq!(after.lost, node.lost, "nothing is lost at rest");
    daemon.stop();
    node
}

fn flood_at_full_rate(tap: &'static str) -> Node {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "metered0");
    let daemon = Daemon::start(&namespace, &setup(tap));
    flood(&wire);
    let node = daemon.await_packets(BURST);
    assert_adds_up(&node, BURST);
    daemon.stop();
    node
}

/// Both directions at once, every second packet nobody's.
fn flood(wire: &Wire) {
    let owned = Address::v4(0x0a08_0001);
    let stranger = nobody(owned, 1);
    thread::scope(|scope| {
        for way in [Way::Up, Way::Down] {
            scope.spawn(move || {
                let packets = [datagram(owned, stranger, LENGTH), datagram(stranger, owned, LENGTH)];
                for number in 0..BURST / 2 {
                    wire.send(way, &packets[usize::from(number % 2 == 1)]);
                }
            });
        }
    });
}

fn assert_adds_up(node: &Node, sent: u64) {
    assert_eq!(node.counted() + node.lost, sent, "counted {} + lost {} is sent", node.counted(), node.lost);
    assert_eq!((node.not_ip, node.malformed), (0, 0));
    let bytes = node.attributed.bytes() + node.unattributed.bytes();
    assert_eq!(bytes, node.counted() * u64::try_from(LENGTH).expect("small"), "whole packets are counted");
}

fn setup(tap: &'static str) -> Setup {
    Setup {
        backend: tap,
        interfaces: vec!["metered0"],
        pools: vec!["10.8.0.0/24"],
        roster: format!("10.8.0.1,{}\n", name(0)),
    }
}
