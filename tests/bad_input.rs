//! Whatever is wrong with what the program is given, it says so in one line that names the place and
//! repeats no address and no account, and ends with the exit code of the contract.

mod daemon;
mod netns;
#[path = "bad_input/ports.rs"]
mod ports;
#[path = "bad_input/shapes.rs"]
mod shapes;
mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use daemon::command::{NOBODY, bounded, ended, identity, repeats_nothing};
use daemon::{PROGRAM, Site, http};
use netns::Namespace;
use nix::sys::signal::Signal;
use support::ports::free_port;

/// What stands in the good configuration, what to write instead, on which line of that the mistake
/// is, and what the message holds.
type Mistake = (&'static str, &'static str, usize, &'static [&'static str]);

const MISTAKES: [Mistake; 42] = [
    ("crowd = 20", "crowds = 20", 0, &["`crowds`"]),
    ("[web]", "[webs]", 0, &["`webs`"]),
    ("[web]", "[extra]\n[web]", 0, &["`extra`"]),
    ("backend = \"auto\"", "backend = \"auto\"\nfast = true", 1, &["`fast`"]),
    ("roster = [\"root\"]", "operators = [\"root\"]", 0, &["`operators`"]),
    ("[tap]", "[tap", 0, &["table"]),
    ("[node]", "[tap]", 0, &["duplicate"]),
    ("name = \"black-box\"", "name = black-box", 0, &["quoted"]),
    ("crowd = 20", "crowd = \"20\"", 0, &["string"]),
    ("crowd = 20", "crowd = -1", 0, &["-1"]),
    ("\"24h\"", "\"24x\"", 0, &["duration like \"24h\""]),
    ("\"24h\"", "\"1.5h\"", 0, &["duration like \"24h\""]),
    ("\"24h\"", "24", 0, &["integer"]),
    ("\"7d\"", "\"-7d\"", 0, &["duration like \"24h\""]),
    ("\"28d\"", "\"99999999999999999999d\"", 0, &["duration like \"24h\""]),
    ("crowd = 20", "crowd = 20\nclamp = \"50GIB\"", 1, &["size like \"50GiB\""]),
    ("crowd = 20", "crowd = 20\nclamp = \"GiB\"", 1, &["size like \"50GiB\""]),
    ("\"1Gbit/s\"", "\"1Gbit\"", 0, &["rate like \"1Gbit/s\""]),
    ("\"1Gbit/s\"", "\"0Gbit/s\"", 0, &["release.link_capacity", "above 0"]),
    ("capacity = 64", "capacity = 0", 0, &["store.capacity", "1 to 16777216"]),
    ("\"28d\"", "\"36d\"", 0, &["store.period", "compiled-in ceiling of 35d"]),
    ("\"coarse\"", "\"exact\"", 0, &["release.mode", "\"noisy\" or \"coarse\""]),
    ("\"coarse\"", "\"noisy\"\nepsilon = 0", 1, &["release.epsilon", "above 0", "like 0.5"]),
    ("\"coarse\"", "\"noisy\"\nepsilon = 1e-10", 1, &["release.epsilon", "nine places"]),
    ("\"coarse\"", "\"noisy\"\nepsilon = \"1.0\"", 1, &["string"]),
    ("\"coarse\"", "\"noisy\"\nepsilon = 1e-9", 1, &["release.epsilon", "lower release.clamp"]),
    ("\"coarse\"", "\"noisy\"\nclamp = \"0B\"", 1, &["release.clamp", "1B to 1024TiB"]),
    ("\"coarse\"", "\"noisy\"\nclamp = \"2048TiB\"", 1, &["release.clamp", "1B to 1024TiB"]),
    ("\"memory\"", "\"disk\"", 0, &["store.mode", "\"sealed\" or \"memory\""]),
    ("\"memory\"", "\"sealed\"\nsave_every = \"0s\"", 1, &["store.save_every", "1s to 1h"]),
    ("\"auto\"", "\"ebpf\"", 0, &["tap.backend", "\"kernel\""]),
    ("\"auto\"", "\"best\"", 0, &["tap.backend", "\"pnet\""]),
    (
        "[control]",
        "[[roster.wireguard]]\ninterface = \"wg*\"\n[control]",
        1,
        &["roster.wireguard", "interface"],
    ),
    ("[web]", "listen = \"127.0.0.1:9777\"\n[web]", 0, &["support.listen", "support.config_file"]),
    ("[\"bm-none*\"]", "[]", 0, &["tap.interfaces", "at least one"]),
    ("[\"bm-none*\"]", "[\"a\", \"b\", \"a\"]", 0, &["tap.interfaces", "twice"]),
    ("\"bm-none*\"", "\"two words\"", 0, &["tap.interfaces", "1 to 127", "spaces"]),
    ("\"black-box\"", "\"black box\"", 0, &["node.name"]),
    ("\"canary-probe\"", "\"canary probe\"", 0, &["roster.probe_account", "%XX"]),
    ("\"10.77.0.0/16\"", "\"10.77.0.1/16\"", 0, &["roster.pools", "first address"]),
    ("\"fd77:77::/112\"", "\"10.77.5.0/24\"", 0, &["roster.pools", "overlaps"]),
    ("\"fd77:77::/112\"", "\"fd77:77::/96\"", 0, &["roster.pools", "2^20"]),
];

