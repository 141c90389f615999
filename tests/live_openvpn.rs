//! Who the clients of a running OpenVPN server are, and whose their bytes: Debian's openvpn in namespaces, by its
//! status file and by its hook; what the ledger holds beside what the device itself counted.

mod netns;
#[path = "live_openvpn/server.rs"]
mod server;
mod support;

use netns::daemon::{Daemon, PROGRAM, Setup};
use netns::folder::Folder;
use netns::tally::Totals;
use server::{DEVICE, Server};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use support::memory::{found, found_in_files};
use support::wait::{let_pass, wait_for};

/// Longer than the server's writing each second and the daemon's reading each second.
const READ: Duration = Duration::from_millis(2_600);

/// A daemon on the server's device; `table` stands before its table of the control socket.
fn daemon(server: &Server, backend: &'static str, table: &str) -> (Daemon, Arc<Folder>) {
    let pools = vec!["10.89.0.0/24"];
    let setup = Setup { backend, interfaces: vec![DEVICE], pools, roster: String::new() };
    let folder = Folder::forgetful(&setup);
    folder.configure("[control]", &format!("{table}[control]"));
    (Daemon::start_in(&server.namespace, &folder), folder)
}

fn status_table(server: &Server) -> String {
    let status = server.path("status");
    format!("[[roster.openvpn]]\nstatus = \"{}\"\npoll = \"1s\"\ngrace = 1\n", status.display())
}

/// All that accounts hold is what their clients moved, and all together are what the device counted.
fn assert_exact(server: &Server, daemon: &Daemon, expected: &[(&str, Totals)]) {
    let all = expected.iter().fold(Totals::default(), |all, (_, totals)| all.plus(*totals));
    let node = daemon.await_packets(all.packets());
    for (account, totals) in expected {
        assert_eq!(daemon.export(account), *totals, "{account}");
    }
    assert_eq!((node.attributed, node.unattributed.packets(), node.lost, node.malformed), (all, 0, 0, 0));
    let device = server.counters();
    assert_eq!((node.attributed.up_bytes, node.attributed.down_bytes), (device.rx_bytes, device.tx_bytes));
    assert_eq!(
        (node.attributed.up_packets, node.attributed.down_packets),
        (device.rx_packets, device.tx_packets)
    );
}

#[test]
fn by_the_status_file_what_accounts_hold_is_what_the_device_counted() {
    for backend in ["ring", "tcx"] {
        let mut server = Server::new(&["alice", "bob smith"], "");
        server.connect(0);
        server.connect(1);
        let_pass(READ, "the status file names them");
        let (daemon, _folder) = daemon(&server, backend, &status_table(&server));
        let (mut alice, mut bob) = (server.talk(0, 2, 7), server.talk(1, 3, 4));
        assert_exact(&server, &daemon, &[("alice", alice), ("bob%20smith", bob)]);

        // The first client's addresses pass to the second one's account.
        server.disconnect(0);
        server.disconnect(1);
        server.give_addresses(&[("alice", 9), ("bob smith", 2)]);
        server.connect(1);
        let_pass(READ, "the status file has the new owner");
        bob = bob.plus(server.talk(1, 2, 5));
        assert_exact(&server, &daemon, &[("alice", alice), ("bob%20smith", bob)]);
        server.connect(0);
        let_pass(READ, "the status file names the first again");
        alice = alice.plus(server.talk(0, 9, 3));
        assert_exact(&server, &daemon, &[("alice", alice), ("bob%20smith", bob)]);

        let said = daemon.stop();
        for word in ["10.89", "fd89", "192.0", "alice", "bob"] {
            assert!(!said.contains(word), "{word} is in the log: {said}");
        }
    }
}

#[test]
fn a_file_that_is_gone_or_cut_off_takes_nothing_away_and_is_told_once() {
    let mut server = Server::new(&["alice"], "");
    server.connect(0);
    let_pass(READ, "the status file names the client");
    let (daemon, _folder) = daemon(&server, "ring", &status_table(&server));
    let shows = |server: &Server, is_up: u8| {
        let row = format!("blindmeter_roster_source_up{{source=\"openvpn\"}} {is_up}\n");
        daemon.metrics(&server.namespace).contains(&row)
    };
    assert!(shows(&server, 1));
    let status = server.path("status");
    let whole = fs::read_to_string(server.path("status")).expect("the server has written it");
    // The server ends; somebody cuts its file off, then puts it back.
    server.stop();
    fs::write(&status, &whole[..whole.len() - 4]).expect("a file of our own");
    wait_for("it is noticed", || shows(&server, 0).then_some(()));
    assert_eq!(daemon.command(&["status"]).code, Some(2));
    let_pass(READ, "it is read again");
    fs::remove_file(&status).expect("a file of our own");
    let_pass(READ, "it is looked for");
    fs::write(&status, &whole).expect("a file of our own");
    wait_for("it is read again", || shows(&server, 1).then_some(()));
    let counts = daemon.answer(&["roster", "counts", "--json"]);
    assert_eq!(counts["sources"].to_string().matches("openvpn").count(), 1, "{counts}");
    let said = daemon.stop();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("openvpn")).collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].contains("breaks off"), "{said}");
}

