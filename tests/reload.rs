//! Signals: SIGHUP takes a good configuration and roster whole and refuses a bad one whole, SIGTERM ends
//! the daemon cleanly, and neither needs a log that can be written.

mod daemon;
mod support;

use std::fs::OpenOptions;
use std::net::TcpStream;
use std::process::Stdio;

use daemon::command::{NOBODY, bounded, ended, repeats_nothing};
use daemon::{Daemon, PROGRAM, Site, http};
use nix::sys::signal::Signal;
use support::ports::free_port;
use support::wait::wait_for;

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
    is_refused(&daemon, &[&roster, "more than 64 accounts"]);
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
    let daemon = site.start();
    let (config, roster) = (site.config(), site.name("roster.csv"));
    site.command(&["reload"]).succeeded();
    assert!(daemon.said().ends_with("blindmeter: reloaded\n"), "{}", daemon.said());
    site.write("roster.csv", "prefix,account\n10.77.0.1,canary-a\n10.77.0.1,canary-b\n");
    site.command(&["reload"]).failed(78, &["refused", "the old settings stay", &roster, "line 2 and line 3"]);
    let status = site.command(&["status"]);
    assert_eq!(status.code, Some(2), "a refusal degrades: {}", status.stdout);
    assert!(status.stdout.contains("REFUSED: ") && status.stdout.contains("line 2 and line 3"));
    repeats_nothing(&status.stdout);
    let json = site.command(&["status", "--json"]).stdout;
    assert!(json.contains("\"reload_refusal\":\"") && json.contains("line 2 and line 3"), "{json}");
    site.command_as(NOBODY, &["reload"]).failed(77, &["only root and the daemon's own user"]);
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
