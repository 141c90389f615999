//! A minimal Debian of the suite that these tests run on, made once by debootstrap under `target/`, and copies of it that
//! are booted in namespaces of their own (`boot`) with a driver in an operator's place. Holds no promise.

use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

const PACKAGES: &str = "systemd,systemd-sysv,dbus,iproute2,python3";

/// What a driver writes.
const RESULT: &str = "result.json";

/// A copy of the system, as it lies before it is booted.
pub(crate) struct System(TempDir);

impl System {
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix_in("boot-", repository("target")).expect("a temporary directory");
        let system = Self(folder);
        run(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(base()).arg(system.root()));
        system
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    pub(crate) fn put(&self, to: &str, bytes: &[u8], mode: u32) {
        let to = self.root().join(to);
        fs::create_dir_all(to.parent().expect("files lie in folders")).expect("ours");
        fs::write(&to, bytes).expect("ours");
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).expect("ours");
    }

    /// A file of the repository.
    pub(crate) fn put_shipped(&self, to: &str, from: &str, mode: u32) {
        self.put(to, &fs::read(repository(from)).expect("a file of the repository"), mode);
    }

    /// What is run once the system is up, for so many seconds at most.
    pub(crate) fn drive(&self, driver: &str, argument: &str, seconds: u32) {
        // The other drivers use parts of the first.
        self.put_shipped("drive.py", "tests/boot/drive.py", 0o644);
        self.put_shipped("driver.py", driver, 0o644);
        let drive = format!(
            "[Unit]\nAfter=multi-user.target\nFailureAction=poweroff-immediate\n[Service]\nType=oneshot\nExecStart=/usr/bin/python3 /driver.py {argument}\n\
             TimeoutStartSec={seconds}\n"
        );
        self.put("etc/systemd/system/drive.service", drive.as_bytes(), 0o644);
        let wants = self.root().join("etc/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants).expect("ours");
        symlink("/etc/systemd/system/drive.service", wants.join("drive.service")).expect("ours");
    }

    /// Boots it, and kills it after so many seconds; what the driver found.
    pub(crate) fn boot(&self, seconds: u32) -> Value {
        let mut boot = Command::new(repository("tests/boot/boot"));
        let booted = boot.arg(self.root()).arg(seconds.to_string()).output().expect("the boot script runs");
        let console = String::from_utf8_lossy(&booted.stdout);
        let result = fs::read_to_string(self.root().join(RESULT)).unwrap_or_else(|_| {
            panic!("no result; the console said: {console}{}", String::from_utf8_lossy(&booted.stderr))
        });
        let result: Value = serde_json::from_str(&result).expect("the driver writes JSON");
        let (error, journal) = (&result["error"], &result["journal"]);
        assert!(error.is_null(), "{error}\n{journal}\n{}\nthe console said: {console}", result["service"]);
        result
    }
}

/// The minimal system, made once.
fn base() -> PathBuf {
    // Tests of one process and of several ask at once: the first makes it.
    let folder = repository("target/boot");
    fs::create_dir_all(&folder).expect("ours");
    let lock = fs::File::create(folder.join("lock")).expect("ours");
    lock.lock().expect("a lock can be waited for");
    let release = fs::read_to_string("/etc/os-release").expect("a Debian system");
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).expect("a suite");
    let base = folder.join(suite);
    if !base.exists() {
        let making = folder.join("making");
        // It is there when an earlier run was cut off.
        let _ = fs::remove_dir_all(&making);
        let include = format!("--include={PACKAGES}");
        let made =
            Command::new("debootstrap").args(["--variant=minbase", &include, suite]).arg(&making).output();
        let made = made.expect("tests need debootstrap");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        fs::rename(&making, &base).expect("ours");
    }
    base
}

pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(REPOSITORY).join(path)
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().expect("the command runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
