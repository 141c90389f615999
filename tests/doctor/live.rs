//! `doctor` beside the real thing, in a network namespace: a node_exporter and what it serves, the
//! daemon and its packet sockets, conntrack; and what it says without a configuration or a daemon.

use crate::daemon::command::{NOBODY, Outcome, Person, bounded, ended, identity, repeats_nothing};
use crate::daemon::{Daemon, PROGRAM, Site, http};
use crate::netns::Namespace;
use crate::netns::packet_socket::PacketSocket;
use crate::report::Report;
use crate::support::program::Program;
use crate::support::wait::wait_for;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio, id};

const EXPORTER: &str = "prometheus-node-exporter";
const EXPORTER_PORT: u16 = 9100;

/// A namespace with a tunnel `wg0`, and a configuration for it.
fn tunnel() -> (Namespace, Site) {
    let namespace = Namespace::new();
    namespace.command("ip tuntap add dev wg0 mode tun");
    namespace.command("ip link set wg0 up");
    let site = Site::new();
    site.configure("\"bm-none*\"", "\"wg0\"");
    (namespace, site)
}

fn doctor(namespace: &Namespace, site: &Site, words: &[&str]) -> Outcome {
    let mut command = bounded();
    command.arg(PROGRAM).arg("doctor").args(words).arg("--config").arg(site.path("blindmeter.toml"));
    namespace.run(move || ended(command))
}

fn examined(namespace: &Namespace, site: &Site) -> Report {
    Report::of(&doctor(namespace, site, &["--json"]))
}

fn start<'a>(namespace: &Namespace, site: &'a Site) -> Daemon<'a> {
    let mut command = site.daemon_command(&[]);
    let mut daemon = site.adopt(namespace.run(move || command.spawn()).expect("the daemon can be started"));
    daemon.await_answer();
    daemon
}

#[test]
fn a_real_node_exporter_is_judged_by_what_it_serves() {
    let (namespace, site) = tunnel();
    for (arguments, is_exported) in [
        (&[][..], true),
        (&["--collector.netdev.device-exclude=^(lo|eth.*)$"], true),
        (&["--collector.netdev.device-exclude", "^wg"], false),
        (&["--collector.netdev.device-exclude=^(wg0|tun.*)$"], false),
        // Debian's build leaves `lo` out by default, and the two options exclude each other.
        (&["--collector.netdev.device-exclude=", "--collector.netdev.device-include=^lo$"], false),
        (&["--no-collector.netdev"], false),
        (&["--collector.netdev.device-exclude=^wg0$", "--collector.qdisc"], true),
        (&["--collector.disable-defaults", "--collector.netclass", "--collector.netclass.netlink"], false),
        (
            &[
                "--collector.disable-defaults",
                "--collector.netclass",
                "--collector.netclass.netlink",
                "--collector.netclass_rtnl.with-stats",
            ],
            true,
        ),
    ] {
        let words: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let running = namespace.run(move || {
            let mut command = Command::new("setpriv");
            command
                .args(["--pdeathsig", "KILL", EXPORTER, "--web.listen-address=127.0.0.1:9100"])
                .args(words);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        });
        let running = Program(running.expect("tests need prometheus-node-exporter (tests/run)"));
        let page = wait_for("node_exporter serves", || {
            let listens = || std::net::TcpStream::connect(("127.0.0.1", EXPORTER_PORT)).is_ok();
            namespace.run(move || listens().then(|| http::get(EXPORTER_PORT, "/metrics").body))
        });
        let bytes = |line: &str| {
            [
                "node_network_receive_bytes_total",
                "node_network_transmit_bytes_total",
                "node_qdisc_bytes_total",
            ]
            .iter()
            .any(|series| line.starts_with(series))
                && line.contains("device=\"wg0\"")
        };
        assert_eq!(page.lines().any(bytes), is_exported, "{arguments:?}: what it serves");
        let report = examined(&namespace, &site);
        let pid = format!("(pid {}) exports wg0", running.0.id());
        assert_eq!(report.what(1).contains(&pid), is_exported, "{arguments:?}: {}", report.what(1));
        assert_eq!(report.state(1) == "void", is_exported, "{arguments:?}: {}", report.what(1));
    }
}