/// A roster text and what the message holds besides the file.
type BadRoster = (&'static [u8], &'static [&'static str]);

const BAD_ROSTERS: [BadRoster; 18] = [
    (b"", &["line 1", "prefix,account"]),
    (b"# canary\n10.77.0.1,canary\n", &["line 2", "header"]),
    (b"prefix,account\n10.77.0.1,canary-a\n# note\n10.77.0.1/32,canary-b\n", &["line 2 and line 4"]),
    (b"prefix,account\n10.77.0.1,a\nfd77::1,canary-a\nfd77:0:0::1,canary-b\n", &["line 3 and line 4"]),
    (b"prefix,account\n10.77.0.1\n", &["line 2", "expected prefix,account"]),
    (b"prefix,account\n10.77.0.1,canary,two\n", &["line 2", "expected prefix,account"]),
    (b"prefix,account\n\n10.77.0.256,canary\n", &["line 3", "not an address"]),
    (b"prefix,account\n10.77.0.1/33,canary\n", &["line 2", "0 to 32"]),
    (b"prefix,account\n10.77.0.1/24,canary\n", &["line 2", "past the prefix length"]),
    (b"prefix,account\n10.77.0.1,canary two\n", &["line 2", "%XX"]),
    (b"prefix,account\n10.77.0.1,canary%zz\n", &["line 2", "%XX"]),
    (b"prefix,account\n10.77.0.1,\n", &["line 2", "1 to 128 bytes"]),
    (b"prefix,account\n10.77.0.1,canary\xff\n", &["line 2", "UTF-8"]),
    (b"prefix,account\n10.77.0.1,\"canary\n", &["line 2", "a quotation mark that is not closed"]),
    (b"prefix,account,interface\n10.77.0.1,canary\n", &["line 2", "expected prefix,account,interface"]),
    (b"prefix,account,port\n10.77.0.1,canary,x\n", &["line 1", "prefix,account,interface"]),
    (b"\xff\xfep\0r\0e\0f\0i\0x\0", &["line 1", "UTF-16", "save it as UTF-8"]),
    (b"\x1f\x8b\x08\0canary", &["line 1", "gzip", "unpack it"]),
];

#[test]
fn a_mistake_in_the_configuration_is_named_with_its_line() {
    let site = Site::new();
    let good = site.config();
    for (from, to, offset, texts) in MISTAKES {
        let line = site.configure(from, to) + offset;
        let place = format!("{} line {line}:", site.name("blindmeter.toml"));
        for command in [&["check"][..], &["run"], &["run", "--dry-run"]] {
            site.command(command).failed(78, &[&[place.as_str()], texts].concat());
        }
        site.write("blindmeter.toml", &good);
    }
}

/// A pool written as a text instead of a list is the mistake that comes to mind.
#[test]
fn a_value_of_the_wrong_type_is_not_repeated() {
    let site = Site::new();
    let line = site.configure("[\"10.77.0.0/16\", \"fd77:77::/112\"]", "\"10.77.0.0/16\"");
    site.command(&["check"]).failed(78, &[&format!("line {line}:")]);
}

#[test]
#[cfg(not(feature = "lab"))]
fn a_floor_that_is_violated_is_named() {
    let site = Site::new();
    let good = site.config();
    for (from, to, key, floor) in [
        ("\"24h\"", "\"59m\"", "epoch.length", "1h"),
        ("crowd = 20", "crowd = 9", "release.crowd", "10"),
        ("\"7d\"", "\"6d\"", "support.refresh", "7d"),
    ] {
        let place =
            format!("line {}: {key}: the compiled-in floor is {floor}; raise it", site.configure(from, to));
        for command in ["check", "run"] {
            site.command(&[command]).failed(78, &[&place]);
        }
        site.write("blindmeter.toml", &good);
    }
    let line = site.configure("\"coarse\"", "\"noisy\"\nepsilon = 1.000000001") + 1;
    let place = format!("line {line}: release.epsilon: the compiled-in ceiling is 1.0");
    site.command(&["check"]).failed(78, &[&place]);
}

#[test]
fn a_bad_roster_is_named_with_its_lines() {
    let site = Site::new();
    let roster = site.name("roster.csv");
    let long = format!("prefix,account\n10.77.0.1,canary{}\n", "y".repeat(123));
    let rosters = BAD_ROSTERS.into_iter().chain([(long.as_bytes(), &["line 2", "1 to 128 bytes"][..])]);
    for (text, texts) in rosters {
        site.write("roster.csv", text);
        let texts = [&[roster.as_str()], texts].concat();
        site.command(&["check"]).failed(78, &texts);
        site.command(&["run"]).failed(78, &texts);
        let mut meter = bounded();
        meter.args([PROGRAM, "meter", "-", "--roster", &roster]);
        ended(meter).failed(78, &texts);
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_named() {
    let site = Site::new();
    let config = site.name("blindmeter.toml");
    site.configure("capacity = 64", "capacity = 1");
    site.command(&["check"]).failed(78, &["store.capacity", "2 accounts", "room for only 1"]);
    site.command(&["run"]).failed(78, &["1 accounts", "[store] capacity"]);
    site.write("blindmeter.toml", b"[tap]\n# \xff\n");
    site.command(&["check"]).failed(78, &[&config, "UTF-8"]);
    fs::remove_file(site.path("blindmeter.toml")).expect("the file is ours");
    for words in [&["check"][..], &["run"], &["status"], &["roster", "counts"]] {
        site.command(words).failed(78, &[&config, "No such file"]);
    }
}

#[test]
fn a_roster_file_that_cannot_be_read_is_named() {
    let site = Site::new();
    let (config, roster) = (site.name("blindmeter.toml"), site.name("roster.csv"));
    let mut meter = bounded();
    meter.args([PROGRAM, "meter", "/nonexistent.pcap", "--roster", &roster]);
    ended(meter).failed(74, &["/nonexistent.pcap", "No such file"]);

    fs::set_permissions(&roster, PermissionsExt::from_mode(0o600)).expect("it is ours");
    let mut check = bounded();
    check.args(identity(NOBODY)).arg(site.program_for_everybody()).args(["check", "--config", &config]);
    ended(check).failed(78, &[&roster, "Permission denied", "chgrp blindmeter"]);
    fs::remove_file(&roster).expect("it is ours");
    site.command(&["run"]).failed(78, &[&roster, "No such file"]);
    fs::create_dir(&roster).expect("the folder is ours");
    site.command(&["check"]).failed(78, &[&roster, "directory"]);
}

#[test]
fn a_missing_privilege_is_named() {
    let site = Site::new();
    let mut folder = site.path("open");
    fs::create_dir(&folder).expect("the folder is ours");
    fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).expect("it is ours");
    folder.push("control.sock");
    site.configure(&format!("\"{}\"", site.name("control.sock")), format!("\"{}\"", folder.display()));
    let nobody = [identity(NOBODY), vec!["--bounding-set=-all".to_owned()]].concat();
    let root_without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"].map(str::to_owned).to_vec();
    let good = site.config();
    for backend in ["auto", "ring", "pnet"] {
        site.write("blindmeter.toml", good.replace("\"auto\"", &format!("\"{backend}\"")));
        for person in [&nobody, &root_without] {
            let mut run = bounded();
            run.args(person).arg(site.program_for_everybody());
            run.args(["run", "--config", &site.name("blindmeter.toml")]);
            ended(run).failed(77, &["CAP_NET_RAW", "run as root"]);
        }
    }
}

#[test]
fn what_stands_at_the_sockets_path_is_named() {
    let site = Site::new();
    let (socket, path) = (site.name("control.sock"), site.path("control.sock"));
    let texts = |what: &'static str| ["control.socket", what, "move it away"];
    fs::create_dir(&path).expect("ours");
    site.command(&["run"]).failed(74, &texts("a folder is there"));
    site.command(&["check"]).failed(78, &texts("a folder is there"));
    fs::remove_dir(&path).expect("ours");
    std::os::unix::fs::symlink("/nonexistent/x", &path).expect("ours");
    site.command(&["run"]).failed(74, &texts("a link is there"));
    site.command(&["check"]).failed(78, &texts("a link is there"));
    fs::remove_file(&path).expect("ours");
    // What a dead daemon left is no obstacle.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("free"));
    site.command(&["check"]).succeeded();
    site.configure(&format!("\"{socket}\""), format!("\"{}\"", site.name("a/b/control.sock")));
    site.command(&["run"]).failed(74, &["control.socket", "make its folder first"]);
    site.command(&["check"]).failed(78, &["control.socket", "make its folder first"]);
    let long = format!("\"/run/{}\"", "s".repeat(103));
    site.configure(&format!("\"{}\"", site.name("a/b/control.sock")), long);
    for command in ["check", "run"] {
        site.command(&[command])
            .failed(78, &["control.socket: expected a path of 1 to 107 bytes", "has 108"]);
    }
}

#[test]
fn a_taken_port_and_a_living_daemon_are_named() {
    let site = Site::new();
    let holder = TcpListener::bind(("127.0.0.1", site.port)).expect("the port is free");
    let address = format!("127.0.0.1:{}", site.port);
    site.command(&["run"]).failed(69, &["web.listen", &address, "another port"]);
    drop(holder);

    let daemon = site.start();
    let good = site.config();
    site.configure(&address, format!("127.0.0.1:{}", free_port()));
    site.command(&["run"]).failed(69, &["control.socket", &site.name("control.sock"), "another daemon"]);
    site.write("blindmeter.toml", good);
    site.command(&["status"]).succeeded();
    assert!(daemon.metric("blindmeter_store_ok") == "1", "the first daemon goes on");
}

#[test]
fn an_interface_that_is_not_there_is_waited_for_and_said_once() {
    let namespace = Namespace::new();
    let site = Site::new();
    site.configure("\"bm-none*\"", "\"bm-none0\"");
    let mut command = site.daemon_command(&[]);
    let mut daemon = site.adopt(namespace.run(move || command.spawn()).expect("setpriv is there"));
    daemon.await_answer();
    for _ in 0..3 {
        daemon.reload();
        namespace.command("ip link add bm-other0 type veth peer name bm-other1");
        namespace.command("ip link del bm-other0");
    }
    // An export waits for the tap, which has read the news of the links by then.
    site.command(&["accounts", "export", "--node"]).succeeded();
    let waiting = daemon.said().lines().filter(|line| line.contains("bm-none0")).count();
    assert_eq!(waiting, 1, "said once: {}", daemon.said());
    daemon.await_said("interface bm-none0: not present yet; waiting for it", 1);
    let outcome = site.command(&["status"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(2), ""));
    let outcome = site.command(&["status", "--json"]);
    assert_eq!(outcome.code, Some(2));
    let status: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(status["schema_version"], 1);
    assert_eq!(status["interfaces"], serde_json::json!([{"interface": "bm-none0", "attached": false}]));
    let port = site.port;
    let page = namespace.run(move || http::get(port, "/metrics")).body;
    assert!(page.contains("blindmeter_tap_attached{interface=\"bm-none0\"} 0"), "{page}");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0));
}

/// The first thing that somebody with a small node has to know.
#[test]
fn check_says_how_far_a_release_is_from_the_truth_and_what_to_do_about_it() {
    let site = Site::new();
    site.configure("mode = \"coarse\"\n", "");
    site.configure("\"1Gbit/s\"", "\"100Mbit/s\"");
    let small = site.command(&["check"]).succeeded();
    for text in [
        "mode = \"noisy\"\nepsilon = 1.0\nclamp = \"50GiB\"",
        "noise with a standard deviation of 70.7 GiB",
        "7.0 % of the link's capacity",
        "sum the fleet",
        "a week of 7 epochs (2.7 %)",
        "release.mode = \"coarse\"",
    ] {
        assert!(small.contains(text), "{text:?} is said: {small}");
    }
    let report = site.command(&["check", "--json"]).succeeded();
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let figure = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{name} is a number"));
    let share = figure("expected_error_bytes") / figure("link_bytes_per_epoch");
    assert!((0.07..0.071).contains(&share), "{share}");
    site.configure("\"100Mbit/s\"", "\"10Gbit/s\"");
    let large = site.command(&["check"]).succeeded();
    assert!(large.contains("0.08 % of the link's capacity") && !large.contains("fleet"), "{large}");
}

/// What starts and then disappoints is said before the start, each with what to do.
#[test]
fn check_warns_of_what_starts_but_disappoints() {
    let site = Site::sealed();
    let good_key: [u8; 32] = std::array::from_fn(|at| at.to_le_bytes()[0].wrapping_mul(73) ^ 0x5a);
    site.write_key(&good_key);
    let warned = |outcome: String, texts: &[&str]| {
        let warnings: Vec<&str> = outcome.lines().filter(|line| line.starts_with("# warning: ")).collect();
        for text in texts {
            assert!(warnings.iter().any(|line| line.contains(text)), "{text:?} is said: {outcome}");
        }
        repeats_nothing(&outcome);
        warnings.len()
    };
    let check = || site.command(&["check"]).succeeded();
    assert_eq!(warned(check(), &["release.crowd: the roster names 2 accounts"]), 1);
    assert_eq!(check().matches("release.crowd: ").count(), 1, "once");
    let all: String = (0..20).map(|n| format!("10.77.1.{n},canary-{n}\n")).collect();
    site.write("roster.csv", format!("prefix,account\n{all}"));
    assert_eq!(warned(check(), &[]), 0);
    site.write("roster.csv", format!("prefix,account\n{all}0.0.0.0/0,canary-1\n::/0,canary-2\n"));
    assert_eq!(warned(check(), &["line 22: one account owns every address", "line 23: one account"]), 2);
    site.write("roster.csv", format!("prefix,account\n{all}"));
    site.configure("support = [\"root\"]", "support = [\"no-such-user\", \"@operator\"]");
    let texts = ["no user or group no-such-user", "control.roles.support: nobody has this role"];
    assert_eq!(warned(check(), &texts), 2);
    site.configure("support = [\"no-such-user\", \"@operator\"]", "support = [\"root\"]");
    site.write_key(&[0; 32]);
    assert_eq!(warned(check(), &["store.key_file", "one byte over and over", "head -c 32"]), 1);
    site.write_key(&good_key);
    site.configure("\"127.0.0.1:", "\"0.0.0.0:");
    assert_eq!(warned(check(), &["other hosts can reach /metrics without TLS", "listen on 127.0.0.1"]), 1);
    let report: serde_json::Value =
        serde_json::from_str(&site.command(&["check", "--json"]).succeeded()).expect("JSON");
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(1));
}

