//! A VPN server's host and those of its clients: a namespace each, joined by veth pairs; programs that end with the
//! test.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::netns::Namespace;
pub(crate) use crate::support::program::Program;
use crate::support::wait::wait_for;

/// A hook waits 40 ms for the daemon, which other work of the machine may keep from its processor for longer.
pub(crate) const LATE: Duration = Duration::from_millis(200);

/// The server's host, its clients' hosts, and a folder for the files of both.
pub(crate) struct Hosts {
    pub(crate) server: Namespace,
    pub(crate) clients: Vec<Namespace>,
    folder: TempDir,
}

impl Hosts {
    /// A server at 192.0.N.1 for the client at 192.0.N.2, N from 2 on.
    pub(crate) fn new(clients: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mut hosts = Self { server: Namespace::new(), clients: Vec::new(), folder };
        for at in 0..clients {
            let (namespace, number) = (Namespace::new(), at + 2);
            let (ours, its) = (format!("s{at}"), format!("c{at}"));
            let macs = [1, 2].map(|end| format!("02:00:00:0a:{at:02}:{end:02}"));
            hosts.server.veth(&ours, &macs[0], &namespace, &its, &macs[1]);
            hosts.server.command(&format!("ip address add 192.0.{number}.1/24 dev {ours}"));
            namespace.command(&format!("ip address add 192.0.{number}.2/24 dev {its}"));
            hosts.clients.push(namespace);
        }
        hosts
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        // FOLDER stands for the folder.
        let text = text.replace("FOLDER", &self.folder.path().display().to_string());
        fs::write(self.path(name), text).expect("a file of our own");
    }

    pub(crate) fn write_script(&self, name: &str, lines: &str) {
        let text = if lines.starts_with("#!") { lines.to_owned() } else { format!("#!/bin/sh\n{lines}\n") };
        self.write(name, &text);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Waits until a file of the folder holds so many lines with this text.
    pub(crate) fn await_lines(&self, name: &str, text: &str, times: usize) {
        wait_for(&format!("{name} says {text:?} {times} times"), || {
            let said = self.read(name);
            (said.lines().filter(|line| line.contains(text)).count() >= times).then_some(())
        });
    }

    /// Starts a program in a namespace; what it says is in the file of this name.
    pub(crate) fn start(&self, namespace: &Namespace, said: &str, words: &[&str], input: &str) -> Program {
        let log = fs::File::create(self.path(said)).expect("a file of our own");
        let folder = self.folder.path().display().to_string();
        let words: Vec<String> = words.iter().map(|word| word.replace("FOLDER", &folder)).collect();
        self.write("input", input);
        let input = fs::File::open(self.path("input")).expect("a file of our own");
        let started = namespace.run(move || {
            // It ends with the thread of the namespace, whatever happens here; its group is its own.
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL"]).args(&words).stdin(input);
            command.stdout(log.try_clone()?).stderr(log).spawn()
        });
        Program(started.expect("the program is installed (tests/run)"))
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        // A test that fails shows what its programs said.
        if std::thread::panicking() {
            for entry in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.extension().is_some_and(|extension| extension == "log") {
                    let said = fs::read_to_string(&path).unwrap_or_default();
                    let _ = writeln!(std::io::stderr(), "{}:\n{said}", path.display());
                }
            }
        }
    }
}
