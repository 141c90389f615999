//! The program as an operator meets it: a folder with configuration and roster, the daemon on it,
//! and commands run as this or that user. The contract is interfaces.md; nothing else of the program
//! is known here.
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod prometheus;

use std::fmt::Display;
use std::fs::{self, File, Permissions};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command};

use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::support::ports::free_port;
pub(crate) use crate::support::process::PROGRAM;
use crate::support::process::{self, Process};
pub(crate) use crate::support::{command, http};
use command::{Outcome, Person, apart, bounded, ended, identity};

/// A folder with the files of one daemon, readable by everybody.
pub(crate) struct Site {
    directory: TempDir,
    pub(crate) port: u16,
    /// A bpffs of its own, for a daemon that keeps its counters in the kernel.
    bpffs: Option<PathBuf>,
}

/// A running daemon and its files; see [`Process`].
pub(crate) struct Daemon<'a> {
    site: &'a Site,
    process: Process,
}

impl Site {
    /// A folder with a good configuration and a roster of two canaries.
    pub(crate) fn new() -> Self {
        assert!(geteuid().is_root(), "these tests run daemons and other users: run them as root (tests/run)");
        let directory = TempDir::with_prefix("blindmeter-black-").expect("a temporary directory");
        let site = Self { directory, port: free_port(), bpffs: None };
        fs::set_permissions(site.directory.path(), Permissions::from_mode(0o755)).expect("our own directory");
        let text = format!(
            r#"[tap]
interfaces = ["bm-none*"]
backend = "auto"
[node]
name = "black-box"
[roster]
probe_account = "canary-probe"
pools = ["10.77.0.0/16", "fd77:77::/112"]
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
[support]
refresh = "7d"
[web]
listen = ["127.0.0.1:{port}"]
[store]
mode = "memory"
capacity = 64
period = "28d"
"#,
            roster = site.path("roster.csv").display(),
            socket = site.path("control.sock").display(),
            port = site.port,
        );
        site.write("blindmeter.toml", text);
        site.write("roster.csv", "prefix,account\n10.77.0.1,canary-one\nfd77:77::2,canary-two\n");
        site
    }

    /// The same with a sealed store, a key, and a bpffs for what outlives the daemon.
    pub(crate) fn sealed() -> Self {
        let mut site = Self::new();
        site.configure(
            "mode = \"memory\"",
            format!(
                "mode = \"sealed\"\npath = \"{}\"\nkey_file = \"{}\"\nsave_every = \"1s\"",
                site.name("ledger.sealed"),
                site.name("ledger.key"),
            ),
        );
        site.configure(
            "backend = \"auto\"",
            format!("backend = \"auto\"\npin = \"{}\"", site.name("bpf/pins")),
        );
        site.write_key(&[7; 32]);
        let bpffs = site.path("bpf");
        fs::create_dir(&bpffs).expect("the folder is ours");
        let mounted = Command::new("mount").args(["-t", "bpf", "bpf"]).arg(&bpffs).status();
        assert!(mounted.is_ok_and(|status| status.success()), "these tests mount a bpffs");
        site.bpffs = Some(bpffs);
        site
    }

    pub(crate) fn write_key(&self, key: &[u8]) {
        self.write("ledger.key", key);
        fs::set_permissions(self.path("ledger.key"), Permissions::from_mode(0o600)).expect("it is ours");
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// The path of a file as text.
    pub(crate) fn name(&self, file: &str) -> String {
        self.path(file).display().to_string()
    }

    pub(crate) fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(file), text).expect("the folder is ours");
        fs::set_permissions(self.path(file), Permissions::from_mode(0o644)).expect("the file is ours");
    }

    pub(crate) fn config(&self) -> String {
        fs::read_to_string(self.path("blindmeter.toml")).expect("the configuration is there")
    }

    /// Replaces a text that stands in the configuration once; gives the line where it stands.
    pub(crate) fn configure(&self, from: &str, to: impl Display) -> usize {
        let text = self.config();
        assert_eq!(text.matches(from).count(), 1, "{from:?} stands in the configuration once");
        let before = text.split(from).next().unwrap_or_default();
        self.write("blindmeter.toml", text.replace(from, &to.to_string()));
        before.lines().count() + usize::from(before.ends_with('\n') || before.is_empty())
    }

    /// A copy of the program that every user may run, wherever the build put the original.
    pub(crate) fn program_for_everybody(&self) -> PathBuf {
        let copy = self.path("blindmeter");
        if !copy.exists() {
            // By a process of its own: a child that another test forks would hold a descriptor of
            // ours for writing, and nobody may run the copy meanwhile (ETXTBSY).
            let mut install = Command::new("install");
            install.args(["-m", "755", PROGRAM]).arg(&copy);
            assert!(install.status().is_ok_and(|status| status.success()), "the program can be copied");
        }
        copy
    }

    /// Runs a command of the program as ourselves on this configuration.
    pub(crate) fn command(&self, words: &[&str]) -> Outcome {
        let mut command = bounded();
        command.arg(PROGRAM).args(words).arg("--config").arg(self.path("blindmeter.toml"));
        ended(command)
    }

    /// Runs a command as somebody else, through the control socket.
    pub(crate) fn command_as(&self, person: Person, words: &[&str]) -> Outcome {
        let mut command = bounded();
        command.args(identity(person)).arg(self.program_for_everybody()).args(words);
        command.arg("--socket").arg(self.path("control.sock"));
        ended(command)
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn start(&self) -> Daemon<'_> {
        self.start_under(&[])
    }

    /// The same behind a wrapper such as `prlimit`.
    pub(crate) fn start_under(&self, wrapper: &[&str]) -> Daemon<'_> {
        let mut command = self.daemon_command(wrapper);
        let mut daemon = self.adopt(command.spawn().expect("the program, or its wrapper, can be run"));
        daemon.await_answer();
        daemon
    }

    /// The daemon's command line, behind a wrapper; see [`process::daemon_command`].
    pub(crate) fn daemon_command(&self, wrapper: &[&str]) -> Command {
        let words = [wrapper, &[PROGRAM]].concat();
        let mut command = apart(words[0]);
        command.args(&words[1..]);
        let log = File::create(self.path("stderr")).expect("a file for the log");
        process::daemon_command(command, &self.path("blindmeter.toml"), log)
    }

    pub(crate) fn adopt(&self, child: Child) -> Daemon<'_> {
        Daemon { site: self, process: Process::new(child, self.path("stderr")) }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(bpffs) = &self.bpffs {
            // What is left mounted is seen by the next run, which cannot remove the folder.
            let _ = Command::new("umount").arg("--lazy").arg(bpffs).status();
        }
    }
}

impl Daemon<'_> {
    pub(crate) fn await_answer(&mut self) {
        let site = self.site;
        self.process.await_status(&[0, 2], || site.command(&["status"]).code);
    }

    /// What `/metrics` serves.
    pub(crate) fn metrics(&self) -> String {
        let answer = http::get(self.site.port, "/metrics");
        assert_eq!(answer.status, 200, "/metrics is served");
        answer.body
    }

    /// The value of one series.
    pub(crate) fn metric(&self, series: &str) -> String {
        let page = self.metrics();
        let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no series {series}")).to_owned()
    }
}

impl Deref for Daemon<'_> {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Daemon<'_> {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
