//! What outlives a process, and what does not: pins, the service manager's descriptor store, filters,
//! the file of counters; adopted owners and what contradicts them; changes of tap and hook between two
//! processes; `detach`.

mod netns;
mod support;

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::manager::Manager;
use netns::tally::{Expected, Totals, Way, name};
use netns::tun::Tun;
use netns::wire::{Kind, Wire, nobody};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use support::frames::{Address, datagram};
use support::wait::{let_pass, wait_for};

const LENGTH: usize = 200;
const ACCOUNTS: usize = 4;

/// A namespace with a TUN, a folder that outlives daemons, and an address in the pool.
struct Fixture {
    namespace: Namespace,
    wire: Wire,
    folder: Arc<Folder>,
    address: Address,
}

impl Fixture {
    fn new(tap: &'static str) -> Self {
        let namespace = Namespace::new();
        let wire = Wire::make(&namespace, Kind::Tun, "tun0");
        let roster = format!("10.8.0.9,{}\n", name(3));
        let setup = Setup { backend: tap, interfaces: vec!["tun0"], pools: vec!["10.8.0.0/24"], roster };
        let folder = Folder::keeping(&setup, "24h");
        Self { namespace, wire, folder, address: Address::v4(0x0a08_0001) }
    }

    fn start(&self) -> Daemon {
        Daemon::start_in(&self.namespace, &self.folder)
    }

    /// Sends so many packets from an address, for an account or for nobody.
    fn send_from(&self, address: Address, expected: &mut Expected, owner: Option<usize>, packets: u64) {
        let packet = datagram(address, nobody(address, 1), LENGTH);
        for _ in 0..packets {
            self.wire.send(Way::Up, &packet);
        }
        expected.add(owner, Way::Up, packets, packets * LENGTH as u64);
    }

    fn send(&self, expected: &mut Expected, owner: Option<usize>, packets: u64) {
        self.send_from(self.address, expected, owner, packets);
    }

    /// Waits until everything that was counted so far is saved.
    fn await_save(&self) {
        let changed = || fs::metadata(self.folder.path("ledger.sealed")).and_then(|it| it.modified()).ok();
        for _ in 0..2 {
            let before = changed();
            wait_for("a save", || (changed() != before).then_some(()));
        }
    }

    /// Filters of ours on the device.
    fn filters(&self) -> usize {
        let list = |way: &'static str| {
            let output = self
                .namespace
                .run(move || Command::new("tc").args(["filter", "show", "dev", "tun0", way]).output());
            let output = output.expect("iproute2 is installed");
            String::from_utf8_lossy(&output.stdout).matches("blindmeter-").count()
        };
        list("ingress") + list("egress")
    }

    fn refused(&self, texts: &[&str]) {
        let output = self.folder.command_in(&self.namespace, &["run"]);
        assert_eq!(output.code, Some(78), "{}", output.stderr);
        let last = output.stderr.lines().last().unwrap_or_default();
        assert!(texts.iter().all(|text| last.contains(text)), "{last} does not say {texts:?}");
    }
}

#[test]
fn pins_are_the_daemons_alone_and_end_with_a_real_stop() {
    for tap in ["tcx", "clsact"] {
        let fixture = Fixture::new(tap);
        let daemon = fixture.start();
        let folder = fs::metadata(fixture.folder.path("bpf/blindmeter")).expect("the pins have a folder");
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
        let pins = fixture.folder.pins();
        for pin in &pins {
            let pin = fs::metadata(fixture.folder.path("bpf/blindmeter").join(pin)).expect("a pin");
            assert_eq!(pin.permissions().mode() & 0o077, 0, "{pins:?}");
            assert!(!pins.iter().any(|pin| pin.contains("tun0")), "no interface's name: {pins:?}");
        }
        assert_eq!(
            pins.iter().filter(|pin| pin.starts_with("link-")).count(),
            if tap == "tcx" { 2 } else { 0 }
        );
        assert_eq!(fixture.filters(), if tap == "tcx" { 0 } else { 2 });
        daemon.hand_over();
        assert_eq!(fixture.folder.pins().len(), pins.len(), "{tap}: what counts on stays");
        fixture.start().stop();
        assert!(!fixture.folder.path("bpf/blindmeter").exists(), "{tap}: a real stop leaves nothing");
        assert_eq!(fixture.filters(), 0, "{tap}");
    }
}

