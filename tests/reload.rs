//! Signals: SIGHUP takes a good configuration and roster whole and refuses a bad one whole, SIGTERM ends
//! the daemon cleanly, and neither needs a log that can be written.

mod daemon;
mod support;

use std::fs::OpenOptions;
use std::net::TcpStream;
use std::process::Stdio;

use daemon::command::{Person, bounded, ended, repeats_nothing};
use daemon::{Daemon, PROGRAM, Site, http};
use nix::sys::signal::Signal;
use support::ports::free_port;
use support::wait::wait_for;

/// A member of staff, whom every Debian has.
const GAMES: Person = Person { user: 5, group: 65_534, more_groups: &[] };

const RELOAD_OK: &str = "blindmeter_config_last_reload_successful";

fn is_refused(daemon: &Daemon<'_>, texts: &[&str]) {
    let line = daemon.reload();
    for text in ["refused"].iter().chain(texts) {
        assert!(line.contains(text), "{text:?} is named: {line}");
    }
    repeats_nothing(&line);
    assert_eq!(daemon.metric(RELOAD_OK), "0", "{line}");
}

fn is_accepted(daemon: &Daemon<'_>) {
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    assert_eq!(daemon.metric(RELOAD_OK), "1");
}

#[test]
fn a_bad_reload_is_refused_whole_and_a_good_one_accepted() {
    let site = Site::new();
    let daemon = site.start();
    let (config, roster) = (site.config(), site.name("roster.csv"));
    assert_eq!(daemon.metric(RELOAD_OK), "1");
    site.write("roster.csv", "prefix,account\n10.77.0.1,canary-a\n\n10.77.0.1,canary-b\n");
    is_refused(&daemon, &[&roster, "line 2 and line 4"]);
    let status = site.command(&["status", "--json"]).stdout;
    assert!(status.contains("\"reload_ok\":false"), "{status}");
    let lines: String = (0..65).map(|n| format!("10.77.1.{n},canary-{n}\n")).collect();
    site.write("roster.csv", format!("prefix,account\n{lines}"));
    is_refused(&daemon, &[&roster, "more than 64 accounts, counted over all sources"]);
    std::fs::remove_file(&roster).expect("it is ours");
    is_refused(&daemon, &[&roster, "No such file"]);
    site.write("roster.csv", "prefix,account\n10.77.0.1,canary-a\n");
    is_accepted(&daemon);

    let line = site.configure("crowd = 20", "crowds = 20");
    is_refused(&daemon, &[&format!("{} line {line}:", site.name("blindmeter.toml")), "`crowds`"]);
    for (from, to, table) in [
        ("\"24h\"", "\"48h\"", "[epoch]"),
        ("crowd = 20", "crowd = 21", "[release]"),
        ("\"1Gbit/s\"", "\"2Gbit/s\"", "[release]"),
        ("\"7d\"", "\"8d\"", "refresh"),
        ("capacity = 64", "capacity = 65", "[store]"),
        ("\"28d\"", "\"27d\"", "[store]"),
        ("bm-none*", "bm-other*", "[tap]"),
        ("\"auto\"", "\"pnet\"", "[tap]"),
        ("\"black-box\"", "\"other\"", "[node]"),
        ("file =", "#", "[roster]"),
    ] {
        site.write("blindmeter.toml", &config);
        site.configure(from, to);
        is_refused(&daemon, &[table, "needs a restart"]);
    }
    site.write("blindmeter.toml", &config);
    is_accepted(&daemon);
    let said = daemon.said();
    assert!(said.lines().all(|line| line.starts_with("blindmeter: ")), "one line an event: {said}");
    repeats_nothing(&said);
}

