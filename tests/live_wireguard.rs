//! Who the peers of a running WireGuard server are, and whose their bytes: wireguard-go in namespaces, real
//! handshakes, both families, both directions; what the ledger holds beside what the device itself counted.

mod netns;
mod support;
#[path = "live_wireguard/tunnel/mod.rs"]
mod tunnel;
#[path = "leakage/wireguard/mod.rs"]
mod wireguard;
#[path = "live_wireguard/zero.rs"]
mod zero;

use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::tally::Totals;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use support::wait::{TIMEOUT, let_pass, wait_until};
use tunnel::Tunnel;

/// Longer than a poll of a second and the answer.
const POLLED: Duration = Duration::from_millis(1_700);

/// A daemon on the tunnel's device; `peers` is the rest of its `[[roster.wireguard]]`.
fn daemon(tunnel: &Tunnel, backend: &'static str, peers: &str) -> (Daemon, Arc<Folder>) {
    let device: &'static str = tunnel.end.device.clone().leak();
    let setup =
        Setup { backend, interfaces: vec![device], pools: vec!["10.88.0.0/24"], roster: String::new() };
    let folder = Folder::forgetful(&setup);
    let table = format!("[[roster.wireguard]]\ninterface = \"{device}\"\npoll = \"1s\"\n{peers}[control]");
    folder.configure("[control]", &table.replace("FOLDER", &folder.path("").display().to_string()));
    fs::write(folder.path("peers.csv"), peers_file(tunnel, &["alice", "bob", "alice"])).expect("a file");
    (Daemon::start_in(&tunnel.namespace, &folder), folder)
}

fn peers_file(tunnel: &Tunnel, accounts: &[&str]) -> String {
    let rows = tunnel.clients.iter().enumerate().zip(accounts);
    let rows = rows.map(|((client, _), account)| format!("{},{account}\n", tunnel.key(client)));
    ["public_key,account\n".to_owned()].into_iter().chain(rows).collect()
}

fn assert_accounts(daemon: &Daemon, what: &str, expected: &[(&str, Totals)]) {
    let packets = expected.iter().map(|(_, totals)| totals.packets()).sum();
    daemon.await_packets(packets);
    for (account, totals) in expected {
        assert_eq!(daemon.export(account), *totals, "{what}: {account}");
    }
}