#[test]
fn memory_mode_keeps_nothing_in_the_kernel() {
    for tap in ["tcx", "clsact"] {
        let mut fixture = Fixture::new(tap);
        let setup = Setup { backend: tap, interfaces: vec!["tun0"], pools: vec![], roster: String::new() };
        fixture.folder = Folder::forgetful(&setup);
        let daemon = fixture.start();
        assert!(!fixture.folder.path("bpf").exists() && !fixture.folder.path("control.counters").exists());
        daemon.kill();
        wait_for("the helper to end", || (fixture.filters() == 0).then_some(()));
        let mut expected = Expected::of(ACCOUNTS);
        let daemon = fixture.start();
        fixture.send(&mut expected, None, 7);
        expected.assert_held_by(&daemon);
        daemon.stop();
    }
}

#[test]
fn a_killed_helper_leaves_filters_that_the_next_start_takes_over_and_detach_removes() {
    let mut fixture = Fixture::new("clsact");
    let setup = Setup { backend: "clsact", interfaces: vec!["tun0"], pools: vec![], roster: String::new() };
    fixture.folder = Folder::forgetful(&setup);
    let killed_with_its_helper = |daemon: Daemon| {
        daemon.kill_helper();
        daemon.kill();
        assert_eq!(fixture.filters(), 2, "nobody was left to take them off");
    };
    killed_with_its_helper(fixture.start());
    let mut expected = Expected::of(ACCOUNTS);
    fixture.send(&mut Expected::of(ACCOUNTS), None, 3);
    let daemon = fixture.start();
    fixture.send(&mut expected, None, 7);
    expected.assert_held_by(&daemon);
    killed_with_its_helper(daemon);
    let detached = fixture.folder.command_in(&fixture.namespace, &["detach", "--json"]);
    assert!(detached.stdout.contains("\"filtered_interfaces\":1"));
    assert_eq!(fixture.filters(), 0);
}

#[test]
fn a_service_managers_store_keeps_the_tap_instead_of_pins() {
    for tap in ["tcx", "clsact"] {
        let fixture = Fixture::new(tap);
        let manager = Manager::of(&fixture.folder);
        let start = || Daemon::start_under(&fixture.namespace, &fixture.folder, &manager);
        let mut expected = Expected::of(ACCOUNTS);
        let daemon = start();
        daemon.assign(&fixture.address.text(), &name(0));
        fixture.send(&mut expected, Some(0), 50);
        assert!(fixture.folder.pins().is_empty() && !fixture.folder.path("bpf/blindmeter").exists());
        assert_eq!(manager.stored().len(), if tap == "tcx" { 17 } else { 15 });
        daemon.kill();
        fixture.send(&mut expected, Some(0), 70);
        let daemon = start();
        expected.assert_held_by(&daemon);
        daemon.hand_over();
        fixture.send(&mut expected, Some(0), 11);
        let daemon = start();
        expected.assert_held_by(&daemon);
        daemon.stop();
        assert_eq!(manager.stored(), Vec::<String>::new(), "{tap}: a real stop leaves nothing");
        assert_eq!(fixture.filters(), 0, "{tap}");
        // The service manager stops a failed service: what it held is gone, and the store goes on.
        let daemon = start();
        expected.assert_held_by(&daemon);
        fixture.await_save();
        daemon.kill();
        manager.drop_all();
        let daemon = start();
        fixture.send(&mut expected, Some(0), 5);
        assert!(daemon.said().contains("resumed from the last save"), "{}", daemon.said());
        let held = daemon.await_packets(expected.node().counted());
        assert_eq!(held.counted(), expected.node().counted());
        assert_eq!(held.unattributed.up_packets, 5, "what a hook had learned is gone with the maps");
        daemon.stop();
    }
}

