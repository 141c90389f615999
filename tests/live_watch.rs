//! The kernel tap beside other software at the same hooks: what is somebody else's stays, what is ours is
//! known, found again and put back, and what passed meanwhile is told.

mod netns;
#[path = "live_watch/shapers.rs"]
mod shapers;
mod support;

use netns::beside::{Fixture, LENGTH, address, second, support_command};
use netns::daemon::Daemon;
use netns::folder::Folder;
use netns::foreign::{Foreign, GO_ON, OK, XDP_DROP, XDP_PASS, detach_link};
use netns::tally::Way;
use netns::tun::Tun;
use netns::wire::{Kind, Wire, nobody};
use std::time::Duration;
use support::frames::datagram;
use support::wait::{TIMEOUT, let_pass, wait_until};

const HOOKS: [&str; 2] = ["tcx", "clsact"];

#[test]
fn an_ingress_qdisc_in_the_place_of_clsact_is_never_written_into() {
    let mut fixture = Fixture::new("clsact");
    fixture.namespace.command("tc qdisc add dev tun0 handle ffff: ingress");
    let daemon = fixture.spawn(2);
    let line = daemon.await_said("cannot attach", 1);
    assert!(line.contains("interface tun0: ") && line.contains("of kind ingress"), "{line}");
    assert_eq!((fixture.filters("ingress").as_str(), fixture.filters("egress").as_str()), ("", ""));
    daemon.stop();
    // Where the choice is the daemon's, it takes what counts.
    fixture.folder.configure("\"kernel\"", "\"auto\"");
    let daemon = fixture.start();
    assert!(daemon.said().contains("tap: ring: a qdisc of kind ingress"), "{}", daemon.said());
    fixture.counts(&daemon, 40);
    daemon.stop();
}

#[test]
fn a_second_daemon_touches_nothing_of_a_living_one() {
    for (tap, other) in
        [("clsact", "clsact"), ("clsact", "ring"), ("clsact", "tcx"), ("tcx", "clsact"), ("tcx", "tcx")]
    {
        let mut fixture = Fixture::new(tap);
        let _wire = Wire::make(&fixture.namespace, Kind::Tun, "tun1");
        let daemon = fixture.start();
        for interface in ["tun1", "tun0"] {
            let folder = second(other, interface, Folder::forgetful);
            let other_daemon = Daemon::start_in(&fixture.namespace, &folder);
            fixture.counts(&daemon, 20);
            other_daemon.stop();
            fixture.counts(&daemon, 20);
            let detached = folder.command_in(&fixture.namespace, &["detach"]);
            assert_eq!((detached.code, detached.stdout.trim()), (Some(0), "nothing to remove"), "{tap}");
            fixture.counts(&daemon, 20);
        }
        daemon.stop();
        assert_eq!(fixture.own_filters(), 0, "{tap}, {other}");
    }
}

#[test]
fn two_daemons_on_one_interface_count_everything_each() {
    for tap in HOOKS {
        let mut fixture = Fixture::new(tap);
        let daemon = fixture.start();
        fixture.counts(&daemon, 10);
        let folder = second(tap, "tun0", Folder::forgetful);
        let other = Daemon::start_in(&fixture.namespace, &folder);
        fixture.counts(&daemon, 25);
        assert_eq!(other.await_packets(50).attributed.packets(), 50, "{tap}");
        other.kill();
        fixture.counts(&daemon, 5);
        daemon.stop();
    }
}

