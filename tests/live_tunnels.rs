//! Servers whose tunnels the kernel makes, and what their hooks tell of real clients: pppd over a line of its own, and
//! behind xl2tpd; libreswan. The kernel must have PPP, L2TP and ESP: `tests/kernel/servers` runs these on Debian 12's.

#[path = "live_hooks/hosts/mod.rs"]
mod hosts;
mod netns;
#[path = "live_tunnels/pppd.rs"]
mod pppd;
mod support;

use std::sync::Arc;

use netns::DeviceCounters;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::tally::Totals;

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
        assert_eq!(daemon.export(account), *totals, "{account}");
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
