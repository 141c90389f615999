//! Where it lies from a stop to the next start what hooks said: who may read it, what it names, when it is gone. Whose
//! packets are after it is in `tests/live_stops.rs`.

use crate::daemon::command::{Person, bounded, ended, identity};
use crate::daemon::{PROGRAM, Site};
use crate::support::wait::{TIMEOUT, wait_at_most};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use tempfile::TempDir;

/// A site whose control socket is on a tmpfs.
fn site_in_memory() -> (Site, TempDir) {
    let (site, memory) = (Site::new(), TempDir::new_in("/dev/shm").expect("/dev/shm is a tmpfs"));
    fs::set_permissions(memory.path(), fs::Permissions::from_mode(0o755)).expect("ours");
    let socket = memory.path().join("control.sock").display().to_string();
    site.configure(&format!("socket = {:?}", site.name("control.sock")), format!("socket = {socket:?}"));
    (site, memory)
}

#[test]
fn what_hooks_said_lies_in_memory_from_a_stop_to_the_next_start_and_no_longer() {
    let (site, memory) = site_in_memory();
    let kept = memory.path().join("control.kept");
    let hook = |words: &[&str]| {
        let mut command = bounded();
        command
            .args([PROGRAM, "hook", "--socket"])
            .arg(memory.path().join("control.sock"))
            .args(words)
            .env_clear();
        assert_eq!(ended(command).code, Some(0));
    };
    let held = || {
        let hosts = 0..200;
        hosts
            .filter(|host| site.command(&["roster", "unassign", &format!("10.77.3.{host}")]).code == Some(0))
            .count()
    };
    let mut lengths = Vec::new();
    for clients in [1, 200] {
        let mut daemon = site.start();
        for host in 0..clients {
            hook(&["openvpn", "add", &format!("10.77.3.{host}"), "canary-kept"]);
        }
        wait_at_most(TIMEOUT, || daemon.is_running());
        assert!(!kept.exists(), "nothing of it lies there while a daemon runs");
        daemon.end(Signal::SIGTERM);
        let metadata = fs::metadata(&kept).expect("a stop leaves it");
        assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o600, 0));
        lengths.push(metadata.len());
        let text = fs::read(&kept).expect("root reads it");
        for name in ["canary-kept", "10.77.3.", "canary"] {
            assert!(!text.windows(name.len()).any(|part| part == name.as_bytes()), "{name} is in the file");
        }
        let games = Person { user: 5, group: 65_534, more_groups: &[] };
        let mut look = bounded();
        look.args(identity(games)).arg("cat").arg(&kept);
        assert_ne!(ended(look).code, Some(0), "nobody else reads it");
        let mut daemon = site.start();
        assert!(!kept.exists(), "nothing of it lies there while a daemon runs");
        assert_eq!(held(), clients, "of {clients} clients");
        daemon.end(Signal::SIGTERM);
    }
    assert_eq!(lengths[0], lengths[1], "its length does not tell how many were there");
}
