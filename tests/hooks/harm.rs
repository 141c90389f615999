//! No server is harmed by its hook: each kind ends with 0 and in time, and says nothing, whatever has become of the daemon,
//! its pipe or the disk.

use super::{TIMED, at_most, fill, was_assigned};
use crate::daemon::command::{bounded, ended};
use crate::daemon::{PROGRAM, Site};
use crate::support::wait::wait_for;
use blindmeter::clock::Stopwatch;
use nix::sys::signal::Signal;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

/// A hook: what it is called here, its arguments, its environment.
type Kind = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

/// What each server's hook is called with.
const KINDS: [Kind; 7] = [
    ("openvpn", &["openvpn", "add", "10.77.0.31", "canary"], &[]),
    ("openvpn, gone", &["openvpn", "delete", "10.77.0.31"], &[]),
    (
        "ocserv",
        &["ocserv"],
        &[
            ("REASON", "connect"),
            ("USERNAME", "canary"),
            ("IP_REMOTE", "10.77.0.32"),
            ("IPV6_REMOTE", "fd77:77::32"),
            ("ID", "7"),
        ],
    ),
    (
        "ipsec",
        &["ipsec"],
        &[("PLUTO_VERB", "up-client"), ("PLUTO_PEER_ID", "canary"), ("PLUTO_PEER_CLIENT", "10.77.0.33/32")],
    ),
    ("ppp", &["ppp", "up", "ppp0", "", "0", "10.77.0.1", "10.77.0.34", ""], &[("PEERNAME", "canary")]),
    ("failed", &["failed"], &[]),
    ("assign", &["", "assign", "10.77.0.35", "canary", "--hook"], &[]),
];

/// Runs a hook; it ends with 0, and said nothing. Gives how long it took.
fn run(site: &Site, (what, words, variables): Kind) -> Duration {
    let mut command = bounded();
    command.arg(PROGRAM);
    match words {
        ["", words @ ..] => command.arg("roster").args(words).args(["--socket", &site.name("control.sock")]),
        words => command.args(["hook", "--socket", &site.name("control.sock")]).args(words),
    };
    command.env_clear().envs(variables.iter().copied());
    let begun = Stopwatch::start();
    let outcome = ended(command);
    let taken = begun.elapsed();
    assert_eq!(
        (outcome.code, outcome.stdout, outcome.stderr),
        (Some(0), String::new(), String::new()),
        "{what}"
    );
    taken
}

/// Each kind of hook ends in time while the daemon is like this: the shortest of some runs, since whatever else runs
/// only makes them longer.
fn none_is_held_up(site: &Site, daemon: &str) {
    let of_kind = |kind| (0..TIMED).map(|_| run(site, kind)).min().expect("there are some");
    let taken: Vec<(&str, Duration)> = KINDS.into_iter().map(|kind| (kind.0, of_kind(kind))).collect();
    let limit = at_most(TIMED);
    assert!(taken.iter().all(|(_, taken)| *taken < limit), "{daemon}: {taken:?} and {limit:?}");
}

#[test]
fn no_kind_of_hook_is_held_up_by_a_daemon_that_is_dead_stopped_or_overwhelmed() {
    let site = Site::new();
    none_is_held_up(&site, "no daemon yet");
    let mut daemon = site.start();
    none_is_held_up(&site, "a daemon that works");
    assert!(was_assigned(&site, "10.77.0.33"), "the check is one");
    daemon.signal(Signal::SIGSTOP);
    none_is_held_up(&site, "a stopped one");
    fill(&site);
    none_is_held_up(&site, "a stopped one whose pipe is full");
    daemon.signal(Signal::SIGKILL);
    daemon.await_end();
    assert!(site.path("control.hook/requests").exists(), "what a killed one leaves is still there");
    none_is_held_up(&site, "a killed one");
}

/// A daemon that has its pipe open and does nothing more: it hangs in whatever it does.
#[test]
fn no_kind_of_hook_is_held_up_by_a_daemon_that_hangs() {
    let site = Site::new();
    fs::create_dir(site.path("control.hook")).expect("ours");
    let pipe = |name: &str| {
        mknodat(CWD, site.path("control.hook").join(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .expect("ours");
    };
    pipe("requests");
    let kept = open(site.path("control.hook/requests"), OFlags::RDWR | OFlags::NONBLOCK, Mode::empty());
    let _kept = kept.expect("a pipe of ours");
    none_is_held_up(&site, "no answers");
    fs::write(site.path("control.hook/answers"), vec![0; 16 + 8 * 1024]).expect("ours");
    none_is_held_up(&site, "answers that never change");
    fs::write(site.path("control.hook/answers"), [1; 20]).expect("ours");
    none_is_held_up(&site, "answers that are cut off");
    // Whoever opens a pipe for reading waits for a writer.
    fs::remove_file(site.path("control.hook/answers")).expect("ours");
    pipe("answers");
    none_is_held_up(&site, "answers that are a pipe");
}

/// On a tmpfs that has no byte left, and with standard streams that take nothing.
#[test]
fn no_kind_of_hook_is_held_up_by_a_full_disk_and_what_it_says_is_heard() {
    let site = Site::new();
    let full = site.path("full");
    fs::create_dir(&full).expect("ours");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k,mode=755", "full"]).arg(&full).status();
    assert!(mounted.is_ok_and(|status| status.success()), "these tests mount a tmpfs");
    let socket = full.join("control.sock");
    site.configure(
        &format!("socket = {:?}", site.name("control.sock")),
        format!("socket = {:?}", socket.display().to_string()),
    );
    let daemon = site.start();
    let mut rest = 0;
    while fs::write(full.join(format!("rest-{rest}")), [0; 4096]).is_ok() {
        rest += 1;
    }
    std::os::unix::fs::symlink(&socket, site.path("control.sock")).expect("ours");
    std::os::unix::fs::symlink(full.join("control.hook"), site.path("control.hook")).expect("ours");
    none_is_held_up(&site, "a full disk");
    wait_for("it is in force", || was_assigned(&site, "10.77.0.34").then_some(()));
    let mut command = bounded();
    command.args([PROGRAM, "hook", "--socket", &site.name("control.sock"), "ipsec"]);
    let full_device = || File::options().write(true).open("/dev/full").expect("every Linux has it");
    let status = command.env_clear().stdout(full_device()).stderr(full_device()).status();
    assert!(status.is_ok_and(|status| status.success()), "streams that take nothing");
    drop(daemon);
    let _ = Command::new("umount").arg("--lazy").arg(&full).status();
}

/// Without a right to anything.
#[test]
fn no_kind_of_hook_fails_where_nothing_can_be_read() {
    let site = Site::new();
    let _daemon = site.start();
    let words = ["hook", "--config", "/proc/1/mem", "openvpn", "add", "10.77.0.31", "canary"];
    let outcome = site.command_as(crate::daemon::command::NOBODY, &words[..1]);
    assert_eq!((outcome.code, outcome.stderr), (Some(0), String::new()), "no words");
    fs::write(site.path("closed.toml"), "[control]\nsocket = \"/nowhere\"\n").expect("ours");
    fs::set_permissions(site.path("closed.toml"), fs::Permissions::from_mode(0o000)).expect("ours");
    for config in [site.name("closed.toml"), "/nowhere/blindmeter.toml".to_owned(), site.name("")] {
        let mut command = bounded();
        command.args([PROGRAM, "hook", "--config", &config]).args(&words[3..]).env_clear();
        let outcome = ended(command);
        assert_eq!((outcome.code, outcome.stderr), (Some(0), String::new()), "{config}");
    }
}