/// The length of a server's status file tells each log-in to whoever may ask for it.
#[test]
fn check_warns_of_a_status_file_that_others_reach() {
    let site = Site::sealed();
    let folder = site.path("status");
    fs::create_dir(&folder).expect("the folder is ours");
    let mut above = folder.ancestors().skip(1);
    let is_open = |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 1 != 0);
    let is_reached = above.all(is_open);
    site.configure("[web]", format!("[[roster.openvpn]]\nstatus = \"{}/server\"\n[web]", folder.display()));
    let warned =
        || site.command(&["check"]).succeeded().matches("sees each log-in by the file's length").count();
    for (mode, expected) in [(0o755, usize::from(is_reached)), (0o750, 0)] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).expect("it is ours");
        assert_eq!(warned(), expected, "{mode:o}");
    }
    assert!(is_reached, "this test needs a temporary folder that everybody may enter");
}

/// An address that is moved to an account which is then looked at tells when the address is used.
#[test]
fn check_warns_of_one_person_with_two_roles() {
    let site = Site::sealed();
    let warned = || site.command(&["check"]).succeeded().matches("have both roster and ").count();
    assert_eq!(warned(), 0, "root may do everything anyhow");
    site.configure("roster = [\"root\"]", "roster = [\"root\", \"games\", \"nobody\"]");
    assert_eq!(warned(), 0);
    site.configure("support = [\"root\"]", "support = [\"root\", \"@games\", \"games\"]");
    assert_eq!(warned(), 1);
    site.configure("privacy = [\"root\"]", "privacy = [\"nobody\"]");
    assert_eq!(warned(), 2);
}

