//! The daemon as a user of its own with exactly the capabilities that README names: what each tap
//! needs, what is refused without it, and what is left once it is set up.

mod netns;
mod support;

use netns::Namespace;
use netns::daemon::{Daemon, Setup};
use netns::folder::Folder;
use netns::tally::{Expected, Way, name};
use netns::wire::{Kind, Wire, nobody};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use support::frames::{Address, datagram};
use support::wait::wait_for;

/// Debian's `nobody`; its group `nogroup` has the same number.
const NOBODY: u32 = 65_534;

/// Bits of capabilities: capabilities(7), include/uapi/linux/capability.h.
const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;
const BPF: u64 = 1 << 39;

/// What README says that each tap needs, and what is left in the daemon and in its helper.
const NEEDS: [(&str, &[&str], u64, Option<u64>); 4] = [
    ("tcx", &["bpf", "net_admin"], 0, Some(BPF | NET_ADMIN)),
    ("clsact", &["bpf", "net_admin"], 0, Some(BPF | NET_ADMIN)),
    ("ring", &["net_raw"], NET_RAW, None),
    ("pnet", &["net_raw"], NET_RAW, None),
];

#[test]
fn each_tap_meters_as_another_user_with_exactly_its_capabilities() {
    for (tap, capabilities, left, helper) in NEEDS {
        let fixture = Fixture::new(tap);
        let mut expected = Expected::of(2);
        let mut daemon = fixture.start(capabilities);
        fixture.send(&fixture.wire, &mut expected);
        // A device that comes later, and an address that changes hands, after the capabilities are gone.
        let late = Wire::make(&fixture.namespace, Kind::Tun, "tun1");
        wait_for("the later device to be attached", || {
            let before = daemon.export_node().counted();
            fixture.send(&late, &mut Expected::of(2));
            (daemon.await_packets(before + 20).counted() > before).then_some(())
        });
        let held = daemon.export_node();
        daemon.assign("10.8.0.1", &name(1));
        fixture.send_for(&late, &mut expected, 1);
        assert_eq!(daemon.await_packets(held.counted() + 20).counted(), held.counted() + 20, "{tap}");
        assert_eq!(daemon.export(&name(1)).up_packets, 20, "{tap}");
        assert_eq!(capabilities_of(daemon.id()), vec![left], "{tap}: every thread of the daemon");
        assert_undumpable(daemon.id());
        if let Some(kept) = helper {
            assert_eq!(capabilities_of(daemon.helper()), vec![kept], "{tap}: the helper");
            assert_undumpable(daemon.helper());
        }
        // What was counted outlives this user's process as well.
        let counted = daemon.await_packets(0).counted();
        daemon.kill();
        daemon = fixture.start(capabilities);
        assert_eq!(daemon.await_packets(counted).counted(), counted, "{tap}");
        drop(late);
        daemon.stop();
        assert!(fixture.folder.pins().is_empty(), "{tap}");
    }
}

#[test]
fn without_one_of_them_it_is_refused_with_the_remedy() {
    for (tap, capabilities, ..) in NEEDS {
        for missing in capabilities.iter().filter(|capability| **capability != "perfmon") {
            let fixture = Fixture::new(tap);
            let rest: Vec<&str> = capabilities.iter().copied().filter(|other| other != missing).collect();
            let (code, said) = fixture.spawn(&rest).await_last_word();
            assert_eq!(code, Some(77), "{tap} without {missing}: {said}");
            let named = format!("CAP_{}", missing.to_uppercase());
            assert!(said.contains(&named) && said.contains("AmbientCapabilities="), "{said}");
        }
    }
}

#[test]
fn auto_takes_the_ring_where_only_packet_sockets_are_allowed() {
    let fixture = Fixture::new("tcx");
    fixture.folder.configure("backend = \"kernel\"", "backend = \"auto\"");
    let daemon = fixture.start(&["net_raw"]);
    let said = daemon.said();
    assert!(said.contains("tap: ring: the kernel tap needs CAP_BPF and CAP_NET_ADMIN"), "{said}");
    let mut expected = Expected::of(2);
    fixture.send(&fixture.wire, &mut expected);
    expected.assert_held_by(&daemon);
    daemon.stop();
}

struct Fixture {
    namespace: Namespace,
    wire: Wire,
    folder: Arc<Folder>,
    program: std::path::PathBuf,
}

impl Fixture {
    fn new(tap: &'static str) -> Self {
        let namespace = Namespace::new();
        let wire = Wire::make(&namespace, Kind::Tun, "tun0");
        let roster = format!("10.8.0.1,{}\n", name(0));
        let setup =
            Setup { backend: tap, interfaces: vec!["tun0", "tun*"], pools: vec!["10.8.0.0/24"], roster };
        let folder = Folder::keeping(&setup, "24h");
        let program = folder.give_to(NOBODY);
        Self { namespace, wire, folder, program }
    }

    fn spawn(&self, capabilities: &[&str]) -> Daemon {
        let list = capabilities.iter().map(|it| format!(",+{it}")).collect::<String>();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(format!("--inh-caps=-all{list}")).arg(format!("--ambient-caps=-all{list}"));
        command.arg(format!("--bounding-set=-all{list}")).arg(&self.program);
        Daemon::spawn_as(&self.namespace, &self.folder, command)
    }

    fn start(&self, capabilities: &[&str]) -> Daemon {
        let mut daemon = self.spawn(capabilities);
        daemon.await_start(0);
        daemon
    }

    fn send(&self, wire: &Wire, expected: &mut Expected) {
        self.send_for(wire, expected, 0);
    }

    fn send_for(&self, wire: &Wire, expected: &mut Expected, owner: usize) {
        let address = Address::v4(0x0a08_0001);
        for _ in 0..20 {
            wire.send(Way::Up, &datagram(address, nobody(address, 1), 100));
            expected.add(Some(owner), Way::Up, 1, 100);
        }
    }
}

/// What the kernel shows of a process that may not be dumped or traced belongs to root, although the
/// process does not.
fn assert_undumpable(process: u32) {
    let of = |what: &str| fs::metadata(format!("/proc/{process}/{what}")).expect("it lives").uid();
    assert_eq!((of("status"), of("maps")), (0, 0));
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it lives");
    assert!(status.contains("Uid:\t65534\t"), "{status}");
}

/// The permitted and effective capabilities of every thread, each value once.
fn capabilities_of(process: u32) -> Vec<u64> {
    let tasks = fs::read_dir(Path::new("/proc").join(process.to_string()).join("task")).expect("it lives");
    let mut found: Vec<u64> = tasks
        .flat_map(|task| {
            let status = fs::read_to_string(task.expect("a task").path().join("status")).expect("it lives");
            let value = |key: &str| {
                let text = status.lines().find_map(|line| line.strip_prefix(key)).expect("the kernel says");
                u64::from_str_radix(text.trim(), 16).expect("a mask")
            };
            assert_eq!(value("CapAmb:") & !value("CapPrm:"), 0);
            [value("CapPrm:"), value("CapEff:"), value("CapPrm:") | value("CapInh:")]
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
