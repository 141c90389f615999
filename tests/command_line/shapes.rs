//! Assignments as hooks and administrators spell them, and daemons that are started in odd ways.

use crate::daemon::PROGRAM;
use crate::daemon::Site;
use crate::daemon::command::{apart, bounded, ended, repeats_nothing};
use crate::support::wait::wait_for;
use std::process::Stdio;

#[test]
fn an_assignment_is_taken_or_refused_by_how_it_is_spelt() {
    let site = Site::new();
    let _daemon = site.start();
    for (prefix, account) in [
        ("10.77.0.5", "canary"),
        ("10.77.0.5/32", "canary"),
        ("::ffff:10.77.0.5", "canary-mapped"),
        ("::ffff:10.77.0.0/112", "canary-net"),
        ("fd77::5", "canary"),
        ("FD77::/48", "canary-site"),
        ("0.0.0.0/0", "canary-all"),
        ("::/0", "canary-all"),
        ("10.77.0.6", "canary@example.org"),
        ("10.77.0.6", "/C=FR/CN=canary"),
    ] {
        site.command(&["roster", "assign", prefix, account]).succeeded();
        site.command(&["roster", "unassign", prefix]).succeeded();
    }
    // The IPv4 address by its other name.
    site.command(&["roster", "assign", "::ffff:10.77.0.9", "canary"]).succeeded();
    site.command(&["roster", "unassign", "10.77.0.9"]).succeeded();
    for (prefix, account, told) in [
        ("10.77.0.5/24", "canary", "past the prefix length"),
        ("10.77.0.5/255.255.255.255", "canary", "0 to 32"),
        ("10.77.0.5/33", "canary", "0 to 32"),
        ("fd77::5%tun0", "canary", "not an address"),
        ("[fd77::5]", "canary", "not an address"),
        ("10.77.0.5:51820", "canary", "not an address"),
        (" 10.77.0.5", "canary", "not an address"),
        ("10.77.0.5\n", "canary", "not an address"),
        ("010.77.0.5", "canary", "not an address"),
        ("10.77.0.5,10.77.0.6", "canary", "not an address"),
        ("02:00:00:00:00:05", "canary", "not an address"),
        ("", "canary", "not an address"),
        ("10.77.0.5", "canary two", "%XX"),
        ("10.77.0.5", "canary\u{f6}", "%XX"),
        ("10.77.0.5", "", "1 to 128 bytes"),
        ("-1", "canary", "argument"),
    ] {
        site.command(&["roster", "assign", prefix, account]).failed(64, &[told]);
    }
}

#[test]
fn an_assignment_beyond_the_room_is_refused_and_the_others_stay() {
    let site = Site::new();
    let _daemon = site.start();
    let lines: String = (0..65).map(|number| format!("10.77.1.{number},canary-{number}\n")).collect();
    site.write("many.csv", format!("prefix,account\n{lines}"));
    let sync = site.command(&["roster", "sync", &site.name("many.csv")]);
    sync.failed(78, &["too few accounts are free", "raise [store] capacity"]);
    let taken = (0..65).take_while(|number| {
        let (prefix, account) = (format!("10.77.1.{number}"), format!("canary-{number}"));
        let outcome = site.command(&["roster", "assign", &prefix, &account]);
        repeats_nothing(&outcome.stderr);
        outcome.code == Some(0)
    });
    let taken = taken.count();
    assert!(
        (50..=62).contains(&taken),
        "{taken} of 64 accounts, less those of the file and what is left to it"
    );
    // Who is there goes on.
    site.command(&["roster", "assign", "10.77.2.1", "canary-0"]).succeeded();
    site.command(&["status"]).succeeded();
}

#[test]
fn a_daemon_with_nothing_open_starts_and_answers() {
    let site = Site::new();
    let line = format!("exec {PROGRAM} run --config {} <&- >&- 2>&-", site.name("blindmeter.toml"));
    let mut command = apart("setpriv");
    command.args(["--pdeathsig", "KILL", "sh", "-c", &line]);
    let mut daemon = site.adopt(command.spawn().expect("setpriv is there"));
    daemon.await_answer();
    assert_eq!(daemon.metric("blindmeter_store_ok"), "1");
    for descriptor in 0..3 {
        let target =
            std::fs::read_link(format!("/proc/{}/fd/{descriptor}", daemon.id())).expect("it is open");
        assert_eq!(target.display().to_string(), "/dev/null");
    }
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(daemon.await_end(), Some(0));
}

/// As a service manager and an impatient administrator do it.
#[test]
fn of_two_starts_at_once_one_lives() {
    let site = Site::sealed();
    for _ in 0..6 {
        let start = || {
            let mut command = apart("setpriv");
            command
                .args(["--pdeathsig", "KILL", PROGRAM, "run", "--config"])
                .arg(site.path("blindmeter.toml"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("setpriv is there")
        };
        let mut both = [start(), start()];
        let ended = wait_for("one of them gives way", || {
            both.iter_mut().position(|child| child.try_wait().expect("ours").is_some())
        });
        let status = both[ended].wait().expect("ours").code();
        assert!([Some(69), Some(78)].contains(&status), "{status:?}");
        wait_for("the other answers", || (site.command(&["status"]).code == Some(0)).then_some(()));
        let living = &mut both[1 - ended];
        assert!(living.try_wait().expect("ours").is_none());
        living.kill().and_then(|()| living.wait()).expect("ours");
    }
}

/// Whatever stands still behind the socket: a command says so in the end.
#[test]
fn a_daemon_that_stands_still_is_not_waited_for_without_end() {
    let site = Site::new();
    let daemon = site.start();
    daemon.signal(nix::sys::signal::Signal::SIGSTOP);
    let mut command = apart("timeout");
    command
        .args(["--foreground", "--signal=KILL", "60", PROGRAM, "status", "--socket"])
        .arg(site.path("control.sock"));
    ended(command).failed(69, &["does not answer in time", "systemctl status blindmeter"]);
    daemon.signal(nix::sys::signal::Signal::SIGCONT);
    site.command(&["status"]).succeeded();
}

#[test]
fn a_help_that_cannot_be_written_is_an_error() {
    for words in [&["--help"][..], &["run", "--help"], &["help"], &["--version"], &[]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let mut command = bounded();
        command.arg(PROGRAM).args(words).stdout(full);
        let output = command.output().expect("timeout of coreutils can be run");
        assert_eq!(output.status.code(), Some(74), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
