//! One address on two interfaces, as where two servers hand out the same range: each is its own account's
//! where the roster names the interface, and the tap that cannot do that is not taken.

mod netns;
mod support;

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::tally::name;
use netns::tun::Tun;
use netns::wire::nobody;
use std::fs;
use std::sync::Arc;
use support::frames::{Address, datagram};

/// 10.8.0.1 is account 0 on tun0 and 1 on tunB; 10.8.0.2 is 2 on tunB and 3 elsewhere; 10.8.0.3 is 4.
fn rows() -> String {
    let row =
        |host, account, interface: &str| format!("{},{},{interface}\n", address(host).text(), name(account));
    let rows = [row(1, 0, "tun0"), row(1, 1, "tunB"), row(2, 2, "tunB"), row(2, 3, ""), row(3, 4, "")];
    format!("prefix,account,interface\n{}", rows.concat())
}

struct Servers {
    namespace: Namespace,
    tuns: [Tun; 2],
    folder: Arc<Folder>,
}

fn servers(backend: &'static str) -> Servers {
    let namespace = Namespace::new();
    let tuns = ["tun0", "tunB"].map(|name| Tun::open(&namespace, name));
    let interfaces = vec!["tun0", "tunB"];
    let setup = Setup { backend, interfaces, pools: vec!["10.8.0.0/24"], roster: String::new() };
    let folder = Folder::forgetful(&setup);
    fs::write(folder.path("roster.csv"), rows()).expect("a roster file");
    Servers { namespace, tuns, folder }
}

fn of_each_its_own(backend: &'static str) {
    let Servers { namespace, tuns, folder } = servers(backend);
    let daemon = Daemon::start_in(&namespace, &folder);
    let send = |tun: usize, host, packets| {
        (0..packets).for_each(|_| tuns[tun].inject(&datagram(address(host), nobody(address(host), 1), 150)));
    };
    let held = |account| daemon.export(&name(account)).up_packets;
    for (tun, host, packets) in [(0, 1, 20), (1, 1, 30), (0, 2, 5), (1, 2, 6), (0, 3, 7), (1, 3, 8)] {
        send(tun, host, packets);
    }
    daemon.await_packets(76);
    assert_eq!([0, 1, 2, 3, 4].map(held), [20, 30, 6, 5, 15]);
    // The control socket goes before the file, on that interface alone.
    let [shared, own] = [address(3).text(), name(5)];
    let done = daemon.command(&["roster", "assign", &shared, &own, "--interface", "tun0"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    send(0, 3, 9);
    send(1, 3, 10);
    daemon.await_packets(95);
    assert_eq!([4, 5].map(held), [25, 9]);
    assert_eq!(daemon.command(&["roster", "unassign", &shared]).code, Some(2), "there it was not assigned");
    let done = daemon.command(&["roster", "unassign", &shared, "--interface", "tun0"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    send(0, 3, 11);
    daemon.await_packets(106);
    assert_eq!([4, 5].map(held), [36, 9]);
    // A reload that drops the column gives each address one owner again.
    daemon.reload_roster(&format!("{},{}\n", address(1).text(), name(0)));
    send(1, 1, 12);
    daemon.await_packets(118);
    assert_eq!([0, 1].map(held), [32, 30]);
    daemon.stop();
}

#[test]
fn ring_charges_one_address_on_two_interfaces_to_two_accounts() {
    of_each_its_own("ring");
}

#[test]
fn pnet_charges_one_address_on_two_interfaces_to_two_accounts() {
    of_each_its_own("pnet");
}

#[test]
fn the_kernel_tap_is_not_taken_where_the_roster_names_interfaces() {
    let Servers { namespace, folder, .. } = servers("auto");
    let daemon = Daemon::start_in(&namespace, &folder);
    let said = daemon.stop();
    assert!(said.contains("tap: ring: the roster file names interfaces"), "{said}");
    folder.configure("backend = \"auto\"", "backend = \"kernel\"");
    let refused = folder.command_in(&namespace, &["check"]);
    assert!(refused.code == Some(78) && refused.stderr.contains("ring"), "{}", refused.stderr);
    let (code, last) = Daemon::spawn_in(&namespace, &folder).await_last_word();
    assert!(code == Some(78) && last.contains("set tap.backend"), "{last}");
    // Nor is an assignment taken that such a tap would not follow.
    fs::write(folder.path("roster.csv"), "prefix,account\n").expect("a roster file");
    let daemon = Daemon::start_in(&namespace, &folder);
    let refused = daemon.command(&["roster", "assign", &address(3).text(), &name(5), "--interface", "tun0"]);
    assert!(refused.code == Some(78) && refused.stderr.contains("set tap.backend"), "{}", refused.stderr);
    daemon.stop();
}

fn address(host: u32) -> Address {
    Address::v4(0x0a08_0000 + host)
}