#[test]
fn detach_leaves_a_living_daemon_alone_whatever_its_own_configuration_says() {
    for tap in HOOKS {
        for make in [Fixture::new, Fixture::keeping] {
            let mut fixture = make(tap);
            let daemon = fixture.start();
            let refused = fixture.command(&["detach"]);
            assert_eq!(refused.code, Some(69), "{tap}: {}{}", refused.stdout, refused.stderr);
            fixture.counts(&daemon, 10);
            let elsewhere = second(tap, "tun0", Folder::forgetful);
            for from in [elsewhere.path("bpf/blindmeter"), elsewhere.path("none")] {
                let detached = elsewhere.command_in(&fixture.namespace, &["detach", "--json"]);
                assert_eq!(detached.code, Some(0), "{}", detached.stderr);
                assert!(
                    detached.stdout.contains("\"filtered_interfaces\":0,\"links\":0"),
                    "{}",
                    detached.stdout
                );
                // The next time with the default place for pins.
                elsewhere
                    .configure(&from.display().to_string(), &elsewhere.path("none").display().to_string());
            }
            fixture.counts(&daemon, 10);
            daemon.stop();
        }
    }
}

#[test]
fn between_two_processes_another_daemons_start_and_detach_leave_what_counts_on() {
    for tap in HOOKS {
        let mut fixture = Fixture::keeping(tap);
        let daemon = fixture.start();
        fixture.counts(&daemon, 10);
        daemon.hand_over();
        let other = second(tap, "tun0", |setup| Folder::keeping(setup, "24h"));
        Daemon::start_in(&fixture.namespace, &other).stop();
        let detached = other.command_in(&fixture.namespace, &["detach", "--json"]);
        assert!(detached.stdout.contains("\"filtered_interfaces\":0,\"links\":0"), "{}", detached.stdout);
        let daemon = fixture.start();
        fixture.counts(&daemon, 10);
        daemon.stop();
    }
}

#[test]
fn detach_finds_what_is_attached_where_the_pins_are_out_of_sight() {
    for tap in HOOKS {
        let mut fixture = Fixture::keeping(tap);
        let daemon = fixture.start();
        fixture.counts(&daemon, 10);
        let bpf = fixture.folder.path("bpf").display().to_string();
        let mount = format!("mount -t bpf bpf {bpf}");
        support_command(&mount);
        daemon.kill();
        let detached = fixture.command(&["detach", "--json"]);
        assert_eq!(detached.code, Some(0), "{}", detached.stderr);
        let found = if tap == "tcx" {
            "\"filtered_interfaces\":0,\"links\":2"
        } else {
            "\"filtered_interfaces\":1,\"links\":0"
        };
        assert!(detached.stdout.contains(found), "{tap}: {}", detached.stdout);
        assert_eq!(fixture.own_filters(), 0);
        let again = fixture.command(&["detach"]);
        assert_eq!(again.stdout.trim(), "nothing to remove", "{tap}");
        support_command(&format!("umount {bpf}"));
    }
}

#[test]
fn a_clsact_qdisc_that_somebody_removes_is_put_back() {
    for line in
        ["tc qdisc del dev tun0 clsact", "tc qdisc replace dev tun0 clsact", "tc filter del dev tun0 ingress"]
    {
        let mut fixture = Fixture::new("clsact");
        let daemon = fixture.start();
        fixture.counts(&daemon, 20);
        let again = |times| daemon.await_said("the tap off; it is attached again", times);
        for round in 1..=2 {
            fixture.namespace.command(line);
            if line.contains("replace") {
                // It stands as it stood.
                let_pass(Duration::from_millis(300), "there would be news by now");
            } else {
                assert!(again(round).contains("interface tun0: "));
                assert_eq!(fixture.own_filters(), 2, "{line}");
            }
            assert_eq!((daemon.status(), fixture.attached(&daemon)), (0, 1), "{line}");
            fixture.counts(&daemon, 20);
        }
        daemon.stop();
        assert_eq!(fixture.own_filters(), 0);
    }
}

