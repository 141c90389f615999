//! RADIUS accounting of programs that others have written: freeradius' radclient, and Debian's ocserv with openconnect;
//! what the ledger holds of the addresses that they tell of.

mod netns;
#[path = "live_radius/ocserv.rs"]
mod ocserv;
#[path = "live_radius/radclient.rs"]
mod radclient;
mod support;

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::tally::{Totals, Way};
use netns::wire::{Kind, Wire, nobody};
use ocserv::Server;
use radclient::{SECRET, Tell, radclient};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use support::frames::{Address, datagram};
use support::pages::block;
use support::wait::{let_pass, wait_for, wait_until};

/// Longer than ocserv takes to tell an address first: ten seconds.
const FIRST_INTERIM: Duration = Duration::from_secs(60);

/// Longer than a tick of the roster.
const TOLD: Duration = Duration::from_millis(100);

fn write_secret(path: &Path, secret: &str, mode: u32) {
    fs::write(path, format!("{secret}\n")).expect("a file of our own");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

/// A folder whose daemon hears RADIUS.
fn folder(backend: &'static str, interface: &'static str, table: &str) -> Arc<Folder> {
    let setup =
        Setup { backend, interfaces: vec![interface], pools: vec!["10.77.0.0/24"], roster: String::new() };
    let folder = Folder::forgetful(&setup);
    write_secret(&folder.path("radius.secret"), SECRET, 0o600);
    let page = of_the_page(&folder, "toml", "[[roster.radius]]");
    // What a test says of a key is in the place of what the page says.
    let keys: Vec<&str> = table.lines().filter_map(|line| line.split(' ').next()).collect();
    let is_said = |line: &&str| keys.iter().any(|key| line.starts_with(&format!("{key} ")));
    let page: Vec<&str> = page.lines().filter(|line| !is_said(line)).collect();
    folder.configure("[control]", &format!("{}\n{table}[control]", page.join("\n")));
    folder
}

/// Lines of the page, with this folder in the place of the configuration's.
fn of_the_page(folder: &Folder, kind: &str, line: &str) -> String {
    let secret = folder.path("radius.secret").display().to_string();
    block("radius.md", kind, line).replace("/etc/blindmeter/radius.secret", &secret)
}

/// An address of each family under this number: of the second one from a prefix, of the third from a delegated one.
fn addresses(number: u8) -> [Address; 4] {
    let v6 = |net: u128| Address::v6(net << 112 | u128::from(number) << 64 | 7);
    [Address::v4(0x0a4d_0000 + u32::from(number)), v6(0xfd77), v6(0xfd78), v6(0xfd79)]
}

/// What `radclient` says of a session with all of these.
fn all_of(number: u8) -> String {
    format!(
        "Framed-IP-Address=10.77.0.{number},Framed-IPv6-Address=fd77:0:0:{number:x}::7,\
         Framed-IPv6-Prefix=fd78:0:0:{number:x}::/64,Delegated-IPv6-Prefix=fd79:0:0:{number:x}::/64"
    )
}

/// Sends a datagram of each address both ways; gives what that comes to.
fn talk(wire: &Wire, number: u8) -> Totals {
    let mut sent = Totals::default();
    for (at, address) in addresses(number).into_iter().enumerate() {
        let length = 200 + 10 * at + usize::from(number);
        let far = nobody(address, 1);
        wire.send(Way::Up, &datagram(address, far, length));
        wire.send(Way::Down, &datagram(far, address, length + 1));
        let count = |length: usize| u64::try_from(length).expect("small");
        sent.add(Way::Up, 1, count(length));
        sent.add(Way::Down, 1, count(length + 1));
    }
    sent
}

fn assert_held(daemon: &Daemon, accounts: &[(&str, Totals)], nobodys: Totals) {
    let all = accounts.iter().fold(nobodys, |all, (_, totals)| all.plus(*totals));
    let node = daemon.await_packets(all.packets());
    for (account, totals) in accounts {
        assert_eq!(daemon.export(account), *totals, "{account}");
    }
    assert_eq!((node.unattributed, node.lost, node.malformed), (nobodys, 0, 0));
}

#[test]
fn of_what_radclient_tells_each_byte_is_its_owners() {
    for backend in ["ring", "tcx"] {
        let namespace = Namespace::new();
        let wire = Wire::make(&namespace, Kind::Tun, "tun0");
        let daemon = Daemon::start_in(&namespace, &folder(backend, "tun0", ""));
        let tell = |what: &str| radclient(&namespace, SECRET, what);
        let (mut alice, mut bob, mut nobodys) = (Totals::default(), Totals::default(), talk(&wire, 9));
        let_pass(TOLD, "it is counted");

        let start = format!("User-Name=\"alice canary\",Acct-Session-Id=a1,NAS-Identifier=n1,{}", all_of(9));
        assert_eq!(tell(&format!("Acct-Status-Type=Start,{start}")), Tell::Answered);
        alice = alice.plus(talk(&wire, 9));
        let_pass(TOLD, "it is counted");
        // The addresses pass to another account without a word of the first one's end, which comes late.
        let bobs = format!("User-Name=bob,Acct-Session-Id=b1,NAS-Identifier=n1,{}", all_of(9));
        assert_eq!(tell(&format!("Acct-Status-Type=Start,{bobs}")), Tell::Answered);
        assert_eq!(tell(&format!("Acct-Status-Type=Stop,{start}")), Tell::Answered);
        bob = bob.plus(talk(&wire, 9));
        let_pass(TOLD, "it is counted");
        // A session that is heard of when it goes on, with an authenticator of the message.
        let more = format!(
            "User-Name=bob,Acct-Session-Id=b2,NAS-Identifier=n1,Message-Authenticator=0x00,{}",
            all_of(4)
        );
        assert_eq!(tell(&format!("Acct-Status-Type=Interim-Update,{more}")), Tell::Answered);
        bob = bob.plus(talk(&wire, 4));
        let_pass(TOLD, "it is counted");
        assert_eq!(tell(&format!("Acct-Status-Type=Stop,{bobs}")), Tell::Answered);
        nobodys = nobodys.plus(talk(&wire, 9));
        bob = bob.plus(talk(&wire, 4));
        let_pass(TOLD, "it is counted");
        // The server begins anew.
        assert_eq!(tell("Acct-Status-Type=Accounting-On,NAS-Identifier=n1"), Tell::Answered);
        nobodys = nobodys.plus(talk(&wire, 4));
        assert_held(&daemon, &[("alice%20canary", alice), ("bob", bob)], nobodys);

        assert_eq!(
            radclient(&namespace, "another secret", &format!("Acct-Status-Type=Start,{start}")),
            Tell::Silent
        );
        nobodys = nobodys.plus(talk(&wire, 9));
        assert_held(&daemon, &[("alice%20canary", alice), ("bob", bob)], nobodys);
        assert!(daemon.metrics(&namespace).contains("blindmeter_roster_source_up{source=\"radius\"} 1\n"));
        assert_eq!(daemon.status(), 0);
        let counts = daemon.answer(&["roster", "counts", "--json"]);
        let radius =
            counts["sources"].as_array().and_then(|all| all.iter().find(|it| it["source"] == "radius"));
        assert_eq!(
            radius.map(|it| (it["prefixes"].as_u64(), it["latched"].as_bool())),
            Some((Some(0), Some(true)))
        );
        let said = daemon.stop();
        for word in ["10.77", "fd77", "fd78", "alice", "bob", "canary", "127.0.0.1:", SECRET] {
            assert!(
                !said.replace("http://127.0.0.1:9776", "").contains(word),
                "{word} is in the log: {said}"
            );
        }
    }
}

#[test]
fn a_secret_that_changes_is_read_at_a_reload_and_one_that_others_may_read_is_refused() {
    let namespace = Namespace::new();
    let _wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let folder = folder("ring", "tun0", "listen = \"127.0.0.1:1899\"\naccount = \"class\"\n");
    let checked = folder.command_in(&namespace, &["check"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(
        checked.stdout.contains("[[roster.radius]]\nlisten = \"127.0.0.1:1899\"\n"),
        "{}",
        checked.stdout
    );
    assert!(checked.stdout.contains("account = \"class\"\n") && !checked.stdout.contains(SECRET));
    let daemon = Daemon::start_in(&namespace, &folder);
    let start = "Acct-Status-Type=Start,Acct-Session-Id=1,Framed-IP-Address=10.77.0.9,Class=0x6d65";
    let tell = |secret: &str| radclient::at(&namespace, 1899, secret, start);
    assert_eq!((tell(SECRET), tell("a newer secret of them")), (Tell::Answered, Tell::Silent));
    write_secret(&folder.path("radius.secret"), "a newer secret of them", 0o600);
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    assert_eq!((tell(SECRET), tell("a newer secret of them")), (Tell::Silent, Tell::Answered));
    write_secret(&folder.path("radius.secret"), "a third one", 0o644);
    let refused = daemon.reload();
    assert!(refused.contains("radius.secret") && refused.contains("chmod 600"), "{refused}");
    assert_eq!(tell("a newer secret of them"), Tell::Answered);
    folder.command_in(&namespace, &["check"]).failed(78, &["radius.secret", "chmod 600"]);
    write_secret(&folder.path("radius.secret"), "short", 0o600);
    let warned = folder.command_in(&namespace, &["check"]);
    assert!(warned.code == Some(0) && warned.stdout.contains("shorter than 16 bytes"), "{}", warned.stdout);
    fs::remove_file(folder.path("radius.secret")).expect("it is ours");
    folder.command_in(&namespace, &["check"]).failed(78, &["roster.radius secret_file", "cannot be read"]);
    daemon.stop();
}

/// What was passed over is told at the close, by source and reason, in eights.
#[test]
fn what_is_passed_over_is_told_at_the_close_by_its_reason() {
    let namespace = Namespace::new();
    let _wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let folder = folder("ring", "tun0", "");
    folder.configure("length = \"24h\"", "length = \"5s\"");
    let daemon = Daemon::start_in(&namespace, &folder);
    let start = "Acct-Status-Type=Start,Acct-Session-Id=1,Framed-IP-Address=10.77.0.9";
    assert_eq!(radclient(&namespace, SECRET, start), Tell::Answered);
    assert_eq!(radclient(&namespace, "another secret", start), Tell::Silent);
    let found = wait_for("an epoch closes", || {
        let counts = daemon.answer(&["roster", "counts", "--json"]);
        let skipped = counts["skipped"].as_array().expect("a list").clone();
        (skipped.len() == 2).then_some((counts, skipped))
    });
    let (counts, skipped) = found;
    for (row, reason) in skipped.iter().zip(["without an account", "signed with another secret"]) {
        assert_eq!(
            (&row["source"], &row["reason"], &row["count"]),
            (&"radius".into(), &reason.into(), &8.into())
        );
    }
    let radius = counts["sources"].as_array().and_then(|all| all.iter().find(|it| it["source"] == "radius"));
    assert_eq!(radius.map(|it| &it["without_account"]), Some(&8.into()));
    assert_eq!((&counts["skipped_lines"], &counts["capacity"]), (&0.into(), &4096.into()));
    daemon.stop();
}

/// The page's own commands make a secret that is taken.
#[test]
fn the_secret_of_the_page_is_taken() {
    let namespace = Namespace::new();
    let _wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let folder = folder("ring", "tun0", "");
    fs::remove_file(folder.path("radius.secret")).expect("it is ours");
    let lines = of_the_page(&folder, "sh", "head -c 24").replace("chown blindmeter", "chown root");
    let made = Command::new("sh").args(["-euc", &lines]).status();
    assert!(made.is_ok_and(|status| status.success()), "{lines}");
    let checked = folder.command_in(&namespace, &["check"]);
    assert!(
        checked.code == Some(0) && !checked.stdout.contains("warning: roster.radius"),
        "{}",
        checked.stdout
    );
    let secret = fs::read_to_string(folder.path("radius.secret")).expect("it is there");
    let daemon = Daemon::start_in(&namespace, &folder);
    let start = "Acct-Status-Type=Start,Acct-Session-Id=1,User-Name=alice,Framed-IP-Address=10.77.0.9";
    assert_eq!(radclient(&namespace, secret.trim_end(), start), Tell::Answered);
    daemon.stop();
}

#[test]
fn a_port_that_is_taken_is_named_and_an_open_one_warned_of() {
    let namespace = Namespace::new();
    let _wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let folder = folder("ring", "tun0", "listen = \"0.0.0.0:1898\"\n");
    let warned = folder.command_in(&namespace, &["check"]);
    assert!(
        warned.code == Some(0) && warned.stdout.contains("names and addresses in clear"),
        "{}",
        warned.stdout
    );
    let taken =
        namespace.run(|| std::net::UdpSocket::bind("0.0.0.0:1898").expect("the namespace is the test's"));
    let (code, said) = Daemon::spawn_in(&namespace, &folder).await_last_word();
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("roster.radius listen 0.0.0.0:1898"), "{said}");
    drop(taken);
}

/// Debian's ocserv tells addresses when a session has gone on for ten seconds: until then bytes are nobody's. What is
/// told is exact.
#[test]
fn of_what_ocserv_tells_each_byte_is_its_owners() {
    let mut server = Server::new(&["alice", "bob"]);
    let folder = folder("ring", "vpns*", "");
    folder.configure("10.77.0.0/24", "10.88.0.0/24");
    let daemon = Daemon::start_in(&server.namespace, &folder);
    server.give_addresses(&[("alice", 5), ("bob", 6)]);
    server.connect(0);
    server.connect(1);
    let told = |server: &Server, client: usize, account: &str| {
        let before = daemon.export(account).packets();
        wait_until(&format!("{account}'s address is told"), FIRST_INTERIM, || {
            server.talk_v4(client, 1);
            daemon.export(account).packets() > before
        });
        let_pass(TOLD, "it is counted");
    };
    let exact = |server: &Server, client: usize, account: &str, packets: usize| {
        let (before, node) = (daemon.export(account), daemon.export_node());
        let sent = server.talk_v4(client, packets).plus(server.talk_v6(client, packets + 1));
        let after = daemon.await_packets(node.counted() + sent.packets());
        assert_eq!(daemon.export(account), before.plus(sent), "{account}");
        assert_eq!(after.unattributed, node.unattributed, "nothing was nobody's");
    };
    told(&server, 0, "alice");
    told(&server, 1, "bob");
    exact(&server, 0, "alice", 5);
    exact(&server, 1, "bob", 7);
    // The first one's address passes to another account: until that is told it is nobody's, since its end was.
    server.disconnect(0);
    server.disconnect(1);
    server.give_addresses(&[("alice", 9), ("bob", 5)]);
    let alice = daemon.export("alice");
    server.connect(1);
    told(&server, 1, "bob");
    exact(&server, 1, "bob", 4);
    assert_eq!(daemon.export("alice"), alice, "nothing of the new owner's is the old one's");
    let said = daemon.stop();
    for word in ["10.88", "fd88", "192.0", "alice", "bob"] {
        assert!(!said.contains(word), "{word} is in the log: {said}");
    }
}
