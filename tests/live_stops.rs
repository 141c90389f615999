//! What hooks and `roster assign` said outlives a stop and a start, in memory alone, and nothing else does: whose packets
//! are after it, where it lies meanwhile, who contradicts it, what ends it.

mod netns;
#[path = "live_stops/radius.rs"]
mod radius;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use netns::Namespace;
use netns::daemon::{Daemon, PROGRAM, Setup};
use netns::folder::Folder;
use netns::tally::Way;
use netns::wire::{Kind, Wire, nobody};
use support::frames::{Address, datagram};
use support::wait::let_pass;

const ACCOUNTS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// A namespace with a TUN device, and a folder that outlives daemons.
struct Fixture {
    namespace: Namespace,
    wire: Wire,
    folder: Arc<Folder>,
}

impl Fixture {
    fn new(tap: &'static str, store: &str) -> Self {
        let namespace = Namespace::new();
        let wire = Wire::make(&namespace, Kind::Tun, "tun0");
        let setup = Setup {
            backend: tap,
            interfaces: vec!["tun0"],
            pools: vec!["10.8.0.0/24"],
            roster: String::new(),
        };
        let folder = Folder::keeping(&setup, "24h");
        folder.configure("save_every", &format!("mode = \"{store}\"\nsave_every"));
        Self { namespace, wire, folder }
    }

    fn start(&self) -> Daemon {
        Daemon::start_in(&self.namespace, &self.folder)
    }

    /// Runs ocserv's hook for a client's connection of this number.
    fn ocserv(&self, reason: &str, account: &str, host: u32, connection: &str) {
        let mut command = Command::new(PROGRAM);
        command.args(["hook", "--socket"]).arg(self.folder.path("control.sock")).arg("ocserv").env_clear();
        command.envs([("REASON", reason), ("USERNAME", account), ("ID", connection)]);
        command.env("IP_REMOTE", format!("10.8.0.{host}"));
        assert!(command.status().is_ok_and(|status| status.success()));
        let_pass(std::time::Duration::from_millis(200), "a late change is made");
    }