#[test]
fn what_passes_while_another_qdisc_has_the_place_is_told_as_lost() {
    let mut fixture = Fixture::new("clsact");
    let daemon = fixture.start();
    fixture.counts(&daemon, 20);
    // As a shaper's script does, one after the other.
    fixture.namespace.command("tc qdisc del dev tun0 clsact");
    fixture.namespace.command("tc qdisc add dev tun0 handle ffff: ingress");
    daemon.await_said("cannot attach", 1);
    assert_eq!((daemon.status(), fixture.attached(&daemon)), (2, 0));
    fixture.send(15);
    fixture.expected.lost += 30;
    wait_until("what passes is told while it lasts", TIMEOUT, || daemon.export_node().lost == 30);
    fixture.namespace.command("tc qdisc del dev tun0 ingress");
    daemon.await_said("interface tun0: attached", 2);
    assert_eq!((daemon.status(), fixture.attached(&daemon)), (0, 1));
    fixture.counts(&daemon, 20);
    daemon.stop();
}

#[test]
fn a_filter_that_takes_the_place_of_ours_is_left_and_ours_put_before_it() {
    let mut fixture = Fixture::keeping("clsact");
    let daemon = fixture.start();
    fixture.counts(&daemon, 10);
    let pin = fixture.folder.path("bpf/other");
    Foreign::classifier(OK).pin(&pin);
    // Both before either is taken: the tap goes from both directions for a moment.
    let ways = ["ingress", "egress"].map(|way| (way, handle_of(&fixture.filters(way))));
    for (way, handle) in ways {
        let place = format!("dev tun0 {way} prio 1 handle {handle} bpf da");
        fixture.namespace.command(&format!("tc filter replace {place} object-pinned {}", pin.display()));
    }
    daemon.await_said("it is attached again", 1);
    wait_until("both stand again", TIMEOUT, || fixture.own_filters() == 2 && fixture.attached(&daemon) == 1);
    fixture.counts(&daemon, 10);
    let left = fixture.filters("ingress");
    assert!(left.find("blindmeter-") < left.find("other"), "{left}");
    daemon.stop();
    assert!(fixture.filters("ingress").contains("other"), "it is somebody else's");
}

#[test]
fn a_verdict_before_ours_is_passed() {
    for tap in HOOKS {
        for before_start in [true, false] {
            for verdict in [OK, GO_ON] {
                let mut fixture = Fixture::keeping(tap);
                let other = Foreign::classifier(verdict);
                let pin = fixture.folder.path("bpf/other");
                other.pin(&pin);
                let mut links = Vec::new();
                let mut put = |fixture: &Fixture| match tap {
                    "tcx" => {
                        let link = |ingress| other.link(&fixture.namespace, "tun0", ingress, true);
                        links.extend([true, false].map(link));
                    }
                    _ => {
                        if before_start {
                            fixture.namespace.command("tc qdisc add dev tun0 clsact");
                        }
                        for way in ["ingress", "egress"] {
                            fixture.namespace.command(&format!(
                                "tc filter add dev tun0 {way} prio 1 handle 7 bpf da object-pinned {}",
                                pin.display()
                            ));
                        }
                    }
                };
                if before_start {
                    put(&fixture);
                }
                let daemon = fixture.start();
                if !before_start {
                    fixture.counts(&daemon, 10);
                    put(&fixture);
                    let line = daemon.await_said("it is in front again", 1);
                    assert!(line.contains("interface tun0: "), "{line}");
                    let_pass(
                        Duration::from_millis(1200),
                        "one direction may have been looked at before the other",
                    );
                }
                assert_eq!((daemon.status(), fixture.attached(&daemon)), (0, 1));
                fixture.counts(&daemon, 10);
                daemon.stop();
            }
        }
    }
}

#[test]
fn one_who_insists_on_the_first_place_is_told_of_and_left() {
    let mut fixture = Fixture::new("tcx");
    let daemon = fixture.start();
    fixture.counts(&daemon, 10);
    let other = Foreign::classifier(OK);
    for round in 1..=5 {
        let link = other.link(&fixture.namespace, "tun0", true, true);
        daemon.await_said("it is in front again", round);
        drop(link);
    }
    let link = other.link(&fixture.namespace, "tun0", true, true);
    let line = daemon.await_said("before the tap stands", 1);
    assert!(line.contains("interface tun0: ") && line.contains("tcx program "), "{line}");
    assert_eq!((daemon.status(), fixture.attached(&daemon)), (2, 0));
    let status = fixture.command(&["status"]).stdout;
    assert!(status.contains("NOT ATTACHED; before it: tcx program "), "{status}");
    drop(link);
    daemon.await_said("nothing stands before the tap any more", 1);
    assert_eq!((daemon.status(), fixture.attached(&daemon)), (0, 1));
    fixture.counts(&daemon, 10);
    daemon.stop();
}

