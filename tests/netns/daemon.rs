//! The daemon under test, run in a namespace, and the commands that speak to it; the contract is
//! interfaces.md, nothing else of the program is known here.

use std::fs::{self, File, OpenOptions};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::Namespace;
use super::folder::Folder;
use super::manager::Manager;
use super::tally::{Node, Totals};
use crate::support::command::{Outcome, apart};
use crate::support::http;
pub(crate) use crate::support::process::PROGRAM;
use crate::support::process::{Process, daemon_command};
use crate::support::wait::{TIMEOUT, let_pass, wait_at_most, wait_until};

/// The namespace is the test's own, so the port is always free.
pub(crate) const PORT: u16 = 9776;
/// A daemon that has not stopped by then is a bug, and is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Exports that run at once.
const SPEAKERS: usize = 3;

/// What the configuration of a test chooses; all else is fixed.
pub(crate) struct Setup {
    /// `ring`, `pnet`, or the kernel tap's hook: `tcx` or `clsact`.
    pub(crate) backend: &'static str,
    pub(crate) interfaces: Vec<&'static str>,
    pub(crate) pools: Vec<&'static str>,
    /// Lines of `prefix,account`, without the header.
    pub(crate) roster: String,
}

/// A running daemon and its files; see [`Process`]. It is stopped when it is dropped, so that nothing of it
/// stays in the kernel.
pub(crate) struct Daemon {
    folder: Arc<Folder>,
    process: Process,
    /// How many daemons of the folder were ready before this one.
    ready_before: usize,
}

impl Daemon {
    /// Starts the daemon and waits until every interface is attached.
    pub(crate) fn start(namespace: &Namespace, setup: &Setup) -> Self {
        let mut daemon = Self::spawn(namespace, setup);
        daemon.await_start(0);
        daemon
    }

    /// Starts the daemon and waits until it says that something is missing.
    pub(crate) fn start_degraded(namespace: &Namespace, setup: &Setup) -> Self {
        let mut daemon = Self::spawn(namespace, setup);
        daemon.await_start(2);
        daemon
    }

    fn spawn(namespace: &Namespace, setup: &Setup) -> Self {
        Self::spawn_in(namespace, &Folder::forgetful(setup))
    }

    /// Starts the daemon of a folder and waits until every interface is attached.
    pub(crate) fn start_in(namespace: &Namespace, folder: &Arc<Folder>) -> Self {
        let mut daemon = Self::spawn_in(namespace, folder);
        daemon.await_start(0);
        daemon
    }

    /// Starts the daemon of a folder.
    pub(crate) fn spawn_in(namespace: &Namespace, folder: &Arc<Folder>) -> Self {
        Self::spawn_as(namespace, folder, apart(PROGRAM))
    }

    /// The same under a service manager that keeps descriptors.
    pub(crate) fn start_under(namespace: &Namespace, folder: &Arc<Folder>, manager: &Manager) -> Self {
        let mut daemon = Self::spawn_as(namespace, folder, manager.command(PROGRAM));
        daemon.await_start(0);
        daemon
    }

    /// Starts a daemon by a command line that ends with the program.
    pub(crate) fn spawn_as(namespace: &Namespace, folder: &Arc<Folder>, command: Command) -> Self {
        let log = folder.path("stderr");
        let file = OpenOptions::new().create(true).append(true).open(&log).expect("a file for stderr");
        Self::spawn_with(namespace, folder, command, file)
    }

    /// Starts a daemon that logs to a file which is not read here.
    pub(crate) fn spawn_logging_to(namespace: &Namespace, folder: &Arc<Folder>, log: File) -> Self {
        Self::spawn_with(namespace, folder, apart(PROGRAM), log)
    }

    fn spawn_with(namespace: &Namespace, folder: &Arc<Folder>, command: Command, log: File) -> Self {
        let mut command = daemon_command(command, &folder.path("blindmeter.toml"), log);
        let ready_before = readies(folder);
        let child = namespace.run(move || command.spawn()).expect("the daemon can be started");
        let process = Process::new(child, folder.path("stderr"));
        Self { folder: Arc::clone(folder), process, ready_before }
    }

