//! A device that goes up and down and changes its name while packets pass all the time: none is counted
//! twice, and what is not counted is told as lost.

mod netns;
mod support;

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::tally::{Way, name};
use netns::wire::{Kind, Wire, nobody};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use support::frames::{Address, datagram};
use support::wait::let_pass;

const LENGTH: usize = 150;

#[test]
fn ring_counts_or_tells_every_packet_of_a_device_that_flaps_and_is_renamed_under_load() {
    println!("ring: {}", flapping_under_load("ring"));
}

#[test]
fn pnet_counts_or_tells_every_packet_of_a_device_that_flaps_and_is_renamed_under_load() {
    println!("pnet: {}", flapping_under_load("pnet"));
}

#[test]
fn tcx_counts_or_tells_every_packet_of_a_device_that_flaps_and_is_renamed_under_load() {
    println!("tcx: {}", flapping_under_load("tcx"));
}

#[test]
fn clsact_counts_or_tells_every_packet_of_a_device_that_flaps_and_is_renamed_under_load() {
    println!("clsact: {}", flapping_under_load("clsact"));
}

/// A device goes up and down, loses its name and gets it back, while packets pass all the time. What
/// is counted and what is told as lost is what was sent, but for what passes while a tap attaches.
fn flapping_under_load(tap: &'static str) -> String {
    const ROUNDS: usize = 20;
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let daemon = Daemon::start(&namespace, &setup(tap));
    let (done, down) = (AtomicBool::new(false), AtomicBool::new(false));
    let sent = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let packet = datagram(address(), nobody(address(), 1), LENGTH);
            let mut sent = 0;
            while !done.load(Ordering::SeqCst) {
                // A TUN that is down takes no packets.
                if !down.load(Ordering::SeqCst) {
                    wire.send(Way::Up, &packet);
                    sent += 1;
                }
                let_pass(Duration::from_micros(200), "the pace of the load");
            }
            sent
        });
        for round in 0..ROUNDS {
            let_pass(Duration::from_millis(30), "packets are counted between two changes");
            if round % 4 == 3 {
                down.store(true, Ordering::SeqCst);
                let_pass(Duration::from_millis(5), "the sender has seen that it must not send");
                namespace.command("ip link set tun0 down");
                namespace.command("ip link set tun0 up");
                down.store(false, Ordering::SeqCst);
            } else {
                namespace.command("ip link set tun0 name other0");
                let_pass(
                    Duration::from_millis(if round % 2 == 0 { 0 } else { 40 }),
                    "the name is lost for a while",
                );
                namespace.command("ip link set other0 name tun0");
            }
        }
        daemon.await_status(0);
        done.store(true, Ordering::SeqCst);
        sender.join().expect("the sender runs to its end")
    });
    let node = daemon.await_packets(sent);
    let told = node.counted() + node.lost;
    assert!(node.counted() <= sent, "{} counted of {sent} sent", node.counted());
    // Between a look at the device's counters and the moment that the tap sees packets, or sees none any
    // more, a few pass; with the first tcx link of a host, those of a grace period: 20 ms.
    let few = 5 * ROUNDS as u64;
    let twice = if tap == "tcx" { 100 * ROUNDS as u64 } else { few };
    assert!(told + few >= sent, "{told} told of {sent} sent: the rest was neither counted nor told as lost");
    assert!(told <= sent + twice, "{told} told of {sent} sent");
    assert!(node.lost > 0, "the device had another name for a while");
    let held = daemon.export(&name(0)).up_packets;
    assert_eq!(held, node.attributed.up_packets, "what is counted is its account's");
    daemon.stop();
    format!("{sent} sent, {} counted, {} told as lost", node.counted(), node.lost)
}

fn setup(tap: &'static str) -> Setup {
    let roster = format!("{},{}\n", address().text(), name(0));
    Setup { backend: tap, interfaces: vec!["tun0"], pools: vec!["10.8.0.0/24"], roster }
}

fn address() -> Address {
    Address::v4(0x0a08_0001)
}
