//! One address on two interfaces, as where two servers hand out the same range: each is its own account's
//! where the roster names the interface, whatever the interface's index, over reloads, assignments and kills.

use super::netns::Namespace;
use super::netns::daemon::{Daemon, Setup};
use super::netns::folder::Folder;
use super::netns::tally::name;
use super::netns::tun::Tun;
use super::netns::wire::nobody;
use super::support::frames::{Address, datagram};
use std::fs;
use std::sync::Arc;

/// 10.8.0.1 is account 0 on tun0 and 1 on tunB; 10.8.0.2 is 2 on tunB and 3 elsewhere; 10.8.0.3 is 4; of
/// fd42:8::/64 tunB's half is 6.
fn rows() -> String {
    let row = |prefix: &str, account, interface: &str| format!("{prefix},{},{interface}\n", name(account));
    let rows = [
        row("10.8.0.1", 0, "tun0"),
        row("10.8.0.1", 1, "tunB"),
        row("10.8.0.2", 2, "tunB"),
        row("10.8.0.2", 3, ""),
        row("10.8.0.3", 4, ""),
        row("fd42:8::/64", 5, ""),
        row("fd42:8::/64", 6, "tunB"),
    ];
    format!("prefix,account,interface\n{}", rows.concat())
}

struct Servers {
    namespace: Namespace,
    tuns: [Tun; 2],
    folder: Arc<Folder>,
    sent: u64,
}

impl Servers {
    fn new(backend: &'static str, folder: impl Fn(&Setup) -> Arc<Folder>) -> Self {
        let namespace = Namespace::new();
        let tuns = ["tun0", "tunB"].map(|name| Tun::open(&namespace, name));
        let interfaces = vec!["tun0", "tunB"];
        let setup = Setup { backend, interfaces, pools: vec!["10.8.0.0/24"], roster: String::new() };
        let folder = folder(&setup);
        fs::write(folder.path("roster.csv"), rows()).expect("a roster file");
        Self { namespace, tuns, folder, sent: 0 }
    }

    /// Lets packets arrive on an interface, and waits until they are counted.
    fn send(&mut self, daemon: &Daemon, tun: usize, address: Address, packets: u64) {
        (0..packets).for_each(|_| self.tuns[tun].inject(&datagram(address, nobody(address, 1), 150)));
        self.sent += packets;
        daemon.await_packets(self.sent);
    }

    /// An interface goes, and is there again with another index.
    fn make_anew(&mut self, daemon: &Daemon, tun: usize, name: &str) {
        let before = self.namespace.device_index(name);
        self.namespace.command(&format!("ip link del {name}"));
        daemon.await_status(2);
        self.namespace.command("ip link add between type bridge");
        self.tuns[tun] = Tun::open(&self.namespace, name);
        assert_ne!(self.namespace.device_index(name), before);
        daemon.await_status(0);
    }
}

fn held(daemon: &Daemon, account: usize) -> u64 {
    daemon.export(&name(account)).up_packets
}

fn of_each_its_own(backend: &'static str, change: impl Fn(&Folder)) {
    let mut servers = Servers::new(backend, Folder::forgetful);
    change(&servers.folder);
    let daemon = Daemon::start_in(&servers.namespace, &servers.folder);
    for (tun, host, packets) in [(0, 1, 20), (1, 1, 30), (0, 2, 5), (1, 2, 6), (0, 3, 7), (1, 3, 8)] {
        servers.send(&daemon, tun, v4(host), packets);
    }
    servers.send(&daemon, 0, Address::v6((0xfd42_0008 << 96) + 9), 3);
    servers.send(&daemon, 1, Address::v6((0xfd42_0008 << 96) + 9), 4);
    assert_eq!([0, 1, 2, 3, 4, 5, 6].map(|at| held(&daemon, at)), [20, 30, 6, 5, 15, 3, 4], "{backend}");
    // The control socket goes before the file, on that interface alone.
    let [shared, own] = [v4(3).text(), name(7)];
    let code = |words: &[&str]| daemon.command(words).code;
    assert_eq!(code(&["roster", "assign", &shared, &own, "--interface", "tun0"]), Some(0));
    servers.send(&daemon, 0, v4(3), 9);
    servers.send(&daemon, 1, v4(3), 10);
    assert_eq!([4, 7].map(|at| held(&daemon, at)), [25, 9], "{backend}");
    assert_eq!(code(&["roster", "unassign", &shared]), Some(2), "there it was not assigned");
    assert_eq!(code(&["roster", "unassign", &shared, "--interface", "tun0"]), Some(0));
    servers.send(&daemon, 0, v4(3), 11);
    assert_eq!([4, 7].map(|at| held(&daemon, at)), [36, 9], "{backend}");
    // An interface that is not metered is none to assign on.
    let refused = daemon.command(&["roster", "assign", &shared, &own, "--interface", "wg7"]);
    assert!(refused.code == Some(64) && refused.stderr.contains("tap.interfaces"), "{}", refused.stderr);
    // With another index it is the same interface.
    servers.make_anew(&daemon, 1, "tunB");
    servers.send(&daemon, 1, v4(1), 12);
    assert_eq!([0, 1].map(|at| held(&daemon, at)), [20, 42], "{backend}");
    // A reload that drops the column gives each address one owner again.
    daemon.reload_roster(&format!("{},{}\n", v4(1).text(), name(0)));
    servers.send(&daemon, 1, v4(1), 13);
    assert_eq!([0, 1].map(|at| held(&daemon, at)), [33, 42], "{backend}");
    // And one that brings it back names the interfaces again.
    fs::write(servers.folder.path("roster.csv"), rows()).expect("a roster file");
    assert_eq!(code(&["reload"]), Some(0));
    servers.send(&daemon, 1, v4(1), 14);
    assert_eq!([0, 1].map(|at| held(&daemon, at)), [33, 56], "{backend}");
    daemon.stop();
}