#[test]
fn a_priority_of_another_kind_is_named_and_not_touched() {
    for (kind, rest) in [
        ("u32", "match u32 0 0"),
        ("u32", "match u32 0 0 action mirred egress redirect dev tun1"),
        ("bpf", "da object-pinned OTHER"),
    ] {
        let mut fixture = Fixture::keeping("clsact");
        let _wire = Wire::make(&fixture.namespace, Kind::Tun, "tun1");
        let pin = fixture.folder.path("bpf/other");
        Foreign::classifier(OK).pin(&pin);
        fixture.namespace.command("tc qdisc add dev tun0 clsact");
        let rest = rest.replace("OTHER", &pin.display().to_string());
        fixture
            .namespace
            .command(&format!("tc filter add dev tun0 ingress protocol ip prio 1 {kind} {rest}"));
        let before = fixture.filters("ingress");
        let daemon = fixture.spawn(2);
        let line = daemon.await_said("before the tap stands", 1);
        assert!(line.contains(&format!("filter of kind {kind} and priority 1 ")), "{line}");
        assert!(line.contains("on the way in") && !line.contains("on the way out"), "{line}");
        assert_eq!(fixture.attached(&daemon), 0, "{kind}");
        assert!(fixture.filters("ingress").starts_with(before.trim_end()), "{kind}");
        fixture.namespace.command("tc filter del dev tun0 ingress prio 1");
        daemon.await_said("nothing stands before the tap any more", 1);
        assert_eq!((daemon.status(), fixture.attached(&daemon)), (0, 1));
        fixture.counts(&daemon, 10);
        daemon.stop();
    }
}

#[test]
fn a_link_that_somebody_detaches_is_made_anew() {
    let mut fixture = Fixture::keeping("tcx");
    let daemon = fixture.start();
    fixture.counts(&daemon, 10);
    for round in 1..=2 {
        let pins = fixture.folder.pins().into_iter().filter(|pin| pin.starts_with("link-"));
        pins.for_each(|pin| detach_link(&fixture.folder.path("bpf/blindmeter").join(pin)));
        daemon.await_said("it is attached again", round);
        assert_eq!((daemon.status(), fixture.attached(&daemon)), (0, 1));
        fixture.counts(&daemon, 10);
    }
    // What is pinned is what stands.
    daemon.kill();
    let daemon = fixture.start();
    fixture.counts(&daemon, 10);
    daemon.stop();
}

#[test]
fn an_xdp_program_is_named_since_nobody_can_stand_before_it() {
    for tap in ["tcx", "clsact", "ring"] {
        let mut fixture = Fixture::keeping(tap);
        let daemon = fixture.start();
        fixture.counts(&daemon, 10);
        for (round, verdict) in [XDP_PASS, XDP_DROP].into_iter().enumerate() {
            let pin = fixture.folder.path(&format!("bpf/xdp{verdict}"));
            Foreign::xdp(verdict).pin(&pin);
            fixture.namespace.command(&format!("ip link set tun0 xdpgeneric pinned {}", pin.display()));
            let line = daemon.await_said("before the tap stands XDP program ", round + 1);
            assert!(line.contains("interface tun0: "), "{line}");
            let status = fixture.command(&["status"]);
            assert!(status.stdout.contains("attached; before it: XDP program "), "{}", status.stdout);
            assert_eq!((status.code, fixture.attached(&daemon)), (Some(0), 1), "it may let everything pass");
            if verdict == XDP_PASS {
                fixture.counts(&daemon, 10);
            }
            fixture.namespace.command("ip link set tun0 xdpgeneric off");
            daemon.await_said("nothing stands before the tap any more", round + 1);
        }
        fixture.counts(&daemon, 10);
        daemon.stop();
    }
}

