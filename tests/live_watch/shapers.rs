//! What shapers, agents and clean-up scripts do with tc beside the tap: what hides no packet is no alarm, and
//! what does is named, told as lost while it lasts, and mended where it can be.

use super::HOOKS;
use super::netns::beside::Fixture;
use super::netns::daemon::Daemon;
use super::netns::foreign::{Foreign, OK, XDP_ABORTED, XDP_TX};
use super::support::wait::{TIMEOUT, let_pass, wait_until};
use std::time::Duration;

/// How often the helper looks, and a little.
const A_LOOK: Duration = Duration::from_millis(1500);

/// Nothing is said, nothing is hidden.
fn stays(fixture: &mut Fixture, daemon: &Daemon, said: usize, what: &str) {
    let_pass(A_LOOK, "there would be a word by now");
    assert_eq!(daemon.said().len(), said, "{what}: {}", daemon.said());
    assert_eq!((daemon.status(), fixture.attached(daemon)), (0, 1), "{what}");
    fixture.counts(daemon, 10);
}

#[test]
fn a_queue_of_the_way_out_is_no_alarm_and_hides_nothing() {
    for tap in HOOKS {
        let mut fixture = Fixture::new(tap);
        let daemon = fixture.start();
        let said = daemon.said().len();
        // As wondershaper, a shaper of VPN clients, and whoever ends them do.
        for lines in [
            &["replace dev tun0 root handle 1: htb default 10", "del dev tun0 root"][..],
            &["replace dev tun0 root tbf rate 1gbit burst 1m latency 50ms"],
            &["replace dev tun0 root handle 1: htb default 10"],
            &["del dev tun0 root"],
        ] {
            lines.iter().for_each(|line| fixture.namespace.command(&format!("tc qdisc {line}")));
            stays(&mut fixture, &daemon, said, &lines.concat());
        }
        daemon.stop();
    }
}

#[test]
fn what_a_shaper_sends_through_another_device_is_counted_once() {
    for tap in ["tcx", "clsact", "ring"] {
        let mut fixture = Fixture::new(tap);
        fixture.namespace.command("ip link add ifb0 type ifb");
        fixture.namespace.command("ip link set ifb0 up");
        let daemon = fixture.start();
        let said = daemon.said().len();
        if tap != "clsact" {
            fixture.namespace.command("tc qdisc add dev tun0 clsact");
        }
        fixture.namespace.command(
            "tc filter add dev tun0 ingress protocol all prio 5 u32 match u32 0 0 action mirred egress redirect dev ifb0",
        );
        stays(&mut fixture, &daemon, said, tap);
        daemon.stop();
    }
}

#[test]
fn a_verdict_behind_ours_is_no_alarm_and_hides_nothing() {
    let mut fixture = Fixture::keeping("clsact");
    let daemon = fixture.start();
    let said = daemon.said().len();
    let pin = fixture.folder.path("bpf/other");
    Foreign::classifier(OK).pin(&pin);
    for way in ["ingress", "egress"] {
        let place = format!("dev tun0 {way} prio 2 bpf da object-pinned {}", pin.display());
        fixture.namespace.command(&format!("tc filter add {place}"));
    }
    stays(&mut fixture, &daemon, said, "a later priority");
    daemon.stop();
    let link_after = Fixture::new("tcx");
    let mut fixture = link_after;
    let daemon = fixture.start();
    let said = daemon.said().len();
    let other = Foreign::classifier(OK);
    let links = [true, false].map(|ingress| other.link(&fixture.namespace, "tun0", ingress, false));
    stays(&mut fixture, &daemon, said, "a later link");
    drop(links);
    daemon.stop();
}

#[test]
fn what_clean_up_scripts_take_off_is_put_back() {
    // One direction, or one priority.
    for line in [
        "tc filter del dev tun0 egress",
        "tc filter del dev tun0 ingress prio 1",
        "tc filter del dev tun0 egress prio 1",
    ] {
        let mut fixture = Fixture::new("clsact");
        let daemon = fixture.start();
        fixture.counts(&daemon, 10);
        fixture.namespace.command(line);
        daemon.await_said("it is attached again", 1);
        let stands = || fixture.own_filters() == 2 && fixture.attached(&daemon) == 1;
        wait_until("both directions stand again", TIMEOUT, stands);
        assert_eq!(daemon.status(), 0, "{line}");
        fixture.counts(&daemon, 10);
        daemon.stop();
        assert_eq!(fixture.own_filters(), 0);
    }
}

#[test]
fn a_shared_block_in_the_place_of_clsact_is_named_and_what_passes_is_told() {
    const SHARED: &str = "tc qdisc add dev tun0 ingress_block 22 egress_block 23 clsact";
    let mut fixture = Fixture::new("clsact");
    fixture.namespace.command(SHARED);
    let daemon = fixture.spawn(2);
    let line = daemon.await_said("cannot attach", 1);
    assert!(line.contains("interface tun0: ") && line.contains("of kind clsact of a shared block"), "{line}");
    daemon.stop();
    // Where the choice is the daemon's, it takes what counts.
    fixture.folder.configure("\"kernel\"", "\"auto\"");
    let daemon = fixture.start();
    assert!(daemon.said().contains("tap: ring: a qdisc of kind clsact of a shared"), "{}", daemon.said());
    fixture.counts(&daemon, 10);
    daemon.stop();
    let mut fixture = Fixture::new("clsact");
    let daemon = fixture.start();
    fixture.counts(&daemon, 10);
    // Somebody's agent shares the filters of its interfaces from here on.
    fixture.namespace.command("tc qdisc del dev tun0 clsact");
    fixture.namespace.command(SHARED);
    wait_until("it is told", TIMEOUT, || (daemon.status(), fixture.attached(&daemon)) == (2, 0));
    let lost = daemon.export_node().lost;
    fixture.send(15);
    wait_until("what passes is told", TIMEOUT, || daemon.export_node().lost == lost + 30);
    fixture.expected.lost = lost + 30;
    fixture.namespace.command("tc qdisc del dev tun0 clsact");
    daemon.await_said("interface tun0: attached", 2);
    fixture.counts(&daemon, 10);
    daemon.stop();
}

#[test]
fn an_xdp_program_of_any_verdict_is_named() {
    for tap in HOOKS {
        let mut fixture = Fixture::keeping(tap);
        let daemon = fixture.start();
        for (round, verdict) in [XDP_ABORTED, XDP_TX].into_iter().enumerate() {
            let pin = fixture.folder.path(&format!("bpf/xdp{verdict}"));
            Foreign::xdp(verdict).pin(&pin);
            fixture.namespace.command(&format!("ip link set tun0 xdpgeneric pinned {}", pin.display()));
            daemon.await_said("before the tap stands XDP program ", round + 1);
            fixture.namespace.command("ip link set tun0 xdpgeneric off");
            daemon.await_said("nothing stands before the tap any more", round + 1);
        }
        fixture.counts(&daemon, 10);
        daemon.stop();
    }
}
