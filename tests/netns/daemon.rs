//! The daemon under test, run in a namespace, and the commands that speak to it; the contract is
//! interfaces.md, nothing else of the program is known here.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::tally::{Node, Totals};
use super::{Namespace, PATIENCE};

const PROGRAM: &str = env!("CARGO_BIN_EXE_blindmeter");
/// A command that has not answered by then is a bug; the kernel ends it.
const COMMAND_LIMIT_SECONDS: u32 = 15;
/// A daemon that has not stopped by then is a bug, and is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// The namespace is the test's own, so the port is always free.
const WEB: &str = "127.0.0.1:9776";
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
    directory: TempDir,
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
        let directory = TempDir::with_prefix("blindmeter-live-").expect("a temporary directory");
        let path = |file: &str| directory.path().join(file);
        fs::write(path("roster.csv"), format!("prefix,account\n{}", setup.roster)).expect("a roster file");
        fs::write(path("blindmeter.toml"), configuration(&directory, setup)).expect("a configuration");
        let config = path("blindmeter.toml");
        let said = File::create(path("stderr")).expect("a file for stderr");
        let child = namespace.run(move || {
            let mut command = Command::new(PROGRAM);
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
        Self { directory, child: child.expect("the daemon can be started") }
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn await_start(&mut self, wanted: i32) {
        let deadline = Instant::now() + PATIENCE;
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
        let deadline = Instant::now() + PATIENCE;
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
        let deadline = Instant::now() + PATIENCE;
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
        self.succeed(&["roster", "release", prefix]);
    }

    /// Replaces every assignment of the control socket by these lines of `prefix,account`.
    pub(crate) fn sync(&self, lines: &str) {
        let file = self.directory.path().join("sync.csv");
        fs::write(&file, format!("prefix,account\n{lines}")).expect("a roster file");
        self.succeed(&["roster", "sync", file.to_str().expect("temporary paths are text")]);
    }

    /// Rewrites the roster file and has the daemon read it again.
    pub(crate) fn reload_roster(&self, lines: &str) {
        let file = self.directory.path().join("roster.csv");
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
        let body = namespace.run(|| {
            let mut stream = TcpStream::connect(WEB)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
            let mut response = String::new();
            stream.read_to_string(&mut response)?;
            Ok::<_, std::io::Error>(response)
        });
        body.unwrap_or_else(|error| panic!("/metrics: {error}; stderr: {}", self.said()))
    }

    /// Stops the daemon as its service manager would; it must end well. Gives what it said.
    pub(crate) fn stop(mut self) -> String {
        self.signal(libc::SIGTERM);
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(end) = self.child.try_wait().expect("the daemon is our child") {
                let said = self.said();
                assert_eq!(
                    end.code(),
                    Some(0),
                    "SIGTERM ends the daemon with 0 (signal {:?}): {said}",
                    end.signal()
                );
                return said;
            }
            assert!(Instant::now() < deadline, "SIGTERM does not end the daemon: {}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.directory.path().join("stderr")).unwrap_or_default()
    }

    fn signal(&self, signal: libc::c_int) {
        let id = libc::pid_t::try_from(self.child.id()).expect("process ids fit an int");
        // SAFETY: kill takes plain numbers; the child is not reaped while `self` lives.
        unsafe { libc::kill(id, signal) };
    }

    fn answer(&self, words: &[&str]) -> Value {
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

    fn command(&self, words: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(words).arg("--config").arg(self.directory.path().join("blindmeter.toml"));
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

fn configuration(directory: &TempDir, setup: &Setup) -> String {
    let path = |file: &str| -> PathBuf { directory.path().join(file) };
    let list = |items: &[&str]| items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ");
    let (backend, hook) = match setup.backend {
        hook @ ("tcx" | "clsact") => ("kernel", hook),
        backend => (backend, "auto"),
    };
    format!(
        r#"[tap]
interfaces = [{interfaces}]
backend = "{backend}"
hook = "{hook}"
[node]
name = "live-test"
[roster]
pools = [{pools}]
file = "{roster}"
[control]
socket = "{socket}"
[control.roles]
roster = ["root"]
support = ["root"]
privacy = ["root"]
[epoch]
length = "24h"
[release]
mode = "coarse"
crowd = 20
link_capacity = "1Gbit/s"
[store]
mode = "memory"
capacity = 4096
[web]
listen = ["{WEB}"]
"#,
        interfaces = list(&setup.interfaces),
        pools = list(&setup.pools),
        roster = path("roster.csv").display(),
        socket = path("control.sock").display(),
    )
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
