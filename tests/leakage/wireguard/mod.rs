//! One end of a real WireGuard tunnel: Debian's wireguard-go and wireguard-tools in a namespace.
//!
//! Shared by the targets of `tests/leakage/`; holds no traffic and no check. The private key lies in a
//! folder of its own as long as the end lives.
#![allow(dead_code, reason = "each target uses its own part")]

use crate::netns::Namespace;
use crate::support::wait::wait_for;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Where wireguard-go listens for its configuration, whichever namespace it is in: names of devices are
/// told apart on the whole machine.
const SOCKETS: &str = "/var/run/wireguard";

/// The name of this run's device on one side, in at most eight letters: other runs have their own.
pub(crate) fn device(side: &str) -> String {
    format!("{side}{}", std::process::id())
}

fn socket(device: &str) -> PathBuf {
    Path::new(SOCKETS).join(format!("{device}.sock"))
}

/// One wireguard-go, which ends with this.
pub(crate) struct End {
    pub(crate) device: String,
    pub(crate) public: String,
    process: Child,
    keys: TempDir,
}

impl End {
    pub(crate) fn start(namespace: &Namespace, device: &str) -> Self {
        let keys = tempfile::tempdir().expect("a temporary directory");
        let private = wg(&["genkey"], Stdio::null());
        let file = keys.path().join("key");
        fs::write(&file, private).expect("a key");
        let public = wg(&["pubkey"], fs::File::open(&file).expect("a key").into());
        let device = device.to_owned();
        let started = device.clone();
        // One that was killed leaves its socket, and process ids come again.
        let _ = fs::remove_file(socket(&device));
        let process = namespace.run(move || {
            // It ends with the thread of the namespace, whatever happens here.
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "wireguard-go", "-f", &started]).env("LOG_LEVEL", "error");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        });
        let process = process.expect("wireguard-go is installed (tests/run)");
        let end = Self { device, public, process, keys };
        wait_for("wireguard-go to listen", || socket(&end.device).exists().then_some(()));
        end
    }

    /// Lets the other end send from these addresses. `endpoint` is where it is, and what else wg(8) is
    /// to be told of it.
    pub(crate) fn connect(&self, namespace: &Namespace, other: &Self, addresses: &str, endpoint: &str) {
        namespace.command(&format!(
            "wg set {} listen-port 51820 private-key {} peer {} allowed-ips {addresses} endpoint {endpoint}",
            self.device,
            self.keys.path().join("key").display(),
            other.public,
        ));
    }
}

impl End {
    /// Stops its program where it stands.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the program lives");
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // Where it has ended by itself there is nothing to end, and its socket is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(socket(&self.device));
    }
}

/// What wg(8) answers to these words.
pub(crate) fn wg(words: &[&str], input: Stdio) -> String {
    let output = Command::new("wg").args(words).stdin(input).output();
    let output = output.expect("wireguard-tools is installed (tests/run)");
    assert!(output.status.success(), "wg {words:?}");
    String::from_utf8(output.stdout).expect("keys are base64").trim().to_owned()
}
