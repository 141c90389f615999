//! Who the clients of a running strongSwan are by its vici socket, and whose their bytes: Debian's charon in namespaces,
//! with ESP in user space.

use crate::netns::daemon::{Daemon, Setup};
use crate::netns::folder::Folder;
use crate::netns::tally::Totals;
use crate::strongswan::{self, Server};
use crate::support::pages::block;
use crate::support::wait::let_pass;
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

#[test]
fn by_the_list_of_charon_each_byte_is_its_clients() {
    let setup = Setup {
        backend: "tcx",
        interfaces: vec![strongswan::DEVICE],
        pools: vec!["10.86.0.0/24"],
        roster: String::new(),
    };
    let folder = Folder::forgetful(&setup);
    // Its scripts tell nobody.
    let mut server = Server::new(2, 2, "never", &folder.path("nobody.sock"));
    let vici = server.hosts.path("server/vici");
    // The page's lines, faster.
    let page = block("strongswan.md", "toml", "[[roster.strongswan]]");
    let page = page.replace("/run/charon.vici", &vici.display().to_string());
    let page = page.replace("poll = \"5s\"", "poll = \"1s\"").replace("grace = 2", "grace = 1");
    assert!(page.contains("\"1s\"") && page.contains("= 1\n") && page.contains("/server/vici"), "{page}");
    folder.configure("[control]", &format!("{page}[control]"));
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
