//! The files of a daemon under test: configuration, roster, store, pins. They may outlive it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use super::Namespace;
use super::daemon::{PORT, PROGRAM, Setup};
use crate::support::command::{Outcome, bounded, ended};
use crate::support::wait::wait_for;

/// The files of a daemon, which may outlive it: configuration, roster, store, pins.
pub(crate) struct Folder {
    directory: TempDir,
    bpffs: Option<PathBuf>,
}

impl Folder {
    /// A folder whose daemon keeps nothing.
    pub(crate) fn forgetful(setup: &Setup) -> Arc<Self> {
        let directory = TempDir::with_prefix("blindmeter-live-").expect("a temporary directory");
        let store = "mode = \"memory\"\ncapacity = 4096".to_owned();
        Self { directory, bpffs: None }.with(setup, "24h", &store)
    }

    /// A folder in memory whose daemon keeps its state and its counters, with a bpffs of its own.
    pub(crate) fn keeping(setup: &Setup, epoch: &str) -> Arc<Self> {
        let directory = TempDir::with_prefix_in("blindmeter-kept-", "/dev/shm").expect("a folder in memory");
        let path = |file: &str| directory.path().join(file);
        let key = path("ledger.key");
        fs::write(&key, [7; 32]).expect("a key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("it is ours");
        fs::create_dir(path("bpf")).expect("a mount point");
        let bpffs = path("bpf");
        let mounted = Command::new("mount").args(["-t", "bpf", "bpf"]).arg(&bpffs).status();
        assert!(mounted.is_ok_and(|status| status.success()), "live tests mount a bpffs");
        let store = format!(
            "path = \"{}\"\nkey_file = \"{}\"\nsave_every = \"1s\"\ncapacity = 4096",
            path("ledger.sealed").display(),
            key.display(),
        );
        Self { directory, bpffs: Some(bpffs) }.with(setup, epoch, &store)
    }

    fn with(self, setup: &Setup, epoch: &str, store: &str) -> Arc<Self> {
        let path = |file: &str| self.path(file);
        fs::write(path("roster.csv"), format!("prefix,account\n{}", setup.roster)).expect("a roster file");
        let text = configuration(&self, setup, epoch, store);
        fs::write(path("blindmeter.toml"), text).expect("a configuration");
        Arc::new(self)
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// Replaces a text that stands in the configuration.
    pub(crate) fn configure(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("blindmeter.toml")).expect("a configuration");
        assert!(text.contains(from), "{from:?} stands in the configuration");
        fs::write(self.path("blindmeter.toml"), text.replacen(from, to, 1)).expect("a configuration");
    }

    /// The number after a text that stands in the configuration.
    pub(crate) fn value(&self, text: &str) -> u64 {
        let configuration = fs::read_to_string(self.path("blindmeter.toml")).expect("a configuration");
        let (_, rest) = configuration.split_once(text).expect("it stands in the configuration");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }

    /// Makes the folder, the place for pins and a copy of the program somebody else's. Gives the copy.
    pub(crate) fn give_to(&self, user: u32) -> PathBuf {
        let program = self.path("blindmeter");
        // By another process: a child that is forked meanwhile would hold the copy open for writing.
        let copied = Command::new("cp").arg(PROGRAM).arg(&program).status();
        assert!(copied.is_ok_and(|status| status.success()), "the program can be copied");
        let pins = self.path("bpf/blindmeter");
        fs::create_dir_all(&pins).expect("the bpffs is ours");
        for file in ["", "blindmeter.toml", "roster.csv", "ledger.key", "bpf/blindmeter"] {
            chown(self.path(file), Some(user), Some(user)).expect("root gives files away");
        }
        fs::set_permissions(self.path(""), fs::Permissions::from_mode(0o755)).expect("ours");
        fs::set_permissions(&pins, fs::Permissions::from_mode(0o700)).expect("ours");
        program
    }

    /// Names of pins.
    pub(crate) fn pins(&self) -> Vec<String> {
        let folder = self.path("bpf/blindmeter");
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    /// Runs a command of the program on this configuration.
    pub(crate) fn command(&self, words: &[&str]) -> Outcome {
        ended(self.command_line(words))
    }

    /// The same in the namespace of a daemon.
    pub(crate) fn command_in(&self, namespace: &Namespace, words: &[&str]) -> Outcome {
        let command = self.command_line(words);
        namespace.run(move || ended(command))
    }

    fn command_line(&self, words: &[&str]) -> Command {
        let mut command = bounded();
        command.arg(PROGRAM).args(words).arg("--config").arg(self.path("blindmeter.toml"));
        command
    }

    /// Waits until the state was saved so often from now on: each save is another file.
    pub(crate) fn await_saves(&self, saves: usize) {
        for _ in 0..saves {
            let file = || fs::metadata(self.path("ledger.sealed")).ok().map(|metadata| metadata.ino());
            let before = file();
            wait_for("the state is saved", || (file() != before).then_some(()));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(bpffs) = &self.bpffs {
            // What is left mounted is seen by the next run, which cannot remove the folder.
            let _ = Command::new("umount").arg("--lazy").arg(bpffs).status();
        }
    }
}

fn configuration(folder: &Folder, setup: &Setup, epoch: &str, store: &str) -> String {
    let path = |file: &str| folder.path(file);
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
pin = "{pin}"
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
length = "{epoch}"
[release]
mode = "coarse"
crowd = 20
link_capacity = "1Gbit/s"
[store]
{store}
[web]
listen = ["127.0.0.1:{PORT}"]
"#,
        interfaces = list(&setup.interfaces),
        pools = list(&setup.pools),
        pin = path("bpf/blindmeter").display(),
        roster = path("roster.csv").display(),
        socket = path("control.sock").display(),
    )
}
