//! What an interface is called and what it stands on: another name is as good as the name, what would be
//! counted twice is said, and the loopback interface keeps no glob from being whole.

mod netns;
mod support;
#[path = "live_names/two_places.rs"]
mod two_places;

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::tally::name;
use netns::tun::Tun;
use netns::wire::nobody;
use support::frames::{Address, datagram};
use support::wait::{TIMEOUT, wait_until};

const PACKETS: u64 = 20;

#[test]
fn another_name_of_an_interface_is_as_good_as_its_name() {
    for tap in ["ring", "tcx"] {
        let namespace = Namespace::new();
        let tun = Tun::open(&namespace, "tun0");
        let daemon = Daemon::start_degraded(&namespace, &setup(tap, &["vpn-main-of-this-node"]));
        namespace.command("ip link property add dev tun0 altname vpn-main-of-this-node");
        daemon.await_status(0);
        (0..PACKETS).for_each(|_| tun.inject(&packet()));
        assert_eq!(daemon.await_packets(PACKETS).attributed.up_packets, PACKETS, "{tap}");
        let page = daemon.metrics(&namespace);
        assert!(page.contains("blindmeter_tap_attached{interface=\"vpn-main-of-this-node\"} 1"), "{page}");
        namespace.command("ip link property del dev tun0 altname vpn-main-of-this-node");
        daemon.await_status(2);
        let said = daemon.stop();
        assert!(said.contains("interface vpn-main-of-this-node: gone"), "{said}");
    }
}

/// Whatever the kernel takes for a name: each is counted, and a scraper reads each label back.
#[test]
fn an_interface_may_have_any_name_that_the_kernel_takes() {
    for (device, named) in [
        ("wg\"0", "wg\"0"),
        ("wg\\0", "wg\\0"),
        ("..wg", "..wg"),
        ("tun{0}", "tun{0}"),
        ("w[0]", "w[0]"),
        ("wg0.100", "wg0.100"),
        ("wg0@x", "wg0@x"),
        // Outside ASCII a glob alone names it.
        ("t\u{fc}0", "t*"),
    ] {
        let namespace = Namespace::new();
        let tun = Tun::open(&namespace, device);
        let daemon = Daemon::start(&namespace, &setup("tcx", &[named]));
        (0..PACKETS).for_each(|_| tun.inject(&packet()));
        assert_eq!(daemon.await_packets(PACKETS).attributed.up_packets, PACKETS, "{device}");
        let label = named.replace('\\', "\\\\").replace('"', "\\\"");
        let series = format!("\nblindmeter_tap_attached{{interface=\"{label}\"}} 1\n");
        let page = daemon.metrics(&namespace);
        assert!(page.contains(&series), "{series}: {page}");
        daemon.stop();
    }
}

#[test]
fn a_bridge_and_its_port_are_said_to_be_counted_twice() {
    let namespace = Namespace::new();
    bridge(&namespace);
    let setup = setup("ring", &["port0", "br0", "macv*"]);
    let folder = Folder::forgetful(&setup);
    let text = "port0 is below br0";
    let found = folder.command_in(&namespace, &["check"]);
    assert!(found.code == Some(0) && found.stderr.contains(text), "{}{}", found.stdout, found.stderr);
    let found = folder.command_in(&namespace, &["run", "--dry-run"]);
    assert!(found.stderr.contains(text), "{}{}", found.stdout, found.stderr);
    let daemon = Daemon::start_in(&namespace, &folder);
    let status = daemon.answer(&["status", "--json"]);
    let twice = status["counted_twice"].as_array().expect("a list");
    assert!(twice.len() == 1 && twice[0].as_str().is_some_and(|what| what.contains(text)), "{status}");
    assert!(twice[0].as_str().is_some_and(|what| what.contains("keep one of them")), "with what to do");
    assert!(daemon.command(&["status"]).stdout.contains(text));
    // It is told while it lasts.
    namespace.command("ip link set port0 nomaster");
    wait_until("it is over", TIMEOUT, || {
        daemon.answer(&["status", "--json"])["counted_twice"].as_array().is_some_and(Vec::is_empty)
    });
    let said = daemon.stop();
    assert_eq!(said.matches(text).count(), 1, "{said}");
}

#[test]
fn a_macvlan_and_what_it_is_on_are_said_to_be_counted_twice_by_a_glob() {
    let namespace = Namespace::new();
    namespace.command("ip link add port0 type veth peer name far0");
    namespace.command("ip link add link port0 name macv7 type macvlan");
    let daemon = Daemon::start(&namespace, &setup("ring", &["port0", "macv*"]));
    let status = daemon.command(&["status"]).stdout;
    assert!(status.contains("port0 is below macv*"), "{status}");
    assert!(!daemon.stop().contains("macv7"), "what a glob alone matches is not named");
}

#[test]
fn a_glob_is_whole_without_the_loopback_interface() {
    let namespace = Namespace::new();
    let tun = Tun::open(&namespace, "tun0");
    let daemon = Daemon::start(&namespace, &setup("ring", &["*"]));
    assert!(daemon.metrics(&namespace).contains("blindmeter_tap_attached{interface=\"*\"} 1"));
    (0..PACKETS).for_each(|_| tun.inject(&packet()));
    assert_eq!(daemon.await_packets(PACKETS).attributed.up_packets, PACKETS);
    let said = daemon.stop();
    assert!(!said.contains("link type"), "{said}");
}

fn bridge(namespace: &Namespace) {
    namespace.command("ip link add port0 type veth peer name far0");
    namespace.command("ip link add br0 type bridge");
    namespace.command("ip link set port0 master br0");
}

fn setup(tap: &'static str, interfaces: &[&'static str]) -> Setup {
    let roster = format!("{},{}\n", address().text(), name(0));
    Setup { backend: tap, interfaces: interfaces.to_vec(), pools: vec!["10.8.0.0/24"], roster }
}

fn packet() -> Vec<u8> {
    datagram(address(), nobody(address(), 1), 150)
}

fn address() -> Address {
    Address::v4(0x0a08_0001)
}