    /// Kills the daemon where it stands.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    /// Waits until the daemon has ended by itself. Gives its exit code and what it said last.
    pub(crate) fn await_last_word(mut self) -> (Option<i32>, String) {
        let code = self.process.await_end();
        (code, self.said().lines().last().unwrap_or_default().to_owned())
    }

    /// Kills the process that attaches the kernel's program.
    pub(crate) fn kill_helper(&self) {
        let helper = libc::pid_t::try_from(self.helper()).expect("process ids fit an int");
        // SAFETY: kill takes plain numbers; the helper is reaped by its parent alone, which lives.
        unsafe { libc::kill(helper, libc::SIGKILL) };
    }

    /// The daemon's children, with their names.
    pub(crate) fn children(&self) -> Vec<(u32, String)> {
        let children = format!("/proc/{0}/task/{0}/children", self.id());
        let children = fs::read_to_string(children).expect("the kernel lists the daemon's children");
        let child = |id: &str| {
            let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
            (id.parse().expect("a number"), name.trim().to_owned())
        };
        children.split_whitespace().map(child).collect()
    }

    /// The process that attaches the kernel's program.
    pub(crate) fn helper(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.id());
        let children = fs::read_to_string(children).expect("the kernel lists the daemon's children");
        children.split_whitespace().next().and_then(|id| id.parse().ok()).expect("a helper")
    }

    /// Ends the daemon for another one to follow. Gives what all daemons of the folder said.
    pub(crate) fn hand_over(mut self) -> String {
        self.end(Signal::SIGUSR1)
    }

    /// Waits until `status` of a daemon that starts has this exit code.
    pub(crate) fn await_start(&mut self, wanted: i32) {
        let folder = Arc::clone(&self.folder);
        self.process.await_status(&[wanted], || folder.command(&["status"]).code);
        // The log is written by a thread of its own, so an answer may come before the last line of the start.
        if folder.path("stderr").exists() {
            let before = self.ready_before;
            wait_until("the daemon says that it is ready", TIMEOUT, || readies(&folder) > before);
        }
    }

    /// Exit code of `status`.
    pub(crate) fn status(&self) -> i32 {
        self.command(&["status"]).code.unwrap_or(-1)
    }

    pub(crate) fn await_status(&self, wanted: i32) {
        wait_until(&format!("status becomes {wanted}"), TIMEOUT, || self.status() == wanted);
    }

    /// Everything counted for an account, whichever epoch it fell into: a run may cross midnight.
    pub(crate) fn export(&self, account: &str) -> Totals {
        let report = self.answer(&["accounts", "export", account, "--open-epoch", "--json"]);
        assert_eq!(report["account"], account, "the export names its account");
        totals(&report["period"]).plus(totals(&report["open_epoch"]))
    }

    /// `export` of many accounts, in their order.
    pub(crate) fn export_all(&self, accounts: &[String]) -> Vec<Totals> {
        let share = accounts.len().div_ceil(SPEAKERS).max(1);
        thread::scope(|scope| {
            let speakers: Vec<_> = accounts
                .chunks(share)
                .map(|part| {
                    scope.spawn(move || part.iter().map(|name| self.export(name)).collect::<Vec<_>>())
                })
                .collect();
            speakers.into_iter().flat_map(|speaker| speaker.join().expect("every export answers")).collect()
        })
    }

    pub(crate) fn export_node(&self) -> Node {
        let report = self.answer(&["accounts", "export", "--node", "--json"]);
        assert_eq!(report["schema_version"], 1, "the node's export states its schema");
        Node {
            attributed: totals(&report["attributed"]),
            unattributed: totals(&report["unattributed"]),
            not_ip: count(&report["not_ip"], "packets"),
            malformed: count(&report["malformed"], "packets"),
            link: count(&report["link"], "packets"),
            lost: count(&report["lost"], "packets"),
        }
    }

    /// Waits until the daemon accounts for this many packets, then gives it time to count too much.
    pub(crate) fn await_packets(&self, packets: u64) -> Node {
        // Whoever asks compares the figures, and says more of what is missing.
        wait_at_most(TIMEOUT, || {
            let node = self.export_node();
            node.counted() + node.lost >= packets
        });
        let_pass(Duration::from_millis(150), "a packet too many would be counted by now");
        self.export_node()
    }

    pub(crate) fn assign(&self, prefix: &str, account: &str) {
        self.succeed(&["roster", "assign", prefix, account]);
    }

    pub(crate) fn release(&self, prefix: &str) {
        self.succeed(&["roster", "unassign", prefix]);
    }

    /// Replaces every assignment of the control socket by these lines of `prefix,account`.
    pub(crate) fn sync(&self, lines: &str) {
        let file = self.folder.path("sync.csv");
        fs::write(&file, format!("prefix,account\n{lines}")).expect("a roster file");
        self.succeed(&["roster", "sync", file.to_str().expect("temporary paths are text")]);
    }

    /// Rewrites the roster file and has the daemon read it again.
    pub(crate) fn reload_roster(&self, lines: &str) {
        let file = self.folder.path("roster.csv");
        fs::write(file, format!("prefix,account\n{lines}")).expect("a roster file");
        assert_eq!(self.reload(), "blindmeter: reloaded");
    }

    pub(crate) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What `/metrics` serves.
    pub(crate) fn metrics(&self, namespace: &Namespace) -> String {
        try_metrics(namespace).unwrap_or_else(|| panic!("no /metrics; stderr: {}", self.said()))
    }

    /// Stops the daemon as its service manager would; it must end well. Gives what it said.
    pub(crate) fn stop(mut self) -> String {
        self.end(Signal::SIGTERM)
    }

    pub(crate) fn answer(&self, words: &[&str]) -> Value {
        let text = self.succeed(words);
        let parsed = serde_json::from_str(&text);
        parsed.unwrap_or_else(|error| panic!("`{}` is not JSON ({error}): {text}", words.join(" ")))
    }

    /// Standard output of a command that succeeds.
    fn succeed(&self, words: &[&str]) -> String {
        let Outcome { code, stdout, stderr } = self.command(words);
        let said = || format!("{stderr}\ndaemon's stderr: {}", self.said());
        assert_eq!(code, Some(0), "`blindmeter {}`: {}", words.join(" "), said());
        stdout
    }

    /// Runs a command of the program on the daemon's configuration.
    pub(crate) fn command(&self, words: &[&str]) -> Outcome {
        self.folder.command(words)
    }
}

impl Deref for Daemon {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Daemon {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.process.is_running() {
            self.resume();
            self.signal(Signal::SIGTERM);
            wait_at_most(STOP_LIMIT, || !self.process.is_running());
        }
    }
}

/// How many daemons of a folder have said that they are ready.
fn readies(folder: &Folder) -> usize {
    fs::read_to_string(folder.path("stderr")).map_or(0, |said| said.matches("blindmeter: ready").count())
}

/// What `/metrics` serves, if somebody serves it.
pub(crate) fn try_metrics(namespace: &Namespace) -> Option<String> {
    let page = namespace.run(|| {
        TcpStream::connect(("127.0.0.1", PORT)).ok()?;
        let request = b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";
        Some(http::parse(&http::exchange(PORT, request))?.body)
    });
    page.filter(|page| page.contains("blindmeter_config_last_reload_successful"))
}

fn totals(value: &Value) -> Totals {
    Totals {
        up_bytes: count(value, "up_bytes"),
        up_packets: count(value, "up_packets"),
        down_bytes: count(value, "down_bytes"),
        down_packets: count(value, "down_packets"),
    }
}

fn count(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("no integer `{key}` in {value}"))
}
