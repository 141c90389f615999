//! The daemon under test, run in a namespace, and the commands that speak to it; the contract is
//! interfaces.md, nothing else of the program is known here.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Namespace;
use super::folder::Folder;
use super::manager::Manager;
use super::tally::{Node, Totals};
use crate::support::wait::TIMEOUT;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_blindmeter");
/// A command that has not answered by then is a bug; the kernel ends it.
const COMMAND_LIMIT_SECONDS: u32 = 15;
/// A daemon that has not stopped by then is a bug, and is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// The namespace is the test's own, so the port is always free.
pub(crate) const WEB: &str = "127.0.0.1:9776";
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

pub(crate) struct Daemon {
    folder: Arc<Folder>,
    child: Child,
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
        Self::spawn_as(namespace, folder, Command::new(PROGRAM))
    }

    /// The same under a service manager that keeps descriptors.
    pub(crate) fn start_under(namespace: &Namespace, folder: &Arc<Folder>, manager: &Manager) -> Self {
        let mut daemon = Self::spawn_as(namespace, folder, manager.command(PROGRAM));
        daemon.await_start(0);
        daemon
    }

    /// Starts a daemon by a command line that ends with the program.
    pub(crate) fn spawn_as(namespace: &Namespace, folder: &Arc<Folder>, mut command: Command) -> Self {
        let config = folder.path("blindmeter.toml");
        let said = OpenOptions::new().create(true).append(true).open(folder.path("stderr"));
        let said = said.expect("a file for stderr");
        let child = namespace.run(move || {
            command.arg("run").arg("--config").arg(config);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
            // SAFETY: prctl is async-signal-safe; the daemon dies with the namespace's thread.
            unsafe {
                command.pre_exec(|| {
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                    Ok(())
                });
            }
            command.spawn()
        });
        Self { folder: Arc::clone(folder), child: child.expect("the daemon can be started") }
    }

    /// Kills the daemon where it stands.
    pub(crate) fn kill(mut self) {
        self.signal(libc::SIGKILL);
        self.child.wait().expect("the daemon is our child");
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the daemon has ended by itself. Gives its exit code and what it said last.
    pub(crate) fn await_end(mut self) -> (Option<i32>, String) {
        let end = self.child.wait().expect("the daemon is our child");
        (end.code(), self.said().lines().last().unwrap_or_default().to_owned())
    }

    /// Kills the process that attaches the kernel's program.
    pub(crate) fn kill_helper(&self) {
        let helper = libc::pid_t::try_from(self.helper()).expect("process ids fit an int");
        // SAFETY: kill takes plain numbers; the helper is reaped by its parent alone, which lives.
        unsafe { libc::kill(helper, libc::SIGKILL) };
    }

    /// The process that attaches the kernel's program.
    pub(crate) fn helper(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = fs::read_to_string(children).expect("the kernel lists the daemon's children");
        children.split_whitespace().next().and_then(|id| id.parse().ok()).expect("a helper")
    }

    /// Ends the daemon for another one to follow. Gives what all daemons of the folder said.
    pub(crate) fn hand_over(self) -> String {
        self.end(libc::SIGUSR1)
    }

    /// Waits until `status` has this exit code.
    pub(crate) fn await_start(&mut self, wanted: i32) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let status = self.status();
            if status == wanted {
                return;
            }
            if let Some(end) = self.child.try_wait().expect("the daemon is our child") {
                panic!("the daemon ended ({end}): {}", self.said());
            }
            let said = self.said();
            assert!(Instant::now() < deadline, "status is {status}, never {wanted}; stderr: {said}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Exit code of `status`.
    pub(crate) fn status(&self) -> i32 {
        self.command(&["status"]).status.code().unwrap_or(-1)
    }

    pub(crate) fn await_status(&self, wanted: i32) {
        let deadline = Instant::now() + TIMEOUT;
        while self.status() != wanted {
            assert!(Instant::now() < deadline, "status never became {wanted}; stderr: {}", self.said());
            thread::sleep(Duration::from_millis(10));
        }
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
            lost: count(&report["lost"], "packets"),
        }
    }

    /// Waits until the daemon accounts for this many packets, then gives it time to count too much.
    pub(crate) fn await_packets(&self, packets: u64) -> Node {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let node = self.export_node();
            if node.counted() + node.lost >= packets || Instant::now() >= deadline {
                thread::sleep(Duration::from_millis(150));
                return self.export_node();
            }
            thread::sleep(Duration::from_millis(20));
        }
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
        self.signal(libc::SIGHUP);
    }

    pub(crate) fn pause(&self) {
        self.signal(libc::SIGSTOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(libc::SIGCONT);
    }

    /// What `/metrics` serves.
    pub(crate) fn metrics(&self, namespace: &Namespace) -> String {
        try_metrics(namespace).unwrap_or_else(|| panic!("no /metrics; stderr: {}", self.said()))
    }

    /// Stops the daemon as its service manager would; it must end well. Gives what it said.
    pub(crate) fn stop(self) -> String {
        self.end(libc::SIGTERM)
    }

    fn end(mut self, signal: libc::c_int) -> String {
        self.signal(signal);
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(end) = self.child.try_wait().expect("the daemon is our child") {
                let said = self.said();
                assert_eq!(
                    end.code(),
                    Some(0),
                    "a signal ends the daemon with 0 (signal {:?}): {said}",
                    end.signal()
                );
                return said;
            }
            assert!(Instant::now() < deadline, "the signal does not end the daemon: {}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.path("stderr")).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        let id = libc::pid_t::try_from(self.child.id()).expect("process ids fit an int");
        // SAFETY: kill takes plain numbers; the child is not reaped while `self` lives.
        unsafe { libc::kill(id, signal) };
    }

    pub(crate) fn answer(&self, words: &[&str]) -> Value {
        let output = self.succeed(words);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("`{}` is not JSON ({error}): {}", words.join(" "), String::from_utf8_lossy(&output.stdout))
        })
    }

    fn succeed(&self, words: &[&str]) -> Output {
        let output = self.command(words);
        let ended = output.status;
        assert!(
            ended.success(),
            "`blindmeter {}` ({ended}): {}\ndaemon's stderr: {}",
            words.join(" "),
            String::from_utf8_lossy(&output.stderr),
            self.said()
        );
        output
    }

    pub(crate) fn command(&self, words: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(words).arg("--config").arg(self.folder.path("blindmeter.toml"));
        command.stdin(Stdio::null());
        // SAFETY: alarm is async-signal-safe, and an alarm outlives exec.
        unsafe {
            command.pre_exec(|| {
                libc::alarm(COMMAND_LIMIT_SECONDS);
                Ok(())
            });
        }
        command.output().expect("the program can be started")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.resume();
            self.signal(libc::SIGTERM);
            let deadline = Instant::now() + STOP_LIMIT;
            while matches!(self.child.try_wait(), Ok(None)) {
                if Instant::now() >= deadline {
                    self.signal(libc::SIGKILL);
                    // Nothing is left to do about a failure here.
                    let _ = self.child.wait();
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// What `/metrics` serves, if somebody serves it.
pub(crate) fn try_metrics(namespace: &Namespace) -> Option<String> {
    let body = namespace.run(|| {
        let mut stream = TcpStream::connect(WEB)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok::<_, std::io::Error>(response)
    });
    body.ok().filter(|response| response.contains("blindmeter_config_last_reload_successful"))
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