#[test]
fn the_daemons_own_packet_sockets_are_nobody_elses() {
    for backend in ["ring", "pnet"] {
        let (namespace, site) = tunnel();
        site.configure("backend = \"auto\"", format!("backend = \"{backend}\""));
        let daemon = start(&namespace, &site);
        let sockets =
            namespace.run(|| std::fs::read_to_string("/proc/thread-self/net/packet")).expect("a table");
        assert!(sockets.lines().count() > 1, "{backend} has packet sockets: {sockets}");
        let report = examined(&namespace, &site);
        assert_eq!(report.state(8), "ok", "{backend}: {}", report.what(8));
        assert_eq!(report.json["tap"]["state"], "note");
        assert!(report.json["tap"]["what"].as_str().is_some_and(|what| what.starts_with(backend)));
        let capture = PacketSocket::oracle(&namespace, "wg0");
        let with_another = examined(&namespace, &site);
        assert_eq!(with_another.state(8), "void");
        let said = with_another.what(8);
        assert!(said.contains(&format!("(pid {})", id())) && said.ends_with("captures wg0"), "{said}");
        assert!(!said.contains(&format!("(pid {})", daemon.id())), "{said}");
        drop(capture);
        // A child that another test forks holds our descriptors until it has its own program.
        wait_for("the capture is over", || (examined(&namespace, &site).state(8) == "ok").then_some(()));
        // A daemon that does not answer cannot be told from anybody else.
        site.configure("control.sock", "nobody.sock");
        assert_eq!(examined(&namespace, &site).state(8), "void", "{backend}: sockets of nobody known");
    }
}

#[test]
fn conntrack_that_counts_or_keeps_times_is_found() {
    let (namespace, site) = tunnel();
    assert_eq!(examined(&namespace, &site).state(8), "ok");
    for (setting, what) in
        [("nf_conntrack_acct", "counts the bytes"), ("nf_conntrack_timestamp", "keeps the times")]
    {
        namespace.sysctl(&format!("net/netfilter/{setting}"), "1");
        let report = examined(&namespace, &site);
        assert_eq!(report.state(8), "void", "{setting}");
        assert!(report.what(8).contains(what) && report.text.contains(setting), "{}", report.what(8));
        namespace.sysctl(&format!("net/netfilter/{setting}"), "0");
    }
    assert_eq!(examined(&namespace, &site).state(8), "ok");
}

#[test]
fn an_interface_that_is_not_here_is_said_to_be_elsewhere() {
    let (namespace, site) = tunnel();
    site.configure("\"wg0\"", "\"wg0\", \"wg9\", \"vpns*\"");
    let report = examined(&namespace, &site);
    assert_eq!(report.state(8), "unknown");
    assert_eq!(report.what(8), "unknown: wg9 is not in this network namespace");
}

#[test]
fn who_is_connected_does_not_show() {
    let (namespace, site) = tunnel();
    site.configure("\"wg0\"", "\"wg0\", \"vpns*\"");
    let before = examined(&namespace, &site).of_this_namespace();
    namespace.command("ip tuntap add dev vpns5 mode tun");
    namespace.command("ip link set vpns5 up");
    assert_eq!(examined(&namespace, &site).of_this_namespace(), before, "a client's interface came");
    let capture = PacketSocket::oracle(&namespace, "vpns5");
    let report = examined(&namespace, &site);
    assert!(report.what(8).contains("captures vpns*"), "{}", report.what(8));
    assert!(!report.text.contains("vpns5"), "{}", report.text);
    drop(capture);
}

