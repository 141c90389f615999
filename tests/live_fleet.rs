//! Three nodes of a fleet and two clusters of real servers, in a namespace: what an account moves on each of them is
//! one sum, an erasure reaches all of them, and a cluster that is lost is made whole again.

mod fleet;
mod netns;
#[path = "fleet/nodes.rs"]
mod nodes;
mod support;

use blindmeter::fleet::cluster::{Call, Cluster, Function};
use blindmeter::fleet::keys::{FleetKey, PeriodTag};
use blindmeter::fleet::settings::Role;
use blindmeter::roster::account::AccountName;
use blindmeter::roster::tagger::Tagger;
use fleet::words::Total;
use netns::daemon::Daemon;
use netns::tally::name;
use nodes::{Fixture, KEY, NODES, PERIOD_SECONDS, REFRESH_SECONDS};
use std::fs;
use std::time::Duration;
use support::http;
use support::wait::{let_pass, wait_for_within};

/// Bytes of a packet.
const LENGTH: usize = 1000;
/// The port of the desk.
const DESK: u16 = 9780;
/// A refresh, a close, a spread and a reading back, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// What is asked of the clusters and the nodes.
impl Fixture {
    /// What both clusters together say of an account: bytes sent, nodes, and whether they agree.
    fn total(&self, account: usize) -> Option<(u64, u64)> {
        let key = FleetKey::new(&KEY);
        let tag =
            Tagger::new(&key.of_accounts()).tag_of(&AccountName::parse(&name(account)).expect("a name"));
        let week = fleet::words::now() / REFRESH_SECONDS;
        let period = (week * REFRESH_SECONDS - 1) / PERIOD_SECONDS;
        let tag = key.period_tag(tag, period);
        for week in [week, week - 1] {
            let of = |place: usize| self.ask(place, tag, week);
            let (first, second) = (of(0), of(1));
            if first.digest == second.digest {
                return Some((first.words.and(second.words).bytes().0, first.nodes));
            }
        }
        None
    }

    fn ask(&self, place: usize, tag: PeriodTag, week: u64) -> Total {
        let letter = ['A', 'B'][place];
        let access = self.clusters[place].lock().expect("whole").access(
            letter,
            &FleetKey::new(&KEY).identity(),
            Role::Desk,
        );
        self.namespace.run(move || {
            let mut cluster = Cluster::new(&access).expect("a cluster");
            let arguments = vec![(week % 65_536).to_string().into_bytes(), b"0".to_vec()];
            let call = Call { function: Function::Total, keys: vec![tag], arguments };
            Total::of(&cluster.call(&[call]).expect("an answer")[0])
        })
    }

    fn await_total(&self, account: usize, bytes: u64, nodes: u64) {
        let mut last = None;
        wait_for_within("the fleet's sum", LIMIT, || {
            last = self.total(account);
            (last == Some((bytes, nodes))).then_some(())
        });
    }

    /// What a node tells of an account when all nodes have sent, as of a week.
    fn show(&self, node: usize, account: usize) -> serde_json::Value {
        wait_for_within("an answer of the whole fleet", LIMIT, || {
            let words = ["fleet", "show", &name(account), "--json"];
            let shown = self.folders[node].command_in(&self.namespace, &words);
            let shown: serde_json::Value = serde_json::from_str(&shown.stdout).ok()?;
            (shown["nodes"] == NODES && shown["stale_nodes"] == 0).then_some(shown)
        })
    }

