//! Who the clients of a running strongSwan are by its vici socket, and whose their bytes: Debian's charon in namespaces,
//! with ESP in user space.

use crate::netns::daemon::{Daemon, Setup};
use crate::netns::folder::Folder;
use crate::netns::tally::Totals;
use crate::strongswan::{self, Server};
use crate::support::memory::{found, found_in_files};
use crate::support::pages::block;
use crate::support::wait::let_pass;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

/// Longer than charon is asked each second.
const POLLED: Duration = Duration::from_millis(2_000);

fn assert_held(daemon: &Daemon, accounts: &[(&str, Totals)], nobodys: Totals) {
    let all = accounts.iter().fold(nobodys, |all, (_, totals)| all.plus(*totals));
    let node = daemon.await_packets(all.packets());
    for (account, totals) in accounts {
        assert_eq!(daemon.export(account), *totals, "{account}");
    }
    assert_eq!((node.unattributed, node.malformed, node.not_ip), (nobodys, 0, 0));
}

/// A server for so many clients, and the files of a daemon that asks it: with the page's lines, but for the pace.
fn server_and_folder(clients: usize, poll: &str, grace: &str) -> (Server, Arc<Folder>) {
    let setup = Setup {
        backend: "tcx",
        interfaces: vec![strongswan::DEVICE],
        pools: vec!["10.86.0.0/24"],
        roster: String::new(),
    };
    let folder = Folder::forgetful(&setup);
    // Its scripts tell nobody.
    let server = Server::new(clients, clients, "never", &folder.path("nobody.sock"));
    let vici = server.hosts.path("server/vici");
    let metadata = std::fs::metadata(&vici).expect("it listens");
    let group = nix::unistd::Group::from_name(strongswan::GROUP).expect("a list of groups").expect("a group");
    assert_eq!((metadata.gid(), metadata.mode() & 0o060), (group.gid.as_raw(), 0o060), "the page's group");
    let page = block("strongswan.md", "toml", "[[roster.strongswan]]");
    let page = page.replace("/run/charon.vici", &vici.display().to_string());
    assert!(page.contains("poll = \"5s\"\ngrace = 2\n") && page.contains("/server/vici"), "{page}");
    let page = page.replace("\"5s\"\ngrace = 2", &format!("\"{poll}\"\ngrace = {grace}"));
    folder.configure("[control]", &format!("{page}[control]"));
    (server, folder)
}

#[test]
fn by_the_list_of_charon_each_byte_is_its_clients() {
    let (mut server, folder) = server_and_folder(2, "1s", "1");
    let daemon = Daemon::start_in(&server.hosts.server, &folder);
    let nobodys = Totals::default();
    let first = server.connect(0, "alice");
    let second = server.connect(1, "phone");
    let_pass(POLLED, "charon lists them");
    let (mut alice, bob) = (server.talk(&first, 5), server.talk(&second, 7));
    assert_held(&daemon, &[("alice", alice), ("bob", bob)], nobodys);
    // New keys, under another number.
    server.rekey(&first);
    let_pass(POLLED, "charon lists the new SA");
    alice = alice.plus(server.talk(&first, 3));
    assert_held(&daemon, &[("alice", alice), ("bob", bob)], nobodys);
    // Both end; after the grace their addresses are nobody's, and then another account's.
    server.disconnect(&first);
    server.disconnect(&second);
    let_pass(2 * POLLED, "the grace");
    let third = server.connect(1, "carol");
    assert!(
        third.addresses.iter().any(|one| first.addresses.contains(one) || second.addresses.contains(one))
    );
    let_pass(POLLED, "charon lists it");
    let carol = server.talk(&third, 4);
    assert_held(&daemon, &[("alice", alice), ("bob", bob), ("carol", carol)], nobodys);
    // A client that is lost without a word stays with its address until charon gives it up: nothing is somebody else's.
    server.lose(1);
    let_pass(POLLED, "charon is asked");
    assert_held(&daemon, &[("alice", alice), ("bob", bob), ("carol", carol)], nobodys);
    assert!(
        daemon
            .metrics(&server.hosts.server)
            .contains("blindmeter_roster_source_up{source=\"strongswan\"} 1\n")
    );
    let said = daemon.stop();
    for word in ["10.86", "fd86", "192.0", "alice", "bob", "carol", "phone"] {
        assert!(!said.contains(word), "{word} is in the log: {said}");
    }
}

/// What charon lists, one second after it was asked: in the memory of the daemon and its helper, in its files and in its
/// log there is nothing of it. charon's own memory has it, which is the control.
#[test]
fn names_and_real_addresses_of_a_list_are_nowhere_a_second_later() {
    let (server, folder) = server_and_folder(2, "1h", "2");
    let clients = [server.connect(0, "alice"), server.connect(1, "phone")];
    // It is asked at the start alone.
    let daemon = Daemon::start_in(&server.hosts.server, &folder);
    let moved = server.talk(&clients[0], 3);
    assert_held(&daemon, &[("alice", moved)], Totals::default());
    let_pass(Duration::from_millis(1_200), "what is promised of names");
    let addresses = clients.iter().flat_map(|client| &client.addresses).map(String::as_str);
    let needles: Vec<&str> =
        ["alice", "phone", "192.0.2.2", "192.0.3.2"].into_iter().chain(addresses).collect();
    let processes = [daemon.id()].into_iter().chain(daemon.children().into_iter().map(|(id, _)| id));
    let seen: Vec<Vec<usize>> = processes.map(|process| found(process, &needles)).collect();
    assert!(seen.len() > 1 && seen.iter().flatten().all(|count| *count == 0), "{needles:?}: {seen:?}");
    let files = found_in_files(&folder.path(""), &needles);
    assert!(files.iter().all(|count| *count == 0), "in the daemon's files: {files:?}");
    let of_server = found(server.process(), &needles[..2]);
    assert!(of_server.iter().all(|count| *count > 0), "the control: the server's memory: {of_server:?}");
    assert!(
        found(daemon.id(), &[&server.hosts.path("server/vici").display().to_string()])[0] > 0,
        "the control"
    );
    let said = daemon.stop();
    assert!(needles.iter().all(|needle| !said.contains(needle)), "{said}");
}