#[test]
fn reload_waits_for_the_daemons_word_and_a_refusal_is_told_until_one_is_accepted() {
    let site = Site::new();
    site.configure("support = [\"root\"]", "support = [\"root\", \"games\"]");
    let daemon = site.start();
    let (config, roster) = (site.config(), site.name("roster.csv"));
    site.command(&["reload"]).succeeded();
    // The log is written by a thread of its own.
    daemon.await_said("blindmeter: reloaded", 1);
    site.write("roster.csv", "prefix,account\n10.77.0.1,canary-a\n10.77.0.1,canary-b\n");
    site.command(&["reload"]).failed(78, &["refused", "the old settings stay", &roster, "line 2 and line 3"]);
    let status = site.command(&["status"]);
    assert_eq!(status.code, Some(2), "a refusal degrades: {}", status.stdout);
    assert!(status.stdout.contains("REFUSED: ") && status.stdout.contains("line 2 and line 3"));
    repeats_nothing(&status.stdout);
    let json = site.command(&["status", "--json"]).stdout;
    assert!(json.contains("\"reload_refusal\":\"") && json.contains("line 2 and line 3"), "{json}");
    site.command_as(GAMES, &["reload"]).failed(77, &["only root and the daemon's own user"]);
    site.write("roster.csv", "prefix,account\n10.77.0.1,canary-a\n");
    // Of a configuration that holds no socket's path any more the daemon is told where it can be found.
    site.write("blindmeter.toml", config.replace("[tap]", "[tap"));
    let socket = site.name("control.sock");
    let mut command = bounded();
    command.args([PROGRAM, "reload", "--socket", &socket]);
    ended(command).failed(78, &["refused", "blindmeter.toml line 1"]);
    site.write("blindmeter.toml", config);
    site.command(&["reload"]).succeeded();
    site.command(&["status"]).succeeded();
    drop(daemon);
    site.command(&["reload"]).failed(69, &["no daemon answers"]);
}

#[test]
fn a_reload_moves_the_listener() {
    let site = Site::new();
    let daemon = site.start();
    let (old, new) = (site.port, free_port());
    site.configure(&format!(":{old}\""), format!(":{new}\""));
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    assert_eq!(http::get(new, "/-/ready").status, 200);
    wait_for("nobody listens on the old port", || TcpStream::connect(("127.0.0.1", old)).err());
    assert!(http::get(new, "/metrics").body.contains("blindmeter_config_last_reload_successful 1"));
}

#[test]
fn a_reload_adds_a_listener_beside_the_one_there_is() {
    let site = Site::new();
    let daemon = site.start();
    let (old, new) = (site.port, free_port());
    site.configure(&format!(":{old}\""), format!(":{old}\", \"127.0.0.1:{new}\""));
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    assert_eq!([old, new].map(|port| http::get(port, "/-/ready").status), [200, 200]);
}

/// Whether each of these answers at the port.
fn answers(port: u16, hosts: [&str; 2]) -> [bool; 2] {
    hosts.map(|host| TcpStream::connect((host, port)).is_ok())
}

#[test]
fn a_reload_moves_the_listener_between_loopback_and_everywhere() {
    let site = Site::new();
    let daemon = site.start();
    let (port, good) = (site.port, site.config());
    // A connection that is open from before, and which the kernel hands to nobody else.
    for (listen, v4_and_v6) in [
        ("\"0.0.0.0:P\"", [true, false]),
        ("\"[::]:P\"", [true, true]),
        ("\"[::]:P\", \"0.0.0.0:P\"", [true, true]),
        ("\"[::1]:P\"", [false, true]),
        ("\"127.0.0.1:P\", \"[::1]:P\"", [true, true]),
        ("\"127.0.0.1:P\"", [true, false]),
    ] {
        site.write("blindmeter.toml", &good);
        site.configure(&format!("\"127.0.0.1:{port}\""), listen.replace('P', &port.to_string()));
        site.command(&["check"]);
        assert_eq!(daemon.reload(), "blindmeter: reloaded", "{listen}");
        wait_for(listen, || (answers(port, ["127.0.0.1", "::1"]) == v4_and_v6).then_some(()));
    }
    // Somebody else's port stays theirs, and the old listener stays as well.
    let holder = std::net::TcpListener::bind(("127.0.0.2", 0)).expect("a port");
    let taken = holder.local_addr().expect("bound").to_string();
    site.configure(&format!("127.0.0.1:{port}"), &taken);
    is_refused(&daemon, &["web.listen", &taken, "stop the program that uses it"]);
    assert_eq!(http::get(port, "/-/ready").status, 200);
}