    /// What `status` says of the clusters.
    fn clusters_of(&self, node: usize) -> Vec<(String, Option<String>)> {
        let status = self.folders[node].command_in(&self.namespace, &["status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
        let of = |cluster: &serde_json::Value| {
            let trouble = cluster["trouble"].as_str().map(str::to_owned);
            (cluster["state"].as_str().expect("a state").to_owned(), trouble)
        };
        status["fleet"].as_array().expect("a fleet").iter().map(of).collect()
    }
}

/// A desk on the first node, for one member of support.
fn with_desk(fixture: &Fixture) {
    let hash = bcrypt::hash_with_salt("password", 4, *b"sixteen bytes ok").expect("a hash").to_string();
    let folder = &fixture.folders[0];
    fs::write(folder.path("desk.yml"), format!("basic_auth_users:\n  anna: {hash}\n")).expect("log-ins");
    let refresh = format!("refresh = \"{REFRESH_SECONDS}s\"\n");
    let desk = format!(
        "{refresh}listen = \"127.0.0.1:{DESK}\"\nconfig_file = {:?}\n[support.roles]\nsupport = [\"anna\"]\n",
        folder.path("desk.yml")
    );
    folder.configure(&refresh, &desk);
}

/// What the desk answers to a form or to JSON.
fn desk(fixture: &Fixture, path: &str, kind: &str, body: &str) -> http::Answer {
    let text = format!(
        "POST {path} HTTP/1.1\r\nHost: desk\r\nAuthorization: Basic YW5uYTpwYXNzd29yZA==\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let bytes = fixture.namespace.run(move || http::exchange(DESK, text.as_bytes()));
    http::parse(&bytes).expect("an answer")
}

/// The one process that connects to servers can do nothing else.
fn is_enclosed(daemon: &Daemon) {
    let children = daemon.children();
    let couriers: Vec<_> = children.iter().filter(|(_, name)| name == "bm-courier").collect();
    let [(courier, _)] = couriers[..] else { panic!("one courier: {children:?}") };
    let status = fs::read_to_string(format!("/proc/{courier}/status")).expect("it lives");
    for line in ["CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    let open = fs::read_dir(format!("/proc/{courier}/fd")).expect("root sees them");
    for descriptor in open.map(|entry| entry.expect("an entry").path()) {
        let target = fs::read_link(&descriptor).map(|path| path.display().to_string()).unwrap_or_default();
        let is_file = target.starts_with('/') && !target.ends_with("stderr");
        assert!(!is_file, "the courier holds no file: {target}");
    }
}

#[test]
fn an_account_of_three_nodes_is_one_sum_and_an_erasure_reaches_all_of_them() {
    let fixture = Fixture::new("ring", "1s", "");
    with_desk(&fixture);
    let daemons = fixture.start();
    daemons.iter().for_each(is_enclosed);
    for node in 0..NODES {
        fixture.send(node, 0, 1000 * (node as u64 + 1), LENGTH);
    }
    fixture.send(1, 1, 7, LENGTH);
    fixture.await_total(0, 6_000_000, 3);
    fixture.await_total(1, 7000, 3);
    let shown = fixture.show(2, 0);
    assert_eq!((shown["nodes"].as_u64(), shown["account"].as_str()), (Some(3), Some(name(0).as_str())));
    let form = format!("account={}", name(0));
    let own = desk(&fixture, "/account", "application/x-www-form-urlencoded", &form);
    assert!(own.status == 200 && own.body.contains("action=\"/account/fleet\""), "{}", own.body);
    let page = desk(&fixture, "/account/fleet", "application/x-www-form-urlencoded", &form);
    assert!(page.status == 200 && page.body.contains("Nodes of the fleet: 3."), "{}", page.body);
    assert!(
        !page.body.contains("node-1") && !page.body.contains("node-2"),
        "no node is named: {}",
        page.body
    );
    let asked = format!("{{\"account\":{:?}}}", name(0));
    let told = desk(&fixture, "/api/v1/account/fleet", "application/json", &asked);
    let told: serde_json::Value = serde_json::from_str(&told.body).expect("JSON");
    assert_eq!(told["band"], shown["band"], "the desk and the command line tell the same");
    let mut nobody = fixture.show(0, 77);
    nobody["account"] = name(2).into();
    assert_eq!(nobody, fixture.show(0, 2), "a name that no roster has looks like an unused account's");

    let erased = fixture.folders[0].command_in(&fixture.namespace, &["accounts", "erase", &name(0)]);
    assert_eq!(erased.code, Some(0), "{}", erased.stderr);
    fixture.await_total(0, 0, 3);
    for (node, daemon) in daemons.iter().enumerate() {
        wait_for_within("the node follows", LIMIT, || (daemon.export(&name(0)).up_bytes == 0).then_some(()));
        assert_eq!(
            daemon.export(&name(1)).up_bytes,
            if node == 1 { 7000 } else { 0 },
            "another account stays"
        );
    }
    fixture.send(2, 0, 5, LENGTH);
    fixture.await_total(0, 5000, 3);
    // The same of a name that no roster has: at once that nobody has followed, and then that all have.
    let [receipt, of_nobody] = [name(3), name(77)].map(|account| {
        let erased = fixture.folders[0].command_in(&fixture.namespace, &["accounts", "erase", &account]);
        assert_eq!(erased.code, Some(0), "{}", erased.stderr);
        erased.stdout.replace(&account, "ACCOUNT")
    });
    assert_eq!(of_nobody, receipt);
    for account in [0, 3, 77] {
        wait_for_within("all have followed", LIMIT, || {
            let words = ["fleet", "show", &name(account), "--confirmed"];
            let confirmed = fixture.folders[1].command_in(&fixture.namespace, &words);
            assert_eq!(confirmed.code, Some(0), "{}", confirmed.stderr);
            confirmed.stdout.starts_with("3 of 3 nodes have followed").then_some(())
        });
    }
}

#[test]
fn a_correction_over_the_fleet_is_one_sum_and_what_passes_after_it_is_added() {
    let fixture = Fixture::new("tcx", "1s", "");
    let daemons = fixture.start();
    (0..NODES).for_each(|node| fixture.send(node, 0, 10, LENGTH));
    fixture.send(1, 1, 7, LENGTH);
    fixture.await_total(0, 30_000, 3);
    let words =
        ["accounts", "correct", &name(0), "--up", "12345", "--down", "0", "--reason", "disputed", "--fleet"];
    let corrected = fixture.folders[0].command_in(&fixture.namespace, &words);
    assert_eq!(corrected.code, Some(0), "{}", corrected.stderr);
    assert!(corrected.stdout.contains("over the whole fleet: 12345 bytes sent"), "{}", corrected.stdout);
    fixture.await_total(0, 12_345, 3);
    for daemon in &daemons {
        wait_for_within("the node follows", LIMIT, || (daemon.export(&name(0)).up_bytes == 0).then_some(()));
    }
    fixture.send(2, 0, 5, LENGTH);
    fixture.await_total(0, 12_345 + 5000, 3);
    fixture.await_total(1, 7000, 3);
    assert_eq!(daemons[1].export(&name(1)).up_bytes, 7000, "another account stays");
}

#[test]
fn a_cluster_that_is_lost_stops_no_metering_and_is_made_whole_again() {
    let fixture = Fixture::new("tcx", "1s", "");
    let daemons = fixture.start();
    (0..NODES).for_each(|node| fixture.send(node, 0, 10, LENGTH));
    fixture.await_total(0, 30_000, 3);
    wait_for_within("all is sent", LIMIT, || {
        fixture.clusters_of(0).iter().all(|(state, _)| state == "sent").then_some(())
    });
    fixture.lose(1);
    fixture.send(0, 0, 10, LENGTH);
    wait_for_within("the loss is told", LIMIT, || {
        let of = fixture.clusters_of(0);
        (of[1].1.is_some() && of[0].1.is_none()).then_some(())
    });
    assert_eq!(daemons[0].status(), 2, "a cluster that is gone is worth a look");
    assert_eq!(daemons[0].export(&name(0)).up_bytes, 20_000, "metering goes on");
    let shown = fixture.folders[0].command_in(&fixture.namespace, &["fleet", "show", &name(0)]);
    assert_eq!(shown.code, Some(69), "{}", shown.stdout);
    assert!(shown.stderr.contains("cluster B cannot be reached"), "{}", shown.stderr);
    fixture.bring_back(1);
    for folder in &fixture.folders {
        let resent = folder.command_in(&fixture.namespace, &["fleet", "resend"]);
        assert_eq!(resent.code, Some(0), "{}", resent.stderr);
    }
    fixture.await_total(0, 40_000, 3);
    wait_for_within("all is well again", LIMIT, || {
        fixture.clusters_of(0).iter().all(|(_, trouble)| trouble.is_none()).then_some(())
    });
    let_pass(Duration::from_millis(10), "the log has a thread of its own");
    let log = fs::read_to_string(fixture.folders[0].path("stderr")).expect("a log");
    assert!(
        log.contains("fleet: cluster B ") && log.contains("fleet: cluster B takes what is sent again"),
        "{log}"
    );
    assert!(!log.contains(&name(0)));
}
