//! An operator's first hour: each usual mistake finds its cause in one command, and the probe account
//! shows that a new node meters.

mod daemon;
mod netns;
mod support;

use blindmeter::clock::{Clock, SystemClock};
use daemon::Site;
use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::tally::{Way, name};
use netns::wire::{Kind, Wire, nobody};
use support::frames::{Address, datagram};
use support::wait::wait_for;

#[test]
fn a_wrong_pool_shows_in_check_and_in_the_nodes_counts() {
    let site = Site::new();
    let good = site.command(&["check"]).succeeded();
    assert!(!good.contains("# pools: 2 of") && !good.contains("misspelt"), "{good}");
    site.configure("10.77.0.0/16\", \"fd77:77::/112", "10.78.0.0/16\", \"fd78:77::/112");
    let wrong = site.command(&["check"]).succeeded();
    assert!(
        wrong.contains("# pools: 0 of the roster's single addresses are in a pool; 2 are not"),
        "{wrong}"
    );
    assert!(wrong.contains("is a pool missing or mistyped?"), "{wrong}");
}

#[test]
fn a_wrong_interface_name_shows_in_status_and_the_dry_run_names_what_is_there() {
    let namespace = Namespace::new();
    let _wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let setup = Setup { backend: "ring", interfaces: vec!["tunO"], pools: vec![], roster: String::new() };
    let folder = Folder::forgetful(&setup);
    let dry = folder.command_in(&namespace, &["run", "--dry-run"]);
    let said = dry.stdout;
    assert!(said.contains("interface tunO: not present; would wait for it"), "{said}");
    assert!(said.contains("other interfaces that could be metered: tun0"), "{said}");
    let mut daemon = Daemon::spawn_in(&namespace, &folder);
    daemon.await_start(2);
    let status = daemon.command(&["status"]);
    let status = status.stdout;
    assert!(status.contains("interface tunO") && status.contains("NOT ATTACHED"), "{status}");
    let told = daemon.said().matches("interface tunO: not present yet; waiting for it").count();
    assert_eq!(told, 1, "it is said once");
    daemon.stop();
}

#[test]
fn a_missing_key_and_a_small_node_show_in_check() {
    let site = Site::sealed();
    std::fs::remove_file(site.path("ledger.key")).expect("ours");
    site.command(&["check"]).failed(78, &["store.key_file", "is missing", "head -c 32 /dev/urandom"]);
    site.write_key(&[7; 32]);
    site.configure("mode = \"coarse\"", "mode = \"noisy\"");
    site.configure("1Gbit/s", "100Mbit/s");
    let small = site.command(&["check"]).succeeded();
    assert!(small.contains("7.0 % of the link's capacity") && small.contains("fleet"), "{small}");
}

#[test]
fn a_node_that_can_never_publish_says_so_and_what_to_do() {
    let site = Site::new();
    let told = "release.crowd: the roster names 2 accounts, and an epoch with fewer than 20";
    let check = site.command(&["check"]).succeeded();
    assert!(check.contains(told) && check.contains("move accounts together on one node"), "{check}");
    let daemon = site.start();
    assert_eq!(daemon.said().matches(told).count(), 1, "{}", daemon.said());
    let status = site.command(&["status"]).succeeded();
    assert!(status.contains(told), "{status}");
    let roster = |accounts: usize| {
        let lines: String = (0..accounts).map(|at| format!("10.77.0.{at},canary-{at}\n")).collect();
        site.write("roster.csv", format!("prefix,account\n{lines}"));
        site.command(&["reload"]).succeeded();
        (site.command(&["check"]).succeeded(), site.command(&["status"]).succeeded())
    };
    let (check, status) = roster(15);
    for said in [check, status] {
        assert!(said.contains("names 15 accounts") && said.contains("lower release.crowd (to 10"), "{said}");
    }
    let (check, status) = roster(20);
    assert!(!check.contains("release.crowd:") && !status.contains("release.crowd:"), "{check}{status}");
}

#[test]
fn status_and_the_last_line_of_a_start_tell_what_day_one_asks() {
    let site = Site::new();
    let daemon = site.start();
    let page = format!("http://127.0.0.1:{}/metrics", site.port);
    let version = env!("CARGO_PKG_VERSION");
    let ready = format!("blindmeter: ready: version {version}, metrics: {page}");
    assert_eq!(daemon.said().lines().last(), Some(ready.as_str()));
    let status = site.command(&["status"]).succeeded();
    let has = |name: &str, value: &str| {
        status.lines().any(|line| {
            line.split_once("  ")
                .is_some_and(|(row, rest)| row == name && rest.trim_start().starts_with(value))
        })
    };
    for (name, value) in [
        ("version", version),
        ("metrics page", &page),
        ("accounts", "2"),
        ("last close", "none since the start"),
    ] {
        assert!(has(name, value), "{name}: {status}");
    }
    let json = site.command(&["status", "--json"]).succeeded();
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(report["last_close_ok"].is_null() && report["version"] == version, "{json}");
    let now = SystemClock.now().wall_seconds;
    let due = report["next_release_seconds"].as_u64().expect("a time");
    // The epoch of a start in memory mode is barred: the next one is released, ten minutes after its end.
    assert_eq!(due, (now / 86_400 + 2) * 86_400 + 600, "{json}");
}

#[test]
fn a_stray_address_shows_in_the_nodes_counts_and_the_probe_account_shows_that_the_node_meters() {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let setup =
        Setup { backend: "tcx", interfaces: vec!["tun0"], pools: vec!["10.8.0.0/24"], roster: String::new() };
    let folder = Folder::forgetful(&setup);
    folder.configure("[roster]", "[roster]\nprobe_account = \"acct-0000\"");
    let daemon = Daemon::start_in(&namespace, &folder);
    let address = Address::v4(0x0a08_0005);
    let ping = || wire.send(Way::Up, &datagram(address, nobody(address, 1), 84));
    // Nobody owns it yet: the one command that an operator asks tells.
    ping();
    let node = daemon.await_packets(1);
    assert_eq!((node.attributed.up_packets, node.unattributed.up_packets), (0, 1));
    // "Ping from it, export it, see it", as often as one likes.
    daemon.reload_roster(&format!("10.8.0.5,{}\n", name(0)));
    for times in 1..=25 {
        ping();
        let held = wait_for("the probe's packet", || {
            Some(daemon.export(&name(0))).filter(|held| held.up_packets >= times)
        });
        assert_eq!((held.up_packets, held.up_bytes), (times, times * 84));
    }
    daemon.stop();
}