#[test]
fn an_owner_that_is_contradicted_after_a_crash_is_charged_for_nothing_in_doubt() {
    for tap in ["tcx", "clsact"] {
        let fixture = Fixture::new(tap);
        let address = fixture.address.text();
        let mut expected = Expected::of(ACCOUNTS);
        let daemon = fixture.start();
        daemon.assign(&address, &name(0));
        fixture.send(&mut expected, Some(0), 40);
        daemon.await_packets(40);
        fixture.await_save();
        // From here on it is not known whose they are: the server may have passed the address on.
        daemon.signal(Signal::SIGSTOP);
        fixture.send(&mut expected, None, 30);
        daemon.kill();
        fixture.send(&mut expected, None, 20);
        let daemon = fixture.start();
        fixture.send(&mut expected, None, 10);
        daemon.assign(&address, &name(1));
        fixture.send(&mut expected, Some(1), 5);
        expected.assert_held_by(&daemon);
        daemon.stop();
    }
}

#[test]
fn an_owner_that_is_confirmed_after_a_crash_keeps_every_byte() {
    let fixture = Fixture::new("tcx");
    let address = fixture.address.text();
    let mut expected = Expected::of(ACCOUNTS);
    for confirmed in ["assign", "release", "sync"] {
        let daemon = fixture.start();
        daemon.assign(&address, &name(0));
        fixture.send(&mut expected, Some(0), 40);
        daemon.kill();
        fixture.send(&mut expected, Some(0), 20);
        let daemon = fixture.start();
        match confirmed {
            "assign" => daemon.assign(&address, &name(0)),
            "release" => daemon.release(&address),
            _ => daemon.sync(&format!("{address},{}\n", name(0))),
        }
        // Another account's turn, in the ordinary way.
        daemon.assign(&address, &name(1));
        fixture.send(&mut expected, Some(1), 5);
        expected.assert_held_by(&daemon);
        daemon.hand_over();
    }
    fixture.start().stop();
}

#[test]
fn a_file_that_changed_while_no_daemon_lived_contradicts_as_well() {
    let fixture = Fixture::new("tcx");
    let address = Address::v4(0x0a08_0009);
    let mut expected = Expected::of(ACCOUNTS);
    let daemon = fixture.start();
    fixture.send_from(address, &mut expected, Some(3), 40);
    daemon.await_packets(40);
    fixture.await_save();
    daemon.signal(Signal::SIGSTOP);
    fixture.send_from(address, &mut expected, None, 30);
    daemon.kill();
    fs::write(fixture.folder.path("roster.csv"), format!("prefix,account\n10.8.0.9,{}\n", name(2)))
        .expect("ours");
    let daemon = fixture.start();
    fixture.send_from(address, &mut expected, Some(2), 5);
    expected.assert_held_by(&daemon);
    daemon.stop();
}

#[test]
fn a_change_of_hook_or_tap_between_two_daemons_loses_nothing_that_was_counted() {
    let fixture = Fixture::new("tcx");
    let mut expected = Expected::of(ACCOUNTS);
    let address = Address::v4(0x0a08_0009);
    let steps = [
        ("hook = \"tcx\"", "hook = \"clsact\""),
        ("hook = \"clsact\"", "hook = \"tcx\""),
        ("backend = \"kernel\"", "backend = \"ring\""),
        ("backend = \"ring\"", "backend = \"pnet\""),
        ("backend = \"pnet\"", "backend = \"kernel\""),
        ("hook = \"tcx\"", "hook = \"clsact\""),
        ("backend = \"kernel\"", "backend = \"ring\""),
    ];
    for (at, (from, to)) in steps.into_iter().enumerate() {
        let daemon = fixture.start();
        fixture.send_from(address, &mut expected, Some(3), 40);
        expected.assert_held_by(&daemon);
        if at % 2 == 0 {
            daemon.kill();
        } else {
            daemon.hand_over();
        }
        fixture.folder.configure(from, to);
    }
    let daemon = fixture.start();
    fixture.send_from(address, &mut expected, Some(3), 40);
    expected.assert_held_by(&daemon);
    assert_eq!(fixture.filters(), 0);
    daemon.stop();
    assert!(fixture.folder.pins().is_empty() && !fixture.folder.path("control.counters").exists());
}

