//! The command line: wrong words end with 64, a daemon that is not there with 69, and a reader that goes
//! away ends nothing badly. What was typed is not repeated where it may be an account or an address.

mod daemon;
mod support;

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

use daemon::command::{bounded, ended};
use daemon::{PROGRAM, Site};

#[test]
fn without_a_daemon_every_command_that_needs_one_says_so() {
    let site = Site::new();
    let socket = site.name("control.sock");
    let ask_all = || {
        for words in [
            &["status"][..],
            &["status", "--json"],
            &["roster", "counts"],
            &["roster", "assign", "10.77.0.1", "canary"],
            &["roster", "unassign", "10.77.0.1"],
            &["roster", "sync", &site.name("roster.csv")],
            &["accounts", "show", "canary"],
            &["accounts", "export", "canary", "--open-epoch"],
            &["accounts", "export", "--node"],
        ] {
            site.command(words).failed(69, &[&socket, "no daemon answers", "blindmeter run"]);
        }
    };
    ask_all();
    drop(UnixListener::bind(&socket).expect("the path is free"));
    ask_all();
    fs::remove_file(&socket).expect("it is ours");
    site.write("control.sock", "a file of somebody else");
    ask_all();
    site.command(&["run"]).failed(74, &["control.socket", &socket]);
    assert!(site.path("control.sock").is_file(), "a file that is no socket stays");
}

/// Words of a command line that is wrong.
const MISUSES: [&[&str]; 11] = [
    &["frob"],
    &["status", "--frob"],
    &["status", "--config", "a", "--socket", "b"],
    &["check", "--config"],
    &["meter"],
    &["gen", "completions", "nosuch"],
    &["accounts", "show"],
    &["accounts", "export", "canary-a", "--node"],
    &["roster", "assign", "10.77.0.9"],
    &["roster", "assign", "10.77.0.9", "canary-a", "canary-b"],
    &["accounts", "show", "canary-a", "canary-b"],
];

#[test]
fn a_wrong_command_line_ends_with_64() {
    for words in [&[][..], &["roster"], &["accounts"]].into_iter().chain(MISUSES) {
        let mut command = bounded();
        command.arg(PROGRAM).args(words);
        let outcome = ended(command);
        assert_eq!(outcome.code, Some(64), "{words:?}: {}", outcome.stderr);
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{words:?}: it says why");
    }
    let site = Site::new();
    let _daemon = site.start();
    site.command(&["roster", "assign", "10.77.0.300", "canary"]).failed(64, &["not an address"]);
    site.command(&["roster", "unassign", "10.77.0.1/99"]).failed(64, &["0 to 32"]);
    site.command(&["roster", "assign", "10.77.0.3", "canary two"]).failed(64, &["%XX"]);
    site.command(&["accounts", "show", "canary%"]).failed(64, &["%XX"]);
    site.command(&["accounts", "export", &"canary".repeat(22)]).failed(64, &["1 to 128 bytes"]);
}

#[test]
fn a_wrong_command_line_is_answered_in_one_line_that_repeats_nothing() {
    for words in MISUSES {
        let mut command = bounded();
        command.arg(PROGRAM).args(words);
        ended(command).failed(64, &[]);
    }
}

#[test]
fn a_reader_that_goes_away_does_no_harm() {
    let site = Site::new();
    let daemon = site.start();
    let config = site.name("blindmeter.toml");
    for words in [
        &["check", "--config", &config][..],
        &["run", "--dry-run", "--config", &config],
        &["status", "--config", &config],
        &["status", "--json", "--config", &config],
        &["roster", "counts", "--config", &config],
        &["gen", "man"],
        &["gen", "completions", "bash"],
        &["--help"],
        &["--version"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(PROGRAM);
        command.args(words).stdout(writer).stderr(Stdio::piped());
        let output = command.spawn().and_then(Child::wait_with_output).expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""), "{words:?}");
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let mut check = Command::new(PROGRAM);
    check.args(["check", "--config", &config]).stdout(full);
    let output = check.output().expect("it runs");
    assert_eq!(output.status.code(), Some(74), "a full disk is no reader that went away");
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
    drop(daemon);
}

#[test]
fn a_complaint_that_cannot_be_written_keeps_its_exit_code() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    for stderr in [Stdio::from(writer), Stdio::from(full)] {
        let mut check = Command::new(PROGRAM);
        check.args(["check", "--config", "/nonexistent.toml"]).stdin(Stdio::null()).stderr(stderr);
        assert_eq!(check.status().expect("it runs").code(), Some(78));
    }
}