/// Root reads everything; the daemon's user does not.
#[test]
fn check_reads_as_the_daemons_user() {
    let site = Site::sealed();
    let check = || site.command(&["check", "--as-user", "nobody"]);
    let path = |file: &str| site.path(file);
    let mode =
        |file: &str, mode| fs::set_permissions(path(file), PermissionsExt::from_mode(mode)).expect("ours");
    let own = |file: &str, user| std::os::unix::fs::chown(path(file), Some(user), None).expect("ours");
    site.command(&["check"]).succeeded();
    check().failed(78, &["control.socket", "let the daemon's user write into"]);
    own("", NOBODY.user);
    check().failed(78, &["store.key_file", "Permission denied"]);
    own("ledger.key", NOBODY.user);
    assert!(check().succeeded().contains("# read as user nobody (--as-user)"));
    mode("roster.csv", 0o600);
    check().failed(78, &[&site.name("roster.csv"), "Permission denied", "chgrp blindmeter"]);
    mode("roster.csv", 0o644);
    let good = site.config();
    site.configure(&site.name("ledger.sealed"), site.name("missing/ledger.sealed"));
    check().failed(78, &["store.path", "is no folder"]);
    site.command(&["check"]).failed(78, &["store.path", "is no folder"]);
    site.write("blindmeter.toml", good);
    mode("blindmeter.toml", 0o600);
    check().failed(78, &[&site.name("blindmeter.toml"), "Permission denied"]);
    site.command(&["check", "--as-user", "no-such-user"]).failed(78, &["--as-user: no user no-such-user"]);
    mode("blindmeter.toml", 0o644);
    let mut without_root = bounded();
    without_root.args(identity(NOBODY)).arg(site.program_for_everybody());
    without_root.args(["check", "--as-user", "root", "--config", &site.name("blindmeter.toml")]);
    ended(without_root).failed(77, &["--as-user", "run `check` as root"]);
}