#[test]
fn the_helpers_death_ends_the_daemon_and_the_next_start_goes_on() {
    for tap in HOOKS {
        let mut fixture = Fixture::keeping(tap);
        for _ in 0..2 {
            let daemon = fixture.start();
            fixture.counts(&daemon, 20);
            daemon.kill_helper();
            let (code, last) = daemon.await_last_word();
            assert_eq!(code, Some(69), "{last}");
            assert!(last.contains("helper process") && last.contains("start the daemon again"), "{last}");
            // Nobody lives, and everything is counted.
            fixture.send(30);
            for way in [Way::Up, Way::Down] {
                fixture.expected.add(Some(0), way, 30, 30 * LENGTH as u64);
            }
        }
        let daemon = fixture.start();
        fixture.counts(&daemon, 20);
        daemon.stop();
        assert_eq!(fixture.own_filters(), 0);
    }
}

/// The handle of our filter in what `tc` lists.
fn handle_of(list: &str) -> String {
    let line = list.lines().find(|line| line.contains("blindmeter-")).expect("our filter is listed");
    let (_, rest) = line.split_once("handle ").expect("it has a handle");
    rest.split(' ').next().expect("a number").to_owned()
}

#[test]
fn a_bpffs_that_is_mounted_over_hinders_neither_a_running_daemon_nor_the_next() {
    for tap in HOOKS {
        let mut fixture = Fixture::keeping(tap);
        let bpf = fixture.folder.path("bpf").display().to_string();
        let (cover, uncover) = (format!("mount -t bpf bpf {bpf}"), format!("umount {bpf}"));
        fixture.folder.configure("[\"tun0\"]", "[\"tun0\", \"tun*\"]");
        let daemon = fixture.start();
        fixture.counts(&daemon, 10);
        support_command(&cover);
        // One that comes now is attached and kept as well.
        let late = Tun::open(&fixture.namespace, "tun7");
        wait_until("the device that came is counted", TIMEOUT, || {
            late.inject(&datagram(nobody(address(0), 1), nobody(address(0), 2), LENGTH));
            daemon.export_node().unattributed.up_packets > 0
        });
        daemon.stop();
        support_command(&uncover);
        assert_eq!(fixture.folder.pins(), Vec::<String>::new(), "{tap}: a stop leaves nothing");
        assert_eq!(fixture.own_filters(), 0);
        drop(late);
        // One that dies there leaves what the next one cannot find by its pins.
        let daemon = fixture.start();
        support_command(&cover);
        fixture.send(15);
        fixture.folder.await_saves(1);
        daemon.kill();
        let daemon = fixture.start();
        let node = daemon.export_node();
        let told = node.lost + node.attributed.up_packets + node.attributed.down_packets;
        assert!(told >= 30, "{tap}: what cannot be found is told: {told}");
        daemon.stop();
        assert_eq!(fixture.own_filters(), 0);
        let detached = fixture.command(&["detach", "--json"]);
        assert!(detached.stdout.contains("\"filtered_interfaces\":0,\"links\":0"), "{}", detached.stdout);
        support_command(&uncover);
        // In sight again they were told of, and are not counted for a second time.
        let (code, last) = Daemon::spawn_in(&fixture.namespace, &fixture.folder).await_last_word();
        assert!(
            code == Some(78) && last.contains("told as lost") && last.contains("blindmeter detach"),
            "{last}"
        );
        assert_eq!(fixture.command(&["detach"]).code, Some(0));
        assert_eq!(fixture.folder.pins(), Vec::<String>::new(), "{tap}");
        fixture.start().stop();
    }
}