#[test]
fn counters_of_another_node_or_store_are_refused_with_the_remedy() {
    for tap in ["tcx", "ring"] {
        let fixture = Fixture::new(tap);
        fixture.start().kill();
        fixture.folder.configure("live-test", "another");
        fixture.refused(&["another node", "blindmeter detach"]);
        fixture.folder.configure("another", "live-test");
        // A store that knows of other counters.
        let other = Folder::keeping(
            &Setup { backend: tap, interfaces: vec!["tun0"], pools: vec![], roster: String::new() },
            "24h",
        );
        let aside = Namespace::new();
        let _wire = Wire::make(&aside, Kind::Tun, "tun0");
        Daemon::start_in(&aside, &other).stop();
        for file in ["ledger.sealed", "ledger.sealed.chain"] {
            fs::copy(other.path(file), fixture.folder.path(file)).expect("ours");
        }
        fixture.refused(&["another node or store", "blindmeter detach"]);
        // No store at all.
        for file in ["ledger.sealed", "ledger.sealed.chain"] {
            fs::remove_file(fixture.folder.path(file)).expect("ours");
        }
        fixture.refused(&["counters of an earlier process exist", "--accept-loss"]);
        let detached = fixture.folder.command_in(&fixture.namespace, &["detach"]);
        assert_eq!(detached.code, Some(0));
        fixture.start().stop();
    }
}

#[test]
fn detach_removes_what_a_dead_daemon_left_and_leaves_a_living_one_alone() {
    for tap in ["tcx", "clsact", "ring"] {
        let fixture = Fixture::new(tap);
        let daemon = fixture.start();
        let refused = fixture.folder.command_in(&fixture.namespace, &["detach"]);
        assert_eq!(refused.code, Some(69), "{tap}");
        assert!(refused.stderr.contains("another daemon counts here; stop it first"));
        let mut expected = Expected::of(ACCOUNTS);
        fixture.send(&mut expected, None, 5);
        expected.assert_held_by(&daemon);
        daemon.kill();
        let detached = fixture.folder.command_in(&fixture.namespace, &["detach"]);
        assert_eq!(detached.code, Some(0), "{tap}: {}", detached.stderr);
        assert!(fixture.folder.pins().is_empty() && fixture.filters() == 0, "{tap}");
        assert!(!fixture.folder.path("control.counters").exists(), "{tap}");
        let again = fixture.folder.command_in(&fixture.namespace, &["detach"]);
        assert_eq!(again.stdout.trim(), "nothing to remove");
        let daemon = fixture.start();
        assert!(daemon.said().contains("resumed from the last save"), "{}", daemon.said());
        daemon.stop();
    }
}

#[test]
fn a_second_daemon_and_a_folder_of_somebody_else_are_refused() {
    let fixture = Fixture::new("tcx");
    let daemon = fixture.start();
    fixture.refused(&["tap.pin", "another daemon counts here"]);
    daemon.stop();
    let folder = fixture.folder.path("bpf/blindmeter");
    fs::create_dir(&folder).expect("the bpffs is ours");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).expect("ours");
    fixture.refused(&["tap.pin", "chmod 700"]);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("ours");
    fixture.start().stop();
}

#[test]
fn a_place_without_bpffs_is_said_and_metering_goes_on() {
    let fixture = Fixture::new("tcx");
    let pin = fixture.folder.path("bpf/blindmeter");
    fixture.folder.configure(&pin.display().to_string(), "/dev/shm/blindmeter-no-bpffs");
    let daemon = fixture.start();
    assert!(daemon.said().contains("no bpffs there"), "{}", daemon.said());
    let mut expected = Expected::of(ACCOUNTS);
    fixture.send(&mut expected, None, 5);
    expected.assert_held_by(&daemon);
    daemon.stop();
    assert!(!std::path::Path::new("/dev/shm/blindmeter-no-bpffs").exists());
}