fn ring_and_kernel(test: impl Fn(&'static str, char)) {
    test("ring", 'r');
    test("tcx", 'k');
}

/// Two devices of one account, roaming, a peer that goes and comes back within the grace and after it, an
/// address that passes to another account: what each account holds is what its devices moved, and all
/// together are what the device counted.
#[test]
fn what_accounts_hold_is_what_the_device_counted() {
    ring_and_kernel(|backend, letter| {
        let tunnel = Tunnel::new(letter, 3);
        let (daemon, _folder) = daemon(&tunnel, backend, "accounts = \"FOLDERpeers.csv\"\n");
        let before = tunnel.counters();
        let (mut alice, mut bob) = (Totals::default(), Totals::default());
        alice = alice.plus(tunnel.talk(0, 7)).plus(tunnel.talk(2, 5));
        bob = bob.plus(tunnel.talk(1, 3));
        assert_accounts(&daemon, "at first", &[("alice", alice), ("bob", bob)]);

        tunnel.roam(0, 40_000);
        alice = alice.plus(tunnel.talk(0, 4));
        assert_accounts(&daemon, "after roaming", &[("alice", alice), ("bob", bob)]);

        // Taken out and put back, first within the grace, then long after.
        for absence in [POLLED, 4 * POLLED] {
            tunnel.remove(1);
            let_pass(absence, "polls miss the peer");
            assert_accounts(&daemon, "while it is gone", &[("alice", alice), ("bob", bob)]);
            tunnel.admit(1);
            let_pass(POLLED, "a poll finds the peer");
            bob = bob.plus(tunnel.talk(1, 6));
            assert_accounts(&daemon, "when it is back", &[("alice", alice), ("bob", bob)]);
        }

        // The first client's IPv4 address passes to bob.
        tunnel.give(1, "10.88.0.3/32,fd88::3/128,10.88.0.2/32");
        tunnel.add_address(1, "10.88.0.2/32");
        let_pass(POLLED, "a poll finds the owner");
        bob = bob.plus(tunnel.talk_from(1, ["10.88.0.2".to_owned(), "fd88::3".to_owned()], 9));
        alice = alice.plus(tunnel.talk(2, 2));
        assert_accounts(&daemon, "with another owner", &[("alice", alice), ("bob", bob)]);

        let (node, after) = (daemon.export_node(), tunnel.counters());
        assert_eq!(node.attributed, alice.plus(bob));
        assert_eq!((node.unattributed.packets(), node.lost, node.malformed), (0, 0, 0));
        assert_eq!(node.attributed.up_bytes, after.rx_bytes - before.rx_bytes, "the device's own count");
        assert_eq!(node.attributed.down_bytes, after.tx_bytes - before.tx_bytes, "the device's own count");
        assert_eq!(node.attributed.up_packets, after.rx_packets - before.rx_packets);
        assert_eq!(node.attributed.down_packets, after.tx_packets - before.tx_packets);

        let said = daemon.stop();
        let keys = (0..3).map(|client| tunnel.key(client));
        for word in keys.chain(["10.88", "fd88", "192.0", "alice", "bob"]) {
            assert!(!said.contains(word), "{word} is in the log: {said}");
        }
    });
}

/// A peer of the list that is not there is nobody's loss, and one that is not listed has no account until a
/// reload brings it.
#[test]
fn a_peer_without_an_account_is_nobodys_until_a_reload_names_it() {
    let tunnel = Tunnel::new('n', 2);
    let (daemon, folder) = daemon(&tunnel, "ring", "accounts = \"FOLDERpeers.csv\"\n");
    fs::write(folder.path("peers.csv"), peers_file(&tunnel, &["alice"])).expect("a file");
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    // The address stays bob's for the grace, then it is nobody's.
    let_pass(4 * POLLED, "the grace");
    let alice = tunnel.talk(0, 2);
    let nobody = tunnel.talk(1, 3);
    let node = daemon.await_packets(alice.packets() + nobody.packets());
    assert_eq!((node.attributed, node.unattributed), (alice, nobody));
    fs::write(folder.path("peers.csv"), "public_key,account\nnonsense,a\n").expect("a file");
    let refused = daemon.command(&["reload"]);
    assert_eq!(refused.code, Some(78));
    assert!(refused.stderr.contains("peers.csv line 2"), "{}", refused.stderr);
    fs::write(folder.path("peers.csv"), peers_file(&tunnel, &["alice", "carol"])).expect("a file");
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    let_pass(POLLED, "a poll");
    let carol = tunnel.talk(1, 4);
    assert_accounts(&daemon, "after the reload", &[("alice", alice), ("carol", carol)]);
}

/// Without a list the key is the account's name; a wg-quick file names some of them.
#[test]
fn keys_are_names_and_comments_of_a_wg_quick_file_are() {
    let tunnel = Tunnel::new('q', 2);
    let (first, _folder) = daemon(&tunnel, "ring", "");
    let moved = [tunnel.talk(0, 2), tunnel.talk(1, 3)];
    assert_accounts(&first, "by key", &[(tunnel.key(0), moved[0]), (tunnel.key(1), moved[1])]);
    let counts = first.answer(&["roster", "counts", "--json"]);
    let source = serde_json::json!({
        "source": "wireguard", "prefixes": 8, "accounts": 8, "up": true, "without_account": 0, "latched": true
    });
    assert_eq!(counts["sources"][1], source, "four prefixes of two accounts, in eights");
    first.stop();
    let (second, folder) = daemon(&tunnel, "ring", "accounts = \"FOLDERpeers.csv\"\n");
    let quick = format!(
        "[Interface]\nPrivateKey = secret\n\n[Peer]\n# friendly_name = alice b\nPublicKey = {}\n\n[Peer]\nPublicKey = {}\n",
        tunnel.key(0),
        tunnel.key(1)
    );
    fs::write(folder.path("peers.csv"), quick).expect("a file");
    assert_eq!(second.reload(), "blindmeter: reloaded");
    let_pass(POLLED, "a poll");
    let moved = [tunnel.talk(0, 2), tunnel.talk(1, 3)];
    assert_accounts(&second, "by comment", &[("alice%20b", moved[0]), (tunnel.key(1), moved[1])]);
}

/// The same session by the server's own counters and by the ledger, with a peer that is taken out and put back.
#[test]
fn a_peer_that_is_put_back_keeps_its_total_here_and_loses_it_there() {
    let tunnel = Tunnel::new('t', 2);
    let (daemon, _folder) = daemon(&tunnel, "ring", "accounts = \"FOLDERpeers.csv\"\n");
    let mut moved = [tunnel.talk(0, 20), tunnel.talk(1, 20)];
    let shown = |client| tunnel.transfer(client).expect("wg shows the peer");
    let first = [shown(0), shown(1)];
    for (shown, moved) in first.iter().zip(moved) {
        assert!(shown.0 > moved.up_bytes && shown.1 > moved.down_bytes, "with headers of its own: {shown:?}");
    }
    tunnel.remove(1);
    assert_eq!(tunnel.transfer(1), None);
    tunnel.admit(1);
    assert_eq!(shown(1), (0, 0), "the server's own counters begin anew");
    let_pass(POLLED, "a poll");
    let more = [tunnel.talk(0, 10), tunnel.talk(1, 10)];
    moved = [0, 1].map(|client: usize| moved[client].plus(more[client]));
    assert!(shown(0).0 > first[0].0 && shown(1).0 < first[1].0, "one went on, the other one fell back");
    assert_accounts(&daemon, "both", &[("alice", moved[0]), ("bob", moved[1])]);
    println!("wg, first: {first:?}, then: {:?}; the ledger: {moved:?}", [shown(0), shown(1)]);
}

/// A daemon with the lines of docs/wireguard.md, as they stand there.
#[test]
fn the_lines_of_the_page_work_as_they_stand() {
    let tunnel = Tunnel::new('p', 2);
    let device: &'static str = tunnel.end.device.clone().leak();
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/wireguard.md")).expect("the page");
    let block = |kind: &str, line: &str| {
        let mut blocks = page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix(kind));
        blocks.find(|block| block.contains(line)).expect("a block of the page").to_owned()
    };
    let setup = Setup { backend: "ring", interfaces: vec![device], pools: vec![], roster: String::new() };
    let folder = Folder::keeping(&setup, "24h");
    let own = |text: String| {
        let text =
            text.replace("wg0", device).replace("/etc/blindmeter/", &folder.path("").display().to_string());
        text.replace("chgrp blindmeter", "chgrp 65534")
    };
    let table = own(block("toml", "[[roster.wireguard]]")).replace("\"5s\"", "\"1s\"");
    folder.configure("[control]", &format!("{table}[control]"));
    let keys: Vec<String> = ["csv", "ini"].map(|kind| block(kind, "xTIBA5")).to_vec();
    let peers = keys[0].replace("xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", tunnel.key(0));
    let peers = peers.replace("gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=", tunnel.key(1));
    fs::write(folder.path("peers.csv"), peers).expect("a file");
    // As root without the rights of root over files, like a unit with the drop-in of the page.
    assert!(block("ini", "[Service]").contains("\nUser=root\n"));
    let capabilities = "--bounding-set=-all,+net_raw,+net_admin";
    let mut command = Command::new("setpriv");
    command.args([capabilities, netns::daemon::PROGRAM]);
    let mut allowed = Daemon::spawn_as(&tunnel.namespace, &folder, command);
    allowed.await_start(0);
    let moved = [tunnel.talk(0, 3), tunnel.talk(1, 2)];
    assert_accounts(&allowed, "of the page", &[("alice", moved[0]), ("bob", moved[1])]);
    // The other kind of file.
    let quick = keys[1].replace("xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", tunnel.key(1));
    fs::write(folder.path("peers.csv"), quick.replace("= alice", "= carol")).expect("a file");
    assert_eq!(allowed.reload(), "blindmeter: reloaded");
    let_pass(POLLED, "a poll");
    let more = tunnel.talk(1, 5);
    assert_eq!(allowed.await_packets(moved[0].packets() + moved[1].packets() + more.packets()).lost, 0);
    assert_eq!(allowed.export("carol"), more);
    allowed.stop();
    // As another user the device cannot be asked, and the log says what to do.
    for file in ["ledger.sealed", "ledger.sealed.chain"] {
        fs::remove_file(folder.path(file)).expect("root's");
    }
    let program = folder.give_to(65_534);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command
        .args(["--inh-caps=-all,+net_raw,+net_admin", "--ambient-caps=-all,+net_raw,+net_admin"])
        .arg(program);
    let mut refused = Daemon::spawn_as(&tunnel.namespace, &folder, command);
    refused.await_start(2);
    let said = refused.stop();
    assert!(said.contains("lets root alone ask it (docs/wireguard.md)"), "{said}");
}

