//! What the real daemon takes as a whole: memory, starts, `/metrics`, the control socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::daemon::{Daemon, Site, http};
use crate::support::wait::let_pass;
use crate::{Figure, Goal, account, figure, timed};

/// Pages that are asked for; the median is told.
const PAGES: usize = 201;

/// Connections to the control socket at a time, and what each asks.
const CONNECTIONS: u32 = 32;
const REQUESTS: u32 = 500;

/// MiB of resident memory now, and at most so far.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now: f64,
    most: f64,
}

/// Runs daemons of this size through their lives and measures them: one that a file feeds, and one that the
/// control socket feeds.
pub(crate) fn measure(accounts: u32) -> Vec<Figure> {
    let mut figures = fed_by_file(accounts);
    figures.extend(fed_by_socket(accounts));
    figures
}

pub(crate) fn site(capacity: u32) -> Site {
    let site = Site::sealed();
    site.configure("capacity = 64", format!("capacity = {capacity}"));
    site.configure("save_every = \"1s\"", "save_every = \"1h\"");
    site.configure("pools = [\"10.77.0.0/16\", \"fd77:77::/112\"]", "pools = [\"10.0.0.0/12\"]");
    site.configure("probe_account = \"canary-probe\"\n", "");
    site
}

fn fed_by_file(accounts: u32) -> Vec<Figure> {
    let site = site(accounts);
    site.write("roster.csv", crate::roster(accounts));
    let (first_start, daemon) = timed(|| start(&site));
    let first = memory(&daemon);
    let page = daemon.metrics().len();
    let mut pages: Vec<f64> =
        (0..PAGES).map(|_| timed(|| http::get(site.port, "/metrics")).0 * 1000.0).collect();
    pages.sort_by(f64::total_cmp);
    let (stop, ()) = timed(|| end(daemon, Signal::SIGTERM));
    let (restart, daemon) = timed(|| start(&site));
    let restarted = memory(&daemon);
    end(daemon, Signal::SIGKILL);
    let (adoption, daemon) = timed(|| start(&site));
    let adopted = memory(&daemon);
    end(daemon, Signal::SIGTERM);
    vec![
        figure("memory after a first start, MiB", first.now, Goal::AtMost(320.0)),
        figure("  at most until then", first.most, Goal::None),
        figure("memory after a start from a full blob, MiB", restarted.now, Goal::AtMost(320.0)),
        figure("  at most until then", restarted.most, Goal::None),
        figure("memory after a start that adopts, MiB", adopted.now, Goal::AtMost(320.0)),
        figure("  at most until then", adopted.most, Goal::None),
        figure("first start, s", first_start, Goal::None),
        figure("start from a full blob, s", restart, Goal::None),
        figure("start that adopts a dead daemon's counters, s", adoption, Goal::None),
        figure("stop, with its save, s", stop, Goal::None),
        figure("/metrics, bytes", page as f64, Goal::AtMost(5120.0)),
        figure("/metrics, ms with a connection of its own", pages[PAGES / 2], Goal::AtMost(1.0)),
    ]
}

/// A fifteenth of the accounts more is room that the control socket leaves to the file.
fn fed_by_socket(accounts: u32) -> Vec<Figure> {
    let site = site(accounts + accounts.div_ceil(15));
    site.write("roster.csv", crate::roster(0));
    site.write("sync.csv", crate::roster(accounts));
    let daemon = start(&site);
    let (sync, outcome) = timed(|| site.command(&["roster", "sync", &site.name("sync.csv")]));
    outcome.succeeded();
    let synced = memory(&daemon);
    let over_socket = assignments_a_second(&site, accounts);
    end(daemon, Signal::SIGTERM);
    vec![
        figure("memory after a sync of all, MiB", synced.now, Goal::AtMost(320.0)),
        figure("  at most until then", synced.most, Goal::None),
        figure("assignments a second over the control socket", over_socket, Goal::None),
        figure("roster sync of all over the control socket, s", sync, Goal::AtMost(2.0)),
    ]
}

/// Starts the daemon and waits until it says that it is ready.
pub(crate) fn start(site: &Site) -> Daemon<'_> {
    let child = site.daemon_command(&[]).spawn().expect("tests need setpriv of util-linux");
    let mut daemon = site.adopt(child);
    loop {
        if daemon.said().lines().any(|line| line.starts_with("blindmeter: ready")) {
            return daemon;
        }
        assert!(daemon.is_running(), "the daemon ended: {}", daemon.said());
        let_pass(Duration::from_millis(2), "a start is measured as finely as this");
    }
}

pub(crate) fn end(mut daemon: Daemon<'_>, signal: Signal) {
    daemon.signal(signal);
    let code = daemon.await_end();
    assert!(code == Some(0) || signal == Signal::SIGKILL, "the daemon ends well: {}", daemon.said());
}

pub(crate) fn memory(daemon: &Daemon<'_>) -> Memory {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("the daemon runs");
    let mib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let kib: f64 =
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("a size in kB");
        kib / 1024.0
    };
    Memory { now: mib("VmRSS"), most: mib("VmHWM") }
}

/// Many clients assign at once, each its next when the one before is in force.
fn assignments_a_second(site: &Site, accounts: u32) -> f64 {
    let ask = |connection: u32| {
        let mut stream = UnixStream::connect(site.path("control.sock")).expect("the daemon listens");
        let mut answers = BufReader::new(stream.try_clone().expect("a socket can be copied"));
        for request in 0..REQUESTS {
            let at = connection * REQUESTS + request;
            let ((_, address), (name, _)) = (account(at % accounts), account((at * 7) % accounts));
            let line = format!("{{\"op\":\"assign\",\"prefix\":\"{address}\",\"account\":\"{name}\"}}\n");
            stream.write_all(line.as_bytes()).expect("the daemon reads");
            let mut answer = String::new();
            answers.read_line(&mut answer).expect("the daemon answers");
            assert!(answer.contains("done"), "an assignment: {answer}");
        }
    };
    let (seconds, ()) = timed(|| {
        thread::scope(|scope| {
            (0..CONNECTIONS).for_each(|connection| _ = scope.spawn(move || ask(connection)));
        });
    });
    f64::from(CONNECTIONS * REQUESTS) / seconds
}