/// The unit says as whom the daemon runs, which key it gets, and who reaches it.
#[test]
fn check_reads_as_the_user_of_the_unit() {
    let site = Site::sealed();
    let unit = "User=nobody\nLoadCredential=ledger.key:KEY\nIPAddressDeny=any\nIPAddressAllow=localhost\n";
    site.write("unit", format!("[Service]\n{}", unit.replace("KEY", &site.name("ledger.key"))));
    std::os::unix::fs::chown(site.path(""), Some(NOBODY.user), None).expect("ours");
    site.configure("\"127.0.0.1:", "\"0.0.0.0:");
    let script = format!(
        "mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system && \
         cp {} /run/systemd/system/blindmeter.service && {PROGRAM} check --config {}",
        site.name("unit"),
        site.name("blindmeter.toml")
    );
    let mut shell = bounded();
    shell.args(["unshare", "--mount", "sh", "-c", &script]);
    let said = ended(shell).succeeded();
    // The key is root's, and the service manager hands it over.
    assert!(said.contains("# read as user nobody (User= of the unit)"), "{said}");
    assert!(said.contains("a scrape from elsewhere times out; add IPAddressAllow="), "{said}");
}

#[test]
fn check_prints_what_is_in_force_and_no_account_and_no_pool() {
    let site = Site::new();
    let output = site.command(&["check"]).succeeded();
    repeats_nothing(&output);
    for line in ["name = \"black-box\"", "crowd = 20", "2 accounts", "2 prefixes", "policy digest"] {
        assert!(output.contains(line), "{line:?} is in force: {output}");
    }
    repeats_nothing(&site.command(&["run", "--dry-run"]).succeeded());

    site.write("roster.csv", "prefix,account\n10.77.0.1,canary\n10.77.0.2,10.77.0.2\n");
    let outcome = site.command(&["check"]);
    assert_eq!(outcome.code, Some(0), "a name that looks like an address is a warning");
    let place = format!("{} line 3: ", site.name("roster.csv"));
    assert!(outcome.stderr.contains(&place) && outcome.stderr.lines().count() == 1, "{}", outcome.stderr);
    repeats_nothing(&outcome.stdout);
    repeats_nothing(&outcome.stderr);
}
