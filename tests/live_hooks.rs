//! What servers' hooks tell of real clients, and whose their bytes are then: ocserv, strongSwan and the scripts of pppd
//! in namespaces, both families, both directions; what the ledger holds beside what the devices themselves counted.

#![expect(clippy::disallowed_methods, reason = "epochs follow the wall clock, and so do log-ins here")]

#[path = "live_hooks/hosts/mod.rs"]
mod hosts;
mod netns;
#[path = "live_hooks/ocserv.rs"]
mod ocserv;
#[path = "live_hooks/strongswan.rs"]
mod strongswan;
mod support;
#[path = "live_hooks/vici.rs"]
mod vici;

use std::sync::Arc;
use std::time::Duration;

use netns::DeviceCounters;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::tally::Totals;
use support::memory::{found, found_in_files};
use support::wait::{let_pass, wait_for};

/// An MLDv2 report of one group: header, hop-by-hop options, the report and its record.
const REPORT_BYTES: u64 = 40 + 8 + 8 + 20;

/// The files of a daemon on these devices.
fn folder(backend: &'static str, interface: &'static str, pools: &[&'static str]) -> Arc<Folder> {
    let setup = Setup { backend, interfaces: vec![interface], pools: pools.to_vec(), roster: String::new() };
    Folder::forgetful(&setup)
}

/// How long the kernel goes on joining groups on a device that has come (RFC 3810: reports within a second, twice).
const CHATTER: Duration = Duration::from_millis(2_500);

/// All that accounts hold is what their clients moved, and all together are what the devices counted but for
/// packets of their own: the reports of multicast groups with which the kernel greets a new device, which no account
/// sends or gets and which are counted apart, each of them.
fn assert_exact(daemon: &Daemon, devices: &dyn Fn() -> Vec<DeviceCounters>, expected: &[(&str, Totals)]) {
    let all = expected.iter().fold(Totals::default(), |all, (_, totals)| all.plus(*totals));
    let_pass(CHATTER, "reports of groups");
    let node = daemon.await_packets(all.packets());
    for (account, totals) in expected {
        assert_eq!(daemon.export(account), *totals, "{account}");
    }
    assert_eq!(
        (node.attributed, node.unattributed, node.malformed, node.not_ip),
        (all, Totals::default(), 0, 0)
    );
    let devices = devices();
    let sum = |count: fn(&DeviceCounters) -> u64| devices.iter().map(count).sum::<u64>();
    assert_eq!(node.attributed.up_bytes, sum(|device| device.rx_bytes));
    assert_eq!(node.attributed.up_packets, sum(|device| device.rx_packets));
    let reports = sum(|device| device.tx_packets) - node.attributed.down_packets;
    assert_eq!(sum(|device| device.tx_bytes) - node.attributed.down_bytes, reports * REPORT_BYTES);
    // At the most one of a device was sent before the tap was there, and may have been told as lost.
    let early = reports.checked_sub(node.link).expect("no report is counted twice");
    assert!(early.max(node.lost) <= devices.len() as u64, "{reports} reports: {node:?}");
}

#[test]
fn by_ocservs_hook_what_accounts_hold_is_what_the_devices_counted() {
    for backend in ["ring", "tcx"] {
        let folder = folder(backend, "vpns*", &["10.87.0.0/24"]);
        let mut server = ocserv::Server::new(3, ocserv::BOTH, &folder.path("control.sock"));
        let daemon = Daemon::start_in(&server.hosts.server, &folder);
        server.give("bob", Some(7));
        // Two devices of one account, and another account.
        let (first, second) = (server.connect(0, "alice"), server.connect(1, "alice"));
        let other = server.connect(2, "bob");
        let mut alice = server.talk(&first, 3).plus(server.talk(&second, 5));
        let mut bob = server.talk(&other, 4);
        let live = || [&first, &second, &other].map(|connection| server.counters(connection)).to_vec();
        assert_exact(&daemon, &live, &[("alice", alice), ("bob", bob)]);
        // Both of the first account's go, one comes back, and a log-in fails; then bob's addresses are alice's.
        let mut gone = live();
        for connection in [first, second, other] {
            server.disconnect(connection);
        }
        let again = server.connect(1, "alice");
        server.fail(0, "bob");
        alice = alice.plus(server.talk(&again, 2));
        gone.push(server.counters(&again));
        server.disconnect(again);
        server.give("bob", Some(8));
        server.give("alice", Some(7));
        let (passed, other) = (server.connect(0, "alice"), server.connect(2, "bob"));
        assert_eq!(passed.addresses, ["10.87.0.7", "fd87::7"], "the other one's of before");
        alice = alice.plus(server.talk(&passed, 6));
        bob = bob.plus(server.talk(&other, 1));
        let all = || {
            let live = [&passed, &other].map(|connection| server.counters(connection));
            gone.iter().copied().chain(live).collect()
        };
        assert_exact(&daemon, &all, &[("alice", alice), ("bob", bob)]);
        assert!(server.hosts.read("told").lines().all(|line| line.ends_with(" 0")), "a hook ends with 0");
        let said = daemon.stop();
        for word in ["10.87", "fd87", "192.0", "alice", "bob", "vpns0"] {
            assert!(!said.contains(word), "{word} is in the log: {said}");
        }
    }
}

/// A client that has lost its network comes again, and its new connection takes the old one's place. The server runs
/// both scripts at once: here that of the old one's end comes last.
#[test]
fn the_late_end_of_a_dead_connection_takes_nothing_from_the_living_one() {
    let folder = folder("ring", "vpns*", &["10.87.0.0/24"]);
    let mut server = ocserv::Server::new(1, ocserv::BOTH, &folder.path("control.sock"));
    let daemon = Daemon::start_in(&server.hosts.server, &folder);
    let cookie = server.cookie(0, "alice");
    let dead = server.connect_again(0, "alice", &cookie);
    let mut alice = server.talk(&dead, 2);
    server.delay("disconnect");
    let living = server.connect_again(0, "alice", &cookie);
    assert_eq!((&living.addresses, living.device == dead.device), (&dead.addresses, false));
    server.hosts.await_lines("told", "disconnect alice", 1);
    let order: Vec<String> = server
        .hosts
        .read("told")
        .lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    assert_eq!(
        order.iter().filter(|reason| *reason != "host-update").collect::<Vec<_>>(),
        ["connect", "connect", "disconnect"]
    );
    drop(dead);
    alice = alice.plus(server.talk(&living, 5));
    daemon.await_packets(alice.packets());
    assert_eq!((daemon.export("alice"), daemon.export_node().unattributed), (alice, Totals::default()));
    // And its own end takes them away.
    server.disconnect(living);
    let unassigned = daemon.command(&["roster", "unassign", "10.87.0.7"]);
    assert_eq!(unassigned.code, Some(2), "it is nobody's any more");
}

/// A server of IPv6 alone names the address in one variable of two.
#[test]
fn a_client_with_ipv6_alone_has_its_account() {
    let folder = folder("tcx", "vpns*", &[]);
    let networks = "ipv6-network = fd87::/64\nipv6-subnet-prefix = 128";
    let mut server = ocserv::Server::new(1, networks, &folder.path("control.sock"));
    let daemon = Daemon::start_in(&server.hosts.server, &folder);
    let client = server.connect(0, "alice");
    assert_eq!(client.addresses[0], "");
    let alice = server.talk(&client, 7);
    assert_exact(&daemon, &|| vec![server.counters(&client)], &[("alice", alice)]);
}

/// Two devices of one account by their key, one of another account by the name that it logs in with; a rekeying, which
/// nobody tells of; an address that passes to a third account.
#[test]
fn by_strongswans_hook_what_accounts_hold_is_what_the_device_counted() {
    for backend in ["ring", "tcx"] {
        let folder = folder(backend, strongswan::DEVICE, &["10.86.0.0/24"]);
        let server = strongswan::Server::new(3, 3, "never", &folder.path("control.sock"));
        let_pass(CHATTER, "reports of groups");
        let daemon = Daemon::start_in(&server.hosts.server, &folder);
        let before = server.counters();
        let (first, second, phone) =
            (server.connect(0, "alice"), server.connect(1, "alice"), server.connect(2, "phone"));
        let mut alice = server.talk(&first, 3).plus(server.talk(&second, 5));
        let mut bob = server.talk(&phone, 4);
        server.rekey(&second);
        alice = alice.plus(server.talk(&second, 2));
        server.disconnect(&second);
        assert!(
            server.numbers("down-client").last() > server.numbers("up-client").last(),
            "it has another number"
        );
        assert_eq!(daemon.command(&["roster", "unassign", &second.addresses[0]]).code, Some(2), "nobody's");
        let third = server.connect(1, "carol");
        assert_eq!(third.addresses, second.addresses, "another's of before");
        let carol = server.talk(&third, 6);
        server.disconnect(&first);
        let first = server.connect(0, "alice");
        alice = alice.plus(server.talk(&first, 1));
        bob = bob.plus(server.talk(&phone, 1));
        let device = || {
            let now = server.counters();
            vec![DeviceCounters {
                rx_bytes: now.rx_bytes - before.rx_bytes,
                rx_packets: now.rx_packets - before.rx_packets,
                tx_bytes: now.tx_bytes - before.tx_bytes,
                tx_packets: now.tx_packets - before.tx_packets,
                ..now
            }]
        };
        assert_exact(&daemon, &device, &[("alice", alice), ("bob", bob), ("carol", carol)]);
        assert!(server.hosts.read("told").lines().all(|line| line.ends_with(" 0")), "a hook ends with 0");
        let said = daemon.stop();
        for word in ["10.86", "fd86", "192.0", "alice", "bob", "carol"] {
            assert!(!said.contains(word), "{word} is in the log: {said}");
        }
    }
}

/// A client whose daemon was killed comes again, and says nothing of its last connection: the server replaces that, and
/// gives it up later, when nobody answers there.
#[test]
fn the_late_end_of_a_replaced_connection_takes_nothing_from_the_living_one() {
    let folder = folder("tcx", strongswan::DEVICE, &["10.86.0.0/24"]);
    let mut server = strongswan::Server::new(1, 1, "replace", &folder.path("control.sock"));
    let daemon = Daemon::start_in(&server.hosts.server, &folder);
    let dead = server.connect(0, "alice");
    let mut alice = server.talk(&dead, 2);
    server.lose(0);
    let living = server.connect(0, "alice");
    assert_eq!(living.addresses, dead.addresses);
    println!("{}", server.hosts.read("told"));
    wait_for("the server gives the dead one up", || (server.told("down-client") >= 2).then_some(()));
    println!("{}", server.hosts.read("told"));
    assert_eq!(server.told("up-client"), 4);
    alice = alice.plus(server.talk(&living, 5));
    daemon.await_packets(alice.packets());
    assert_eq!((daemon.export("alice"), daemon.export_node().unattributed), (alice, Totals::default()));
}

/// Told by PAM, as the page of ocserv has it: in the release of the epoch, and in nothing else before or after.
#[test]
fn a_failed_log_in_is_in_the_release_of_its_epoch_and_nowhere_else() {
    let setup = Setup { backend: "tcx", interfaces: vec!["vpns*"], pools: vec![], roster: String::new() };
    let folder = Folder::keeping(&setup, "12s");
    let server = ocserv::Server::with_pam(&folder.path("control.sock"));
    let daemon = Daemon::start_in(&server.hosts.server, &folder);
    let shown = || {
        let page = daemon.metrics(&server.hosts.server);
        let line = page.lines().find_map(|line| line.strip_prefix("blindmeter_epoch_failed_attempts "));
        line.and_then(|count| count.parse::<u64>().ok()).expect("the series")
    };
    let status = || daemon.answer(&["status", "--json"]);
    // At the beginning of an epoch.
    let seconds =
        || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let start = seconds() / 12 + 1;
    wait_for("the next epoch", || (seconds() / 12 >= start).then_some(()));
    // One real log-in that fails shows that the lines of the page work; a step of the series is 64.
    server.fail(0, "mallory");
    let mut command = std::process::Command::new(netns::daemon::PROGRAM);
    command.args(["hook", "--socket"]).arg(folder.path("control.sock")).arg("failed").env_clear();
    let (before, counts) = (status(), daemon.answer(&["roster", "counts", "--json"]));
    for _ in 0..63 {
        assert!(command.status().is_ok_and(|status| status.success()));
    }
    assert_eq!((daemon.answer(&["roster", "counts", "--json"]), shown()), (counts, 0), "before the release");
    let after = status();
    for part in ["accounts", "hooks_unanswered", "hooks_refused", "conflicts", "sources"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    wait_for("the release of the epoch", || (shown() == 64).then_some(()));
    wait_for("the release after it", || (shown() == 0).then_some(()));
    let said = daemon.stop();
    assert!(!said.contains("mallory") && !said.contains("fail"), "{said}");
}

/// What ocserv tells its script, one second later: in the memory of the daemon and its helper, in its files and in its log
/// there is nothing of it. The server's own memory has it, which is the control.
#[test]
fn names_and_real_addresses_of_clients_are_nowhere_a_second_after_they_were_told() {
    let folder = folder("tcx", "vpns*", &["10.87.0.0/24"]);
    let mut server = ocserv::Server::new(1, ocserv::BOTH, &folder.path("control.sock"));
    let daemon = Daemon::start_in(&server.hosts.server, &folder);
    let client = server.connect(0, "alice");
    let alice = server.talk(&client, 3);
    daemon.await_packets(alice.packets());
    let_pass(Duration::from_millis(1_200), "what is promised of names");
    let addresses = client.addresses.clone();
    let needles = ["alice", "192.0.2.2", "AnyConnect VPN Agent", &addresses[0], &addresses[1]];
    let processes = [daemon.id()].into_iter().chain(daemon.children().into_iter().map(|(id, _)| id));
    let seen: Vec<Vec<usize>> = processes.map(|process| found(process, &needles)).collect();
    assert!(seen.len() > 1 && seen.iter().flatten().all(|count| *count == 0), "{seen:?}");
    assert_eq!(found_in_files(&folder.path(""), &needles), [0; 5], "in the daemon's files");
    let of_server = found(server.process(), &needles[..2]);
    assert!(of_server[0] > 0, "the control: the server's memory has the name: {of_server:?}");
    assert!(found(daemon.id(), &[&folder.path("control.sock").display().to_string()])[0] > 0, "the control");
    server.disconnect(client);
    let said = daemon.stop();
    assert!(needles.iter().all(|needle| !said.contains(needle)), "{said}");
}