#[test]
fn a_file_that_was_replaced_outside_its_mount_is_told() {
    let site = Site::new();
    site.write("outside.csv", "prefix,account\n10.77.0.1,canary-one\n");
    let mount =
        format!("mount --bind {} {} && exec \"$@\"", site.name("outside.csv"), site.name("roster.csv"));
    let daemon = site.start_under(&["unshare", "--mount", "sh", "-c", &mount, "sh"]);
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    assert!(!daemon.said().contains("outside"), "{}", daemon.said());
    site.write("new.csv", "prefix,account\n10.77.0.1,canary-two\n");
    std::fs::rename(site.path("new.csv"), site.path("outside.csv")).expect("ours");
    assert_eq!(daemon.reload(), "blindmeter: reloaded");
    let told = format!("{}: replaced outside its mount", site.name("roster.csv"));
    assert_eq!(daemon.said().matches(&told).count(), 1, "{}", daemon.said());
}

/// As an orchestrator mounts a ConfigMap: each file is a link into a folder that is a link itself.
#[test]
fn a_folder_of_links_that_is_exchanged_whole_is_followed() {
    let site = Site::new();
    let (folder, roster) = (site.path("map"), site.name("roster.csv"));
    std::fs::create_dir(&folder).expect("ours");
    let exchange = |version: usize, roster: &str| {
        let name = format!("..{version}");
        std::fs::create_dir(folder.join(&name)).expect("ours");
        std::fs::write(folder.join(&name).join("roster.csv"), roster).expect("ours");
        std::os::unix::fs::symlink(&name, folder.join("..new")).expect("ours");
        std::fs::rename(folder.join("..new"), folder.join("..data")).expect("ours");
        if version > 1 {
            std::fs::remove_dir_all(folder.join(format!("..{}", version - 1))).expect("ours");
        }
    };
    exchange(1, "prefix,account\n10.77.0.1,canary-one\n");
    std::os::unix::fs::symlink("..data/roster.csv", folder.join("roster.csv")).expect("ours");
    site.configure(&roster, site.name("map/roster.csv"));
    let daemon = site.start();
    for version in 2..5 {
        let lines: String = (0..version).map(|at| format!("10.77.0.{at},canary-{at}\n")).collect();
        exchange(version, &format!("prefix,account\n{lines}"));
        assert_eq!(daemon.reload(), "blindmeter: reloaded");
        let status = site.command(&["status"]).succeeded();
        assert!(status.contains(&format!("names {version} accounts")), "{status}");
    }
    assert!(!daemon.said().contains("replaced outside"), "{}", daemon.said());
}

#[test]
fn sigterm_and_sigint_end_the_daemon_cleanly() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let site = Site::new();
        let mut daemon = site.start();
        assert!(site.path("control.sock").exists());
        daemon.signal(signal);
        assert_eq!(daemon.await_end(), Some(0));
        assert!(!site.path("control.sock").exists(), "the socket is gone");
        assert_eq!(daemon.said().lines().last(), Some("blindmeter: stopping"));
        site.command(&["status"]).failed(69, &["no daemon answers"]);
    }
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let site = Site::new();
    let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    for log in [Stdio::from(full), Stdio::from(writer)] {
        let mut command = site.daemon_command(&[]);
        let mut daemon = site.adopt(command.stderr(log).spawn().expect("setpriv is there"));
        drop(command);
        daemon.await_answer();
        site.write("roster.csv", "no header");
        daemon.signal(Signal::SIGHUP);
        wait_for("the reload is refused", || (daemon.metric(RELOAD_OK) == "0").then_some(()));
        site.write("roster.csv", "prefix,account\n");
        daemon.signal(Signal::SIGHUP);
        wait_for("the reload is accepted", || (daemon.metric(RELOAD_OK) == "1").then_some(()));
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.await_end(), Some(0));
    }
}