#[test]
fn the_sandbox_is_told_by_the_daemon_to_those_it_answers() {
    let (namespace, site) = tunnel();
    let daemon = start(&namespace, &site);
    let status: serde_json::Value =
        serde_json::from_str(&site.command(&["status", "--json"]).stdout).expect("status prints JSON");
    let report = examined(&namespace, &site);
    let told = report.json["sandbox"]["what"].as_str().expect("a line");
    assert!(told.starts_with(status["sandbox"].as_str().expect("a level")), "{told}");
    // Whatever the kernel or a limit withholds is a remark with a remedy; only the whole is "ok".
    let is_full = status["sandbox"] == "full";
    assert_eq!(report.json["sandbox"]["state"], if is_full { "ok" } else { "note" });
    assert_eq!(report.json["sandbox"]["remedy"].is_string(), !is_full);
    let missing = status["sandbox_missing"].as_array().expect("a list");
    assert_eq!(missing.is_empty(), is_full);
    for part in missing {
        assert!(told.contains(part.as_str().expect("a part")), "{told}");
    }
    // By the socket alone: the interfaces are the daemon's word, where it keeps things is not told.
    let mut command = bounded();
    command.args([PROGRAM, "doctor", "--json", "--socket"]).arg(site.path("control.sock"));
    let by_socket = Report::of(&namespace.run(move || ended(command)));
    assert_eq!(by_socket.state(8), "ok", "{}", by_socket.what(8));
    assert_eq!((by_socket.state(9), by_socket.state(10)), ("unknown", "unknown"));
    assert!(by_socket.checks()[8]["remedy"].as_str().is_some_and(|remedy| remedy.contains("--config")));
    // Somebody without a role is told that he may not ask; the checks go on.
    let mut command = bounded();
    command.args(identity(NOBODY)).arg(site.program_for_everybody());
    command.args(["doctor", "--json", "--config"]).arg(site.path("blindmeter.toml"));
    let refused = Report::of(&namespace.run(move || ended(command)));
    assert_eq!(refused.json["sandbox"]["what"], "unknown: this user may not ask the daemon");
    site.command_as(NOBODY, &["doctor"]).failed(77, &["role"]);
    drop(daemon);
    site.command_as(Person { user: 0, ..NOBODY }, &["doctor"]).failed(69, &["no daemon answers"]);
}

#[test]
fn a_configuration_that_is_not_good_ends_with_78() {
    let site = Site::new();
    let line = site.configure("crowd = 20", "crowd = 20\nnosuch = \"10.77.0.9\"");
    site.command(&["doctor"]).failed(78, &["blindmeter.toml", &format!("line {}", line + 1)]);
    let mut command = bounded();
    command.args([PROGRAM, "doctor", "--config", "/nonexistent.toml"]);
    ended(command).failed(78, &["/nonexistent.toml", "--config FILE"]);
    let mut command = bounded();
    command.args([PROGRAM, "doctor", "--config", "a", "--socket", "b"]);
    ended(command).failed(64, &[]);
}

#[test]
fn the_keys_of_the_report_keep_their_order() {
    let (namespace, site) = tunnel();
    let text = doctor(&namespace, &site, &["--json"]).stdout;
    repeats_nothing(&text);
    assert_eq!(text.lines().count(), 1, "one document on one line");
    let keys: Vec<&str> =
        text.split("\"").filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase())).collect();
    let at =
        |key: &str| keys.iter().position(|found| *found == key).unwrap_or_else(|| panic!("no key {key}"));
    let order = [
        "schema_version",
        "void",
        "checks",
        "number",
        "check",
        "state",
        "what",
        "remedy",
        "sandbox",
        "tap",
        "users",
    ];
    let places: Vec<usize> = order.iter().map(|key| at(key)).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn a_reader_that_goes_away_does_no_harm() {
    let (namespace, site) = tunnel();
    for words in [&["doctor"][..], &["doctor", "--json"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(PROGRAM);
        command.args(words).arg("--config").arg(site.path("blindmeter.toml"));
        command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).process_group(0);
        let output = namespace.run(move || command.output()).expect("it runs");
        assert!(matches!(output.status.code(), Some(0 | 3)), "{:?}", output.status);
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