#[test]
fn a_start_that_ends_before_its_first_save_is_a_first_start_again_and_loses_nothing() {
    for tap in ["tcx", "clsact", "ring"] {
        let fixture = Fixture::new(tap);
        // Nothing can be saved: the first save is refused, after the tap was attached.
        let blocker = fixture.folder.path("ledger.sealed.new");
        fs::create_dir(&blocker).expect("ours");
        let output = fixture.folder.command_in(&fixture.namespace, &["run"]);
        assert_eq!(output.code, Some(74), "{}", output.stderr);
        fs::remove_dir(&blocker).expect("ours");
        let daemon = fixture.start();
        let mut expected = Expected::of(ACCOUNTS);
        fixture.send(&mut expected, None, 5);
        expected.assert_held_by(&daemon);
        assert!(daemon.said().contains("store: first start"), "{tap}: {}", daemon.said());
        daemon.stop();
    }
}

#[test]
fn a_start_on_a_full_disk_is_gone_on_with_once_there_is_room() {
    for (tap, end) in [("tcx", Signal::SIGTERM), ("clsact", Signal::SIGUSR1), ("ring", Signal::SIGKILL)] {
        let fixture = Fixture::new(tap);
        let disk = fixture.folder.path("disk");
        fs::create_dir(&disk).expect("ours");
        // Room for a blob and the next one.
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1800k", "none"]).arg(&disk).status();
        assert!(mounted.is_ok_and(|status| status.success()), "live tests mount a tmpfs");
        fixture.folder.configure("ledger.sealed", "disk/ledger.sealed");
        let mut expected = Expected::of(ACCOUNTS);
        let daemon = fixture.start();
        fixture.send(&mut expected, None, 3);
        expected.assert_held_by(&daemon);
        daemon.stop();
        // The clean stop left no counters; what is counted on the full disk is new to the store.
        assert!(fs::write(disk.join("filler"), vec![0; 2 << 20]).is_err(), "the disk is full");
        for start in 0..2 {
            let mut daemon = Daemon::spawn_in(&fixture.namespace, &fixture.folder);
            daemon.await_start(2);
            fixture.send(&mut expected, None, 5 + start);
            // Metering goes on; what would have to be noted first is not told.
            let refused = daemon.command(&["accounts", "export", "--node"]);
            assert_eq!(refused.code, Some(74), "{}", refused.stderr);
            assert!(refused.stderr.contains("could not be noted in the store"), "{}", refused.stderr);
            let_pass(Duration::from_millis(300), "a ring's block is counted");
            if end == Signal::SIGKILL {
                daemon.kill();
            } else {
                daemon.end(end);
            }
        }
        fs::remove_file(disk.join("filler")).expect("ours");
        let daemon = fixture.start();
        fixture.send(&mut expected, None, 7);
        expected.assert_held_by(&daemon);
        daemon.stop();
        let _ = Command::new("umount").arg("--lazy").arg(&disk).status();
    }
}

#[test]
fn what_passes_a_device_that_comes_while_no_daemon_lives_is_told_as_lost() {
    for tap in ["tcx", "clsact", "ring", "pnet"] {
        let mut fixture = Fixture::new(tap);
        let setup =
            Setup { backend: tap, interfaces: vec!["tun0", "tun*"], pools: vec![], roster: String::new() };
        fixture.folder = Folder::keeping(&setup, "24h");
        fixture.start().kill();
        let late = Tun::open(&fixture.namespace, "tun7");
        let packet = datagram(fixture.address, nobody(fixture.address, 1), LENGTH);
        for _ in 0..2000 {
            late.inject(&packet);
        }
        let daemon = fixture.start();
        for _ in 0..30 {
            late.inject(&packet);
        }
        let node = daemon.await_packets(2030);
        assert_eq!((node.counted(), node.lost), (30, 2000), "{tap}");
        daemon.stop();
        assert_eq!(Totals::default(), node.attributed);
    }
}