#[test]
fn each_tap_charges_one_address_on_two_interfaces_to_two_accounts() {
    for backend in ["ring", "pnet", "tcx", "clsact"] {
        of_each_its_own(backend, |_| {});
    }
    of_each_its_own("tcx", |folder| folder.configure("[node]", "memory_budget = \"0B\"\n[node]"));
}

#[test]
fn an_interface_that_an_assignment_names_first_has_its_owners_at_once() {
    for backend in ["ring", "tcx", "clsact"] {
        let mut servers = Servers::new(backend, Folder::forgetful);
        fs::write(
            servers.folder.path("roster.csv"),
            format!("prefix,account\n{},{}\n", v4(3).text(), name(4)),
        )
        .expect("a roster file");
        let daemon = Daemon::start_in(&servers.namespace, &servers.folder);
        let words = ["roster", "assign", &v4(3).text(), &name(7), "--interface", "tunB"];
        assert_eq!(daemon.command(&words).code, Some(0));
        (0..9).for_each(|_| servers.tuns[1].inject(&datagram(v4(3), nobody(v4(3), 1), 150)));
        servers.sent = 9;
        servers.send(&daemon, 0, v4(3), 5);
        assert_eq!([4, 7].map(|at| held(&daemon, at)), [5, 9], "{backend}");
        daemon.stop();
    }
}

#[test]
fn owners_of_an_interface_hold_over_a_kill() {
    for backend in ["tcx", "clsact", "ring"] {
        let mut servers = Servers::new(backend, |setup| Folder::keeping(setup, "24h"));
        let daemon = Daemon::start_in(&servers.namespace, &servers.folder);
        let lines = format!("{},{},tunB\n", v4(3).text(), name(7));
        let file = servers.folder.path("sync.csv");
        fs::write(&file, format!("prefix,account,interface\n{lines}")).expect("a roster file");
        let done = daemon.command(&["roster", "sync", file.to_str().expect("temporary paths are text")]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        servers.send(&daemon, 1, v4(3), 10);
        servers.folder.await_saves(2);
        daemon.kill();
        let counts_on = backend != "ring";
        if counts_on {
            (0..5).for_each(|_| servers.tuns[1].inject(&datagram(v4(3), nobody(v4(3), 1), 150)));
            (0..6).for_each(|_| servers.tuns[0].inject(&datagram(v4(3), nobody(v4(3), 1), 150)));
            servers.sent += 11;
        }
        let daemon = Daemon::start_in(&servers.namespace, &servers.folder);
        daemon.await_packets(servers.sent);
        // The file names it on every interface; who was told over the socket is known by the kernel's tables alone.
        servers.send(&daemon, 1, v4(3), 7);
        let expected = if counts_on { [6, 22] } else { [7, 10] };
        assert_eq!([4, 7].map(|at| held(&daemon, at)), expected, "{backend}");
        if !counts_on {
            daemon.stop();
            continue;
        }
        // A start with another layout of counters takes the names over to the new maps, in whichever order the
        // roster file has them by now.
        daemon.kill();
        let mut lines: Vec<String> = rows().lines().map(|line| format!("{line}\n")).collect();
        lines[1..].reverse();
        fs::write(servers.folder.path("roster.csv"), lines.concat()).expect("a roster file");
        servers.folder.configure("[node]", "memory_budget = \"0B\"\n[node]");
        let daemon = Daemon::start_in(&servers.namespace, &servers.folder);
        servers.send(&daemon, 1, v4(3), 3);
        servers.send(&daemon, 0, v4(3), 2);
        assert_eq!([4, 7].map(|at| held(&daemon, at)), [8, 25], "{backend}");
        daemon.stop();
    }
}

#[test]
fn a_row_of_an_interface_that_is_not_metered_is_refused_with_its_line() {
    let servers = Servers::new("ring", Folder::forgetful);
    fs::write(
        servers.folder.path("roster.csv"),
        "prefix,account,interface\n10.8.0.1,a,tunB\n10.8.0.1,b,wg0\n",
    )
    .expect("a roster file");
    let text =
        "roster.csv: line 3: tap.interfaces does not match this interface; add it there, or correct the name";
    let refused = servers.folder.command_in(&servers.namespace, &["check"]);
    assert!(refused.code == Some(78) && refused.stderr.contains(text), "{}", refused.stderr);
    let (code, last) = Daemon::spawn_in(&servers.namespace, &servers.folder).await_last_word();
    assert!(code == Some(78) && last.contains(text), "{last}");
}

fn v4(host: u32) -> Address {
    let [a, b, c, d] = (0x0a08_0000 + host).to_be_bytes();
    Address::V4([a, b, c, d])
}