/// A server that stalls, dies and returns, and a reader that is killed: the last map stays in force, the
/// gauge says so, each change is one line.
#[test]
fn a_source_that_stalls_dies_or_returns_takes_nothing_away() {
    let tunnel = Tunnel::new('d', 2);
    let (daemon, _folder) = daemon(&tunnel, "ring", "accounts = \"FOLDERpeers.csv\"\n");
    let up = |is_up: u8| {
        let row = format!("blindmeter_roster_source_up{{source=\"wireguard\"}} {is_up}");
        wait_until(&row, TIMEOUT, || daemon.metrics(&tunnel.namespace).contains(&row));
    };
    let lines = |word: &str| daemon.said().lines().filter(|line| line.contains(word)).count();
    up(1);
    let mut alice = tunnel.talk(0, 2);
    tunnel.end.pause();
    up(0);
    daemon.await_status(2);
    let_pass(4 * POLLED, "more polls than the grace has");
    tunnel.end.resume();
    up(1);
    daemon.await_status(0);
    alice = alice.plus(tunnel.talk(0, 3));
    assert_accounts(&daemon, "after the stall", &[("alice", alice)]);
    assert_eq!((lines("does not answer"), lines("works again")), (1, 1), "{}", daemon.said());

    // Its socket is taken away, and comes back.
    let socket = format!("/var/run/wireguard/{}.sock", tunnel.end.device);
    fs::rename(&socket, format!("{socket}.away")).expect("ours");
    up(0);
    let_pass(4 * POLLED, "more polls than the grace has");
    alice = alice.plus(tunnel.talk(0, 3));
    assert_accounts(&daemon, "while nobody answers", &[("alice", alice)]);
    fs::rename(format!("{socket}.away"), &socket).expect("ours");
    up(1);

    let reader = daemon.children().into_iter().find(|(_, name)| name == "bm-reader").expect("a reader").0;
    assert!(
        Command::new("kill").args(["-KILL", &reader.to_string()]).status().is_ok_and(|done| done.success())
    );
    up(0);
    let_pass(2 * POLLED, "polls");
    alice = alice.plus(tunnel.talk(0, 4));
    assert_accounts(&daemon, "without a reader", &[("alice", alice)]);
    assert_eq!(lines("roster reader has ended"), 1, "{}", daemon.said());
    assert_eq!(daemon.status(), 2);
}
