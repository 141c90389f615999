//! The queries of docs/other-servers.md, as they stand there, on tables of the columns that they name: what they
//! print is taken by the daemon, or by `check`, and says whose is what.
//!
//! The tables are this test's own and hold what those servers keep beside it, which must not come out.

mod daemon;
mod support;

use daemon::Site;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use support::command::apart;

/// What stands in the tables beside the two columns that are asked for.
const UNASKED: [&str; 3] = ["198.51.100.77", "2026-11-28 21:45", "laptop of a person"];

/// Whose a public key is: base64 of 32 bytes.
const KEYS: [&str; 3] = [
    "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
    "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=",
    "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=",
];

/// The line of the page that holds this text, with the file that it reads and the one that it writes.
fn line(holding: &str) -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/other-servers.md"));
    let page = page.expect("the page is there");
    let lines: Vec<_> = page.lines().filter(|line| line.contains(holding) && line.contains('|')).collect();
    let more: Vec<_> = page.lines().filter(|line| line.contains(holding) && line.contains(" > ")).collect();
    let found = if lines.is_empty() { more } else { lines };
    assert_eq!(found.len(), 1, "{holding:?} stands in one line: {found:?}");
    found[0].to_owned()
}

/// Runs a line of the page by the shell, with these files in the place of those that it names. `blindmeter` is a
/// program that asks the site's daemon.
fn run(site: &Site, line: &str, files: &[(&str, &str)]) -> String {
    let wrapper = site.path("bin");
    fs::create_dir_all(&wrapper).expect("the folder is ours");
    let script = format!(
        "#!/bin/sh\nexec {} \"$@\" --socket {}\n",
        env!("CARGO_BIN_EXE_blindmeter"),
        site.name("control.sock")
    );
    fs::write(wrapper.join("blindmeter"), script).expect("the folder is ours");
    fs::set_permissions(wrapper.join("blindmeter"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let mut line = line.to_owned();
    for (named, ours) in files {
        assert!(line.contains(named), "{named} stands in {line}");
        line = line.replace(named, &site.name(ours));
    }
    let mut shell = apart("sh");
    let path = format!("{}:{}", wrapper.display(), std::env::var("PATH").unwrap_or_default());
    let output = shell.args(["-ec", &line]).env("PATH", path).output().expect("a shell");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{line}: {told}");
    told + &String::from_utf8_lossy(&output.stdout)
}

fn database(site: &Site, file: &str, statements: &str) {
    let mut sqlite = Command::new("sqlite3");
    let output = sqlite.arg(site.path(file)).arg(statements).output().expect("sqlite3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The peers file that a line writes; `check` takes it.
fn peers(site: &Site, line: &str, named: &str, ours: &str) -> String {
    run(site, line, &[(named, ours), ("/etc/blindmeter/peers.csv", "peers.csv")]);
    let written = fs::read_to_string(site.path("peers.csv")).expect("the line writes it");
    site.write("peers.csv", &written);
    site.command(&["check"]).succeeded();
    for text in UNASKED {
        assert!(!written.contains(text), "{text} came out");
    }
    written.replace('\r', "")
}

/// A site whose WireGuard device's peers are in `peers.csv`.
fn with_peers() -> Site {
    let site = Site::new();
    site.write("peers.csv", "public_key,account\n");
    let table = format!(
        "[[roster.wireguard]]\ninterface = \"wg0\"\naccounts = \"{}\"\n[web]",
        site.name("peers.csv")
    );
    site.configure("[web]", table);
    site
}

#[test]
fn the_peers_of_panels_become_a_peers_file() {
    let site = with_peers();
    let [a, b, c] = KEYS;
    let [endpoint, time, name] = UNASKED;
    let rows = [(1, a, 7, 1), (2, b, 7, 1), (3, c, 8, 0)].map(|(id, key, user, enabled)| {
        format!("INSERT INTO clients_table VALUES ({id}, {user}, '{name}', '{key}', '{endpoint}', {enabled}, '{time}');")
    });
    let table =
        "CREATE TABLE clients_table (id, user_id, name, public_key, server_endpoint, enabled, created_at);";
    database(&site, "wg-easy.db", &(table.to_owned() + &rows.concat()));
    let written = peers(&site, &line("clients_table"), "/etc/wireguard/wg-easy.db", "wg-easy.db");
    assert_eq!(written, format!("public_key,account\n{a},user-7\n{b},user-7\n"));

    let older = format!(
        "{{\"server\":{{\"privateKey\":\"secret\"}},\"clients\":{{\
         \"id-1\":{{\"id\":\"id-1\",\"name\":\"{name}\",\"address\":\"10.8.0.2\",\"publicKey\":\"{a}\",\
         \"createdAt\":\"{time}\",\"endpoint\":\"{endpoint}\"}},\
         \"id-2\":{{\"id\":\"id-2\",\"name\":\"{name}\",\"publicKey\":\"{b}\"}}}}}}"
    );
    site.write("wg0.json", older);
    let written = peers(&site, &line("wg0.json"), "/etc/wireguard/wg0.json", "wg0.json");
    assert_eq!(written, format!("public_key,account\n\"{a}\",\"id-1\"\n\"{b}\",\"id-2\"\n"));

    let table = format!(
        "CREATE TABLE wg0 (id, private_key, name, endpoint, latest_handshake);
         INSERT INTO wg0 VALUES ('{a}', 'secret', 'anna, phone', '{endpoint}', '{time}'),
             ('{b}', 'secret', '50%', '{endpoint}', '{time}'), ('{c}', 'secret', '', '{endpoint}', '{time}');
         CREATE TABLE DashboardClientsPeerAssignment
             (AssignmentID, ClientID, ConfigurationName, PeerID, AssignedDate, UnassignedDate);
         INSERT INTO DashboardClientsPeerAssignment VALUES (1, 'client-1', 'wg0', '{a}', '{time}', NULL),
             (2, 'client-1', 'wg0', '{b}', '{time}', NULL), (3, 'client-2', 'wg0', '{c}', '{time}', '{time}'),
             (4, 'client-3', 'wg1', '{c}', '{time}', NULL);"
    );
    database(&site, "wgdashboard.db", &table);
    let file = "/opt/WGDashboard/src/db/wgdashboard.db";
    let written = peers(&site, &line("FROM wg0"), file, "wgdashboard.db");
    assert_eq!(written, format!("public_key,account\n{a},anna%2C%20phone\n{b},50%25\n"));
    let written = peers(&site, &line("DashboardClientsPeerAssignment"), file, "wgdashboard.db");
    assert_eq!(written, format!("public_key,account\n{a},client-1\n{b},client-1\n"));
}

/// What a line sends to the daemon, which takes it without a word.
fn sent(site: &Site, line: &str, named: &str, ours: &str) -> String {
    let (query, sync) = line.split_once(" | ").expect("a query and a command");
    assert_eq!(sync, "blindmeter roster sync -");
    let sent = run(site, query, &[(named, ours)]);
    assert_eq!(run(site, line, &[(named, ours)]), "", "a sync is quiet");
    for text in UNASKED {
        assert!(!sent.contains(text), "{text} came out");
    }
    sent.replace('\r', "")
}

#[test]
fn the_nodes_of_meshes_become_assignments() {
    let site = Site::new();
    let daemon = site.start();
    let [endpoint, time, name] = UNASKED;
    let node = |id: u32, user: &str, deleted: &str| {
        let addresses = format!("'{endpoint}', '10.77.9.{id}', 'fd77:77::9:{id}'");
        format!("INSERT INTO nodes VALUES ({id}, {addresses}, '{name}', {user}, '{time}', {deleted});")
    };
    let table = "CREATE TABLE nodes (id, endpoints, ipv4, ipv6, hostname, user_id, last_seen, deleted_at);";
    let gone = format!("'{time}'");
    let nodes = [node(1, "1", "NULL"), node(2, "1", "NULL"), node(3, "NULL", "NULL"), node(4, "2", &gone)];
    database(&site, "db.sqlite", &(table.to_owned() + &nodes.concat()));
    let rows = sent(&site, &line("FROM nodes"), "/var/lib/headscale/db.sqlite", "db.sqlite");
    let expected = "10.77.9.1,user-1\n10.77.9.2,user-1\nfd77:77::9:1,user-1\nfd77:77::9:2,user-1\n";
    assert_eq!(rows, format!("prefix,account\n{expected}"));

    let table = format!(
        "CREATE TABLE peers (id, key, ip, user_id, meta_hostname, peer_status_last_seen, location_connection_ip);
         INSERT INTO peers VALUES ('p1', 'k', '\"10.77.8.1\"', 'u1', '{name}', '{time}', '\"{endpoint}\"'),
             ('p2', 'k', '\"10.77.8.2\"', 'u1', '{name}', '{time}', '\"{endpoint}\"'),
             ('p3', 'k', '\"10.77.8.3\"', '', '{name}', '{time}', '\"{endpoint}\"');"
    );
    database(&site, "store.db", &table);
    let rows = sent(&site, &line("FROM peers"), "/var/lib/netbird/store.db", "store.db");
    assert_eq!(rows, "prefix,account\n10.77.8.1,u1\n10.77.8.2,u1\n10.77.8.3,p3\n");
    drop(daemon);
}
