//! Servers whose tunnels the kernel makes, and what they tell of real clients: pppd over a line of its own, and behind
//! xl2tpd; libreswan; the kernel's WireGuard. The kernel must have PPP, L2TP, ESP and WireGuard: `tests/kernel/servers`
//! runs these on Debian 12's.

#[path = "live_hooks/hosts/mod.rs"]
mod hosts;
#[path = "live_tunnels/libreswan.rs"]
mod libreswan;
mod netns;
#[path = "live_tunnels/pppd.rs"]
mod pppd;
mod support;
#[path = "live_tunnels/wireguard.rs"]
mod wireguard;

use std::sync::Arc;
use std::time::Duration;

use netns::DeviceCounters;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::tally::Totals;
use support::wait::let_pass;

/// The files of a daemon on these devices.
fn folder(backend: &'static str, interface: &'static str, pools: &[&'static str]) -> Arc<Folder> {
    let setup = Setup { backend, interfaces: vec![interface], pools: pools.to_vec(), roster: String::new() };
    Folder::forgetful(&setup)
}

/// All that accounts hold is what their clients moved, and all together are what the devices counted.
fn assert_exact(daemon: &Daemon, devices: &[DeviceCounters], expected: &[(&str, Totals)]) {
    let all = expected.iter().fold(Totals::default(), |all, (_, totals)| all.plus(*totals));
    let node = daemon.await_packets(all.packets());
    for (account, totals) in expected {
        assert_eq!(daemon.export(account), *totals, "{account}, {node:?}");
    }
    assert_eq!((node.attributed, node.unattributed.packets(), node.malformed, node.lost), (all, 0, 0, 0));
    let sum = |count: fn(&DeviceCounters) -> u64| devices.iter().map(count).sum::<u64>();
    assert_eq!((all.up_bytes, all.down_bytes), (sum(|of| of.rx_bytes), sum(|of| of.tx_bytes)));
    assert_eq!((all.up_packets, all.down_packets), (sum(|of| of.rx_packets), sum(|of| of.tx_packets)));
}

/// The story of pppd's peers, whoever starts it: two devices of one account, one of another, an address that passes
/// to a third account.
fn story(line: pppd::Line) {
    for backend in ["ring", "clsact"] {
        let folder = folder(backend, "ppp*", &["10.85.0.0/24"]);
        let mut server = pppd::Server::new(3, line, &folder.path("control.sock"));
        let daemon = Daemon::start_in(&server.hosts.server, &folder);
        let (first, second) = (server.connect(0, "alice"), server.connect(1, "alice"));
        let other = server.connect(2, "bob");
        let (mut alice, bob) = (server.talk(&first, 3).plus(server.talk(&second, 5)), server.talk(&other, 4));
        let mut devices = [&first, &second, &other].map(|one| server.counters(one)).to_vec();
        assert_exact(&daemon, &devices, &[("alice", alice), ("bob", bob)]);
        let passed = second.address.clone();
        server.disconnect(second);
        assert_eq!(daemon.command(&["roster", "unassign", &passed]).code, Some(2), "nobody's");
        let third = server.connect(1, "carol");
        assert_eq!(third.address, passed, "another's of before");
        let carol = server.talk(&third, 6);
        devices.push(server.counters(&third));
        devices.remove(0);
        alice = alice.plus(server.talk(&first, 2));
        devices.push(server.counters(&first));
        assert_exact(&daemon, &devices, &[("alice", alice), ("bob", bob), ("carol", carol)]);
        let said = daemon.stop();
        for word in ["10.85", "192.0", "alice", "bob", "carol", "ppp0"] {
            assert!(!said.contains(word), "{word} is in the log: {said}");
        }
    }
}

#[test]
fn by_pppds_scripts_what_accounts_hold_is_what_the_devices_counted() {
    story(pppd::Line::Pty);
}

#[test]
fn behind_xl2tpd_what_accounts_hold_is_what_the_devices_counted() {
    story(pppd::Line::L2tp);
}

/// By libreswan's script, which the page has call libreswan's own first: a client, and another account at the address
/// that it had. The kernel's own counts of the XFRM interface are what the two hold together.
#[test]
fn by_libreswans_script_what_accounts_hold_is_what_the_device_counted() {
    let folder = folder("clsact", "ipsec*", &["10.84.0.0/24"]);
    let server = libreswan::Server::new(&["alice", "carol"], &folder.path("control.sock"));
    let daemon = Daemon::start_in(&server.hosts.server, &folder);
    server.connect("alice");
    let alice = server.talk(7);
    let before = server.counters();
    assert_exact(&daemon, &[before], &[("@alice", alice)]);
    server.disconnect("alice");
    assert_eq!(daemon.command(&["roster", "unassign", libreswan::ADDRESS]).code, Some(2), "nobody's");
    daemon.stop();
    // And by the other tap.
    folder.configure("backend = \"kernel\"", "backend = \"ring\"");
    let daemon = Daemon::start_in(&server.hosts.server, &folder);
    server.connect("carol");
    let carol = server.talk(5);
    let now = server.counters();
    let counted = DeviceCounters {
        rx_bytes: now.rx_bytes - before.rx_bytes,
        rx_packets: now.rx_packets - before.rx_packets,
        tx_bytes: now.tx_bytes - before.tx_bytes,
        tx_packets: now.tx_packets - before.tx_packets,
        ..now
    };
    assert_exact(&daemon, &[counted], &[("@carol", carol)]);
    let said = daemon.stop();
    for word in ["10.84", "192.0", "alice", "carol"] {
        assert!(!said.contains(word), "{word} is in the log: {said}");
    }
}

/// pppd with both families: of IPv6 it knows the address of the link alone, whose end ends nothing of IPv4. The prefix
/// that somebody else hands out is the account's by the roster file, as the page says.
#[test]
fn of_pppd_with_ipv6_the_roster_file_names_the_prefix() {
    let folder = folder("ring", "ppp*", &["10.85.0.0/24"]);
    let mut server = pppd::Server::of_both_families(&folder.path("control.sock"));
    std::fs::write(folder.path("roster.csv"), "prefix,account\nfd85:0:0:2::/64,alice\n").expect("ours");
    let daemon = Daemon::start_in(&server.hosts.server, &folder);
    let mut client = server.connect(0, "alice");
    server.await_ipv6();
    let mut alice = server.talk(&client, 3);
    server.hand_out(&mut client, "fd85:0:0:2::7");
    alice = alice.plus(server.talk(&client, 4));
    let node = daemon.await_packets(alice.packets());
    assert_eq!(
        (daemon.export("alice"), node.attributed, node.unattributed),
        (alice, alice, Totals::default())
    );
    let address = client.address.clone();
    server.disconnect(client);
    assert_eq!(daemon.command(&["roster", "unassign", &address]).code, Some(2), "nobody's");
    let said = daemon.stop();
    for word in ["10.85", "fd85", "fe80", "alice", "ppp0"] {
        assert!(!said.contains(word), "{word} is in the log: {said}");
    }
}

/// The kernel's own WireGuard, with more peers than a message holds: all are listed, and what the accounts hold is what
/// their clients moved, with a peer that is taken out and put back. The device itself counts what WireGuard makes of that.
#[test]
fn by_the_kernels_wireguard_what_accounts_hold_is_what_the_device_counted() {
    let folder = folder("clsact", wireguard::DEVICE, &["10.83.0.0/24"]);
    let server = wireguard::Server::new(2);
    let table = format!(
        "[[roster.wireguard]]\ninterface = \"{}\"\npoll = \"1s\"\naccounts = \"{}\"\n[control]",
        wireguard::DEVICE,
        folder.path("peers.csv").display()
    );
    folder.configure("[control]", &table);
    // Whoever else is there has an account too.
    let names = server.keys.iter().zip(["alice", "bob"]).map(|(key, name)| format!("{key},{name}\n"));
    let rows: String = names.chain(server.others().into_iter().map(|key| format!("{key},carol\n"))).collect();
    std::fs::write(folder.path("peers.csv"), format!("public_key,account\n{rows}")).expect("ours");
    let daemon = Daemon::start_in(&server.hosts.server, &folder);
    let counts = daemon.answer(&["roster", "counts", "--json"]);
    let prefixes = u64::from(wireguard::OTHERS * wireguard::ADDRESSES) + 4;
    assert_eq!(counts["sources"][1]["prefixes"], prefixes.next_multiple_of(8), "{counts}");
    let (mut alice, bob) = (server.talk(0, 5), server.talk(1, 3));
    let assert_held = |alice: Totals| {
        let all = alice.plus(bob);
        let node = daemon.await_packets(all.packets());
        assert_eq!((daemon.export("alice"), daemon.export("bob")), (alice, bob));
        assert_eq!((node.attributed, node.unattributed.packets(), node.malformed, node.lost), (all, 0, 0, 0));
        server.assert_explained();
    };
    assert_held(alice);
    server.remove(0);
    let_pass(Duration::from_millis(1_500), "a poll misses the peer");
    server.admit(0);
    let_pass(Duration::from_secs(3), "a poll finds it");
    alice = alice.plus(server.talk(0, 4));
    assert_held(alice);
    let said = daemon.stop();
    for word in ["10.83", "fd83", "192.0", "alice", "bob", &server.keys[0]] {
        assert!(!said.contains(word), "{word} is in the log: {said}");
    }
}