#[test]
fn by_the_hook_what_accounts_hold_is_what_the_device_counted() {
    let mut server = Server::new(&["alice", "bob smith"], "learn-address FOLDER/learn");
    let (daemon, folder) = daemon(&server, "tcx", "");
    let socket = folder.path("control.sock");
    server.write_script(&format!("exec {PROGRAM} hook --socket {} openvpn \"$@\"", socket.display()));
    server.connect(0);
    server.connect(1);
    let (alice, mut bob) = (server.talk(0, 2, 7), server.talk(1, 3, 4));
    assert_exact(&server, &daemon, &[("alice", alice), ("bob%20smith", bob)]);
    // The server learns that they are gone, and tells.
    server.disconnect(0);
    server.disconnect(1);
    server.give_addresses(&[("alice", 9), ("bob smith", 2)]);
    server.connect(1);
    bob = bob.plus(server.talk(1, 2, 5));
    assert_exact(&server, &daemon, &[("alice", alice), ("bob%20smith", bob)]);
}

/// What the server tells of its clients, by both ways, and where it must not be a second later: in the memory of the daemon
/// and its helper, in its files, in its log. The server's own memory and status file have it, which is the control.
#[test]
fn names_and_real_addresses_of_clients_are_nowhere_a_second_after_they_were_told() {
    let mut server = Server::new(&["alice-needle", "bob-needle"], "learn-address FOLDER/learn");
    let (daemon, folder) = daemon(&server, "tcx", &status_table(&server));
    let socket = folder.path("control.sock");
    server.write_script(&format!("exec {PROGRAM} hook --socket {} openvpn \"$@\"", socket.display()));
    for client in [0, 1, 0] {
        server.disconnect(client);
        server.connect(client);
        let_pass(READ, "the status file is read, and a second passes");
    }
    let (alice, bob) = (server.talk(0, 2, 3), server.talk(1, 3, 2));
    daemon.await_packets(alice.packets() + bob.packets());
    let needles = ["alice-needle", "bob-needle", "192.0.2.2", "192.0.3.2"];
    let status = fs::read_to_string(server.path("status")).expect("the server writes it");
    let since = status.lines().find(|line| line.starts_with("CLIENT_LIST")).expect("a client");
    let since =
        since.split('\t').find(|field| field.len() == 10 && field.bytes().all(|byte| byte.is_ascii_digit()));
    let needles: Vec<&str> = needles.into_iter().chain(since).collect();
    assert_eq!(needles.len(), 5, "with the time at which somebody connected: {status}");
    let_pass(Duration::from_millis(1_200), "what is promised of names");
    // What is promised holds between two reads, not while one is under way.
    let places = || -> Vec<(String, Vec<usize>)> {
        let children = daemon.children().into_iter().map(|(id, name)| (name, id));
        let of = |(name, id)| (name, found(id, &needles));
        [("daemon".to_owned(), daemon.id())].into_iter().chain(children).map(of).collect()
    };
    let mut seen = places();
    for _ in 0..5 {
        // A look that met a read is taken again.
        if seen.iter().all(|(_, counts)| counts.iter().all(|count| *count == 0)) {
            break;
        }
        let_pass(Duration::from_millis(300), "a read");
        seen = places();
    }
    println!("{seen:?}");
    assert!(
        seen.len() > 1 && seen.iter().all(|(_, counts)| counts.iter().all(|count| *count == 0)),
        "{seen:?}"
    );
    assert_eq!(found_in_files(&folder.path(""), &needles), [0; 5], "in the daemon's files");
    // The controls.
    assert!(
        found_in_files(&server.path(""), &needles).iter().all(|count| *count > 0),
        "the server's files have each"
    );
    let of_server = found(server.process(), &needles[..2]);
    assert!(of_server.iter().all(|count| *count > 0), "the server's memory has the names: {of_server:?}");
    assert!(found(daemon.id(), &[&socket.display().to_string()])[0] > 0, "what the daemon keeps is found");
    let said = daemon.stop();
    assert!(needles.iter().all(|needle| !said.contains(needle)), "{said}");
}