    /// Whom a packet from this host's address is charged to.
    fn owner(&self, daemon: &Daemon, host: u32) -> Option<&'static str> {
        let all = || ACCOUNTS.map(|account| daemon.export(account).up_packets);
        let (before, counted) = (all(), daemon.export_node().counted());
        let address = Address::v4(0x0a08_0000 + host);
        self.wire.send(Way::Up, &datagram(address, nobody(address, 1), 100));
        daemon.await_packets(counted + 1);
        let after = all();
        let charged = ACCOUNTS
            .into_iter()
            .zip(before.iter().zip(after))
            .filter(|(_, (before, after))| **before != *after);
        charged.map(|(account, _)| account).next()
    }

    fn kept(&self) -> std::path::PathBuf {
        self.folder.path("control.kept")
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn what_hooks_said_holds_after_a_stop_and_lies_nowhere_while_a_daemon_runs() {
    for (tap, store) in [("ring", "sealed"), ("tcx", "sealed"), ("ring", "memory"), ("tcx", "memory")] {
        let fixture = Fixture::new(tap, store);
        let daemon = fixture.start();
        fixture.ocserv("connect", "alice", 20, "7");
        daemon.assign("10.8.0.21", "bob");
        let on_device = ["roster", "assign", "10.9.0.22", "carol", "--interface", "tun0"];
        assert_eq!(daemon.command(&on_device).code, Some(0));
        assert!(!fixture.kept().exists(), "nothing lies there while a daemon runs");
        daemon.stop();
        assert_eq!(
            (mode(&fixture.kept()), fs::metadata(fixture.kept()).expect("it is").len()),
            (0o600, 65_536)
        );
        let daemon = fixture.start();
        assert!(!fixture.kept().exists(), "a start wipes it");
        let owners = [20, 21, 23].map(|host| fixture.owner(&daemon, host));
        assert_eq!(owners, [Some("alice"), Some("bob"), None], "{tap}, {store}");
        let address = Address::v4(0x0a09_0016);
        fixture.wire.send(Way::Up, &datagram(address, nobody(address, 1), 100));
        daemon.await_packets(4);
        assert_eq!(daemon.export("carol").up_packets, 1, "on its interface");
        // The end of another connection ends nothing, its own does; and again over a stop.
        fixture.ocserv("disconnect", "alice", 20, "6");
        assert_eq!(fixture.owner(&daemon, 20), Some("alice"));
        daemon.stop();
        let daemon = fixture.start();
        fixture.ocserv("disconnect", "alice", 20, "7");
        assert_eq!([20, 21].map(|host| fixture.owner(&daemon, host)), [None, Some("bob")]);
        daemon.release("10.8.0.21");
        daemon.stop();
        let daemon = fixture.start();
        assert_eq!(
            [20, 21].map(|host| fixture.owner(&daemon, host)),
            [None, None],
            "what was taken back is gone"
        );
        let said = daemon.stop();
        assert!(!said.contains("forget"), "{said}");
        for word in ["10.8.", "10.9.", "alice", "bob", "carol"] {
            assert!(!said.contains(word), "{word} is in the log: {said}");
        }
    }
}

/// The file says otherwise at the start, or at a reload; the server itself says otherwise.
#[test]
fn the_first_source_that_contradicts_what_was_kept_wins() {
    for tap in ["ring", "tcx"] {
        let fixture = Fixture::new(tap, "sealed");
        let daemon = fixture.start();
        for (host, account) in [(30, "alice"), (31, "alice"), (32, "alice"), (33, "alice")] {
            fixture.ocserv("connect", account, host, "7");
        }
        daemon.stop();
        fs::write(fixture.folder.path("roster.csv"), "prefix,account\n10.8.0.30,dave\n10.8.0.33,alice\n")
            .expect("ours");
        let daemon = fixture.start();
        assert_eq!(fixture.owner(&daemon, 30), Some("dave"), "the file that was changed meanwhile");
        assert_eq!(fixture.owner(&daemon, 31), Some("alice"));
        daemon.reload_roster("10.8.0.30,dave\n10.8.0.31,erin\n10.8.0.33,alice\n");
        assert_eq!(fixture.owner(&daemon, 31), Some("erin"), "a reload");
        fixture.ocserv("connect", "bob", 32, "9");
        assert_eq!(fixture.owner(&daemon, 32), Some("bob"), "the server");
        // Once it is confirmed, the usual order holds.
        fixture.ocserv("connect", "alice", 33, "9");
        daemon.reload_roster("10.8.0.33,erin\n");
        assert_eq!(fixture.owner(&daemon, 33), Some("alice"), "the socket before the file");
    }
}

#[test]
fn a_reboot_detach_or_another_user_ends_it() {
    let fixture = Fixture::new("ring", "sealed");
    let stop_with_alice = || {
        let daemon = fixture.start();
        fixture.ocserv("connect", "alice", 20, "7");
        assert_eq!(fixture.owner(&daemon, 20), Some("alice"));
        daemon.stop();
    };
    // What a reboot does to a tmpfs.
    stop_with_alice();
    fs::remove_file(fixture.kept()).expect("it was there");
    let daemon = fixture.start();
    assert_eq!(fixture.owner(&daemon, 20), None);
    daemon.stop();
    stop_with_alice();
    let open = fs::File::open(fixture.kept()).expect("it was there");
    let detached = fixture.folder.command_in(&fixture.namespace, &["detach", "--json"]);
    assert!(detached.stdout.contains("\"assignments_file\":true"), "{}{}", detached.stdout, detached.stderr);
    let mut left = Vec::new();
    std::io::Read::read_to_end(&mut &open, &mut left).expect("whoever has it open reads it still");
    assert!(!fixture.kept().exists() && left.iter().all(|byte| *byte == 0), "it is wiped");
    let daemon = fixture.start();
    assert_eq!(fixture.owner(&daemon, 20), None);
    daemon.stop();
    // One that others could have written is not believed.
    stop_with_alice();
    fs::set_permissions(fixture.kept(), fs::Permissions::from_mode(0o666)).expect("ours");
    let daemon = fixture.start();
    assert_eq!(fixture.owner(&daemon, 20), None);
    assert!(!fixture.kept().exists());
    daemon.stop();
}

/// A control socket on a disk: the file would be at rest.
#[test]
fn on_a_disk_nothing_is_kept_and_the_log_says_so() {
    let fixture = Fixture::new("tcx", "sealed");
    let disk = tempfile::TempDir::new_in("/var/tmp").expect("a folder on the disk");
    let socket = disk.path().join("control.sock");
    let before = fixture.folder.path("control.sock");
    fixture.folder.configure(&before.display().to_string(), &socket.display().to_string());
    let daemon = fixture.start();
    daemon.assign("10.8.0.21", "bob");
    assert_eq!(fixture.owner(&daemon, 21), Some("bob"));
    daemon.stop();
    let left: Vec<_> =
        fs::read_dir(disk.path()).expect("ours").flatten().map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    let daemon = fixture.start();
    assert_eq!(fixture.owner(&daemon, 21), None);
    let said = daemon.stop();
    let told = said
        .lines()
        .filter(|line| line.contains("a stop forgets what hooks, RADIUS and `roster assign` said"));
    assert_eq!(told.count(), 2, "at each start: {said}");
}
