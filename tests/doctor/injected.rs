//! All twelve in a folder that stands for a host: what is planted is found by its number and nothing
//! else is, and what looks like it and is harmless is not red.

use crate::support::wait::TIMEOUT;
use blindmeter::config::Pattern;
use blindmeter::doctor::{
    ClockState, Daemon, Facts, Host, State, StoreLocation, Subject, Verdict, examine, seen_elsewhere,
};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A host, and what only system calls tell of it.
struct Planted {
    folder: TempDir,
    facts: Facts,
    subject: Subject,
}

/// The files of a host that is well kept: a tunnel, the daemon, a node_exporter that leaves the
/// tunnel out, encrypted swap, a packet socket of the daemon's own, administrators with shells.
const WELL_KEPT: [(&str, &str); 38] = [
    ("/proc/sys/kernel/osrelease", "6.1.0-32-amd64\n"),
    ("/proc/sys/kernel/core_pattern", "|/bin/false\n"),
    ("/proc/sys/kernel/unprivileged_bpf_disabled", "2\n"),
    ("/proc/sys/fs/suid_dumpable", "0\n"),
    ("/proc/sys/net/netfilter/nf_conntrack_acct", "0\n"),
    ("/proc/sys/net/netfilter/nf_conntrack_timestamp", "0\n"),
    ("/proc/self/ns/pid", "->pid:[4026531836]"),
    ("/proc/self/ns/net", "->net:[4026531840]"),
    ("/proc/self/mountinfo", MOUNTS),
    ("/proc/swaps", "Filename Type Size Used Priority\n/dev/dm-0 partition 1 0 -2\n"),
    (
        "/proc/dynamic_debug/control",
        "# filename:lineno [module]function flags format\na.c:1 [wireguard]f =_ \"g\"\n",
    ),
    ("/proc/net/packet", "sk RefCnt Type Proto Iface R Rmem User Inode\na 3 3 0003 5 1 0 0 300\n"),
    ("/proc/net/netlink", "sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode\nb 0 1 00000001 0 0 0 2 0 7\n"),
    ("/proc/net/netfilter/nfnetlink_log", ""),
    ("/proc/1/cmdline", "/sbin/init\0"),
    ("/proc/1/comm", "systemd\n"),
    ("/proc/1/ns/net", "->net:[4026531840]"),
    ("/proc/7/cmdline", "/usr/local/bin/blindmeter\0run\0"),
    ("/proc/7/comm", "blindmeter\n"),
    ("/proc/7/fd/9", "->socket:[300]"),
    (
        "/proc/8/cmdline",
        "/usr/bin/prometheus-node-exporter\0--collector.netdev.device-exclude=^(wg0|tun.*)$\0--collector.netclass.ignored-devices=^tun\0",
    ),
    ("/proc/8/comm", "prometheus-node\n"),
    ("/proc/9/cmdline", "/usr/sbin/openvpn\0--config\0server.conf\0"),
    ("/proc/9/comm", "openvpn\n"),
    ("/proc/9/fd/3", "->socket:[400]"),
    ("/sys/kernel/kexec_crash_loaded", "0\n"),
    ("/sys/class/block/dm-0/dm/uuid", "CRYPT-PLAIN-swap\n"),
    ("/sys/class/block/vda1/partition", "1\n"),
    ("/sys/dev/block/254:1", "->../../class/block/vda1"),
    ("/sys/fs/bpf/blindmeter/", ""),
    ("/var/lib/blindmeter/", ""),
    (
        "/etc/passwd",
        "root:x:0:0::/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/bash\nmeter:x:990:990::/:/usr/sbin/nologin\n",
    ),
    ("/etc/group", "root:x:0:\nsudo:x:27:ada\n"),
    ("/etc/shells", "/bin/sh\n/bin/bash\n"),
    ("/etc/shadow", "root:*:1::::::\nada:!:1::::::\n"),
    ("/etc/nsswitch.conf", "passwd: files systemd\n"),
    ("/etc/systemd/coredump.conf", "[Coredump]\n#Storage=external\n"),
    ("/etc/default/prometheus-node-exporter", "ARGS=\"\"\n"),
];

const MOUNTS: &str = "1 0 254:1 / / rw - ext4 /dev/vda1 rw\n\
                      2 1 0:20 / /sys/fs/bpf rw shared:9 - bpf bpf rw,mode=700\n";

impl Planted {
    fn well_kept() -> Self {
        let planted = Self {
            folder: TempDir::new().expect("a temporary directory"),
            facts: Facts {
                links: vec![
                    (1, "lo".to_owned()),
                    (2, "eth0".to_owned()),
                    (5, "wg0".to_owned()),
                    (6, "tun3".to_owned()),
                ],
                clock: ClockState::Synchronised,
            },
            subject: Subject {
                interfaces: ["wg0", "tun*"].map(Pattern::of_name).to_vec(),
                store: StoreLocation::Folder(PathBuf::from("/var/lib/blindmeter")),
                pin: StoreLocation::Folder(PathBuf::from("/sys/fs/bpf/blindmeter")),
                daemon: Some(Daemon { pid: 7, uid: 990 }),
            },
        };
        for (path, text) in WELL_KEPT {
            planted.put(path, text);
        }
        planted.mode("/sys/fs/bpf", 0o700);
        planted
    }

    fn place(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file; a text that begins with `->` makes a link, a path that ends with `/` a folder.
    fn put(&self, path: &str, text: &str) {
        let place = self.place(path);
        let parent =
            if path.ends_with('/') { place.as_path() } else { place.parent().unwrap_or(Path::new("/")) };
        fs::create_dir_all(parent).expect("our own folder");
        if path.ends_with('/') {
            return;
        }
        let _ = fs::remove_file(&place);
        match text.strip_prefix("->") {
            Some(target) => symlink(target, place).expect("our own folder"),
            None => fs::write(place, text).expect("our own folder"),
        }
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.place(path), Permissions::from_mode(mode)).expect("our own folder");
    }

    /// A further process.
    fn run(&self, line: &str) {
        let name = line.split(' ').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        self.put("/proc/20/cmdline", &(line.replace(' ', "\0") + "\0"));
        self.put("/proc/20/comm", &format!("{name:.15}\n"));
        self.put("/proc/20/ns/net", "->net:[4026531840]");
    }

    fn examined(&self) -> [Verdict; 12] {
        examine(&Host::at(self.folder.path()), &self.facts, &self.subject)
    }
}

type Plant = fn(&mut Planted);

/// The twelve of the privacy design, each in a form of its own.
const FAULTS: [(u8, &str, Plant); 12] = [
    (1, "node_exporter", |host| host.run("/usr/local/bin/node_exporter --web.listen-address=:9100")),
    (2, "prometheus_wire", |host| host.run("/usr/local/bin/prometheus_wireguard_exporter -p 9586")),
    (3, "vda1 is not encrypted", |host| host.put("/proc/swaps", "Filename\n/swapfile file 1 0 -2\n")),
    (4, "systemd-coredump", |host| {
        host.put("/proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P %u\n");
    }),
    (5, "suid_dumpable is 2", |host| host.put("/proc/sys/fs/suid_dumpable", "2\n")),
    (6, "crash kernel", |host| host.put("/sys/kernel/kexec_crash_loaded", "1\n")),
    (7, "module wireguard", |host| host.put("/proc/dynamic_debug/control", "a.c:1 [wireguard]f =p \"g\"\n")),
    (8, "openvpn (pid 9) captures tun*", |host| {
        host.put(
            "/proc/net/packet",
            "sk RefCnt Type Proto Iface R Rmem User Inode\na 3 3 0003 6 1 0 0 400\n",
        );
    }),
    (9, "btrfs", |host| {
        host.put("/proc/self/mountinfo", &format!("{MOUNTS}3 1 0:30 / /var rw - btrfs /dev/vdb rw\n"));
    }),
    (10, "every user may load BPF", |host| host.put("/proc/sys/kernel/unprivileged_bpf_disabled", "0\n")),
    (11, "uid 1001", |host| {
        host.put("/etc/passwd", "root:x:0:0::/root:/bin/bash\neve:x:1001:1001::/home/eve:/bin/sh\n");
    }),
    (12, "not synchronised", |host| host.facts.clock = ClockState::Unsynchronised),
];

/// What resembles each of the twelve and voids nothing; the last word says how it ends.
const HARMLESS: [(u8, State, Plant); 12] = [
    (1, State::Ok, |host| {
        host.run("/usr/local/bin/node_exporter --no-collector.netdev --no-collector.netclass")
    }),
    (2, State::Ok, |host| host.run("/usr/bin/prometheus --config.file=/etc/wireguard_exporter.yml")),
    (3, State::Ok, |host| host.put("/proc/swaps", "Filename\n/dev/zram0 partition 1 0 100\n")),
    (4, State::Ok, |host| {
        host.put("/proc/sys/kernel/core_pattern", "|/usr/lib/systemd/systemd-coredump %P %u\n");
        host.put("/etc/systemd/coredump.conf.d/none.conf", "[Coredump]\nStorage=none\nProcessSizeMax=0\n");
    }),
    (5, State::Ok, |host| fs::remove_file(host.place("/proc/sys/fs/suid_dumpable")).expect("it is there")),
    (6, State::Ok, |host| {
        fs::remove_file(host.place("/sys/kernel/kexec_crash_loaded")).expect("it is there")
    }),
    (7, State::Ok, |host| host.put("/proc/dynamic_debug/control", "a.c:1 [usbcore]f =p \"g\"\n")),
    (8, State::Ok, |host| {
        // A DHCP client on the uplink, and a listener for LLDP on the tunnel.
        let sockets =
            "sk RefCnt Type Proto Iface R Rmem User Inode\na 3 2 0800 2 1 0 0 400\nb 3 2 88cc 6 1 0 0 400\n";
        host.put("/proc/net/packet", sockets);
    }),
    (9, State::Ok, |host| {
        host.put("/proc/self/mountinfo", &format!("{MOUNTS}3 1 0:30 / /home rw - btrfs /dev/vdb rw\n"));
    }),
    (10, State::Note, |host| {
        host.mode("/sys/fs/bpf", 0o1777);
        host.mode("/sys/fs/bpf/blindmeter", 0o700);
    }),
    (11, State::Note, |host| {
        host.put("/etc/passwd", "root:x:0:0::/root:/bin/bash\npg:x:101:101::/var/lib/pg:/bin/bash\n");
    }),
    (12, State::Note, |host| {
        host.facts.clock = ClockState::Unsynchronised;
        host.subject.store = StoreLocation::None;
    }),
];

fn numbers(verdicts: &[Verdict; 12], state: State) -> Vec<u8> {
    verdicts.iter().filter(|verdict| verdict.state == state).map(|verdict| verdict.number).collect()
}

#[test]
fn a_well_kept_host_is_good_in_all_twelve() {
    for verdict in Planted::well_kept().examined() {
        assert!(verdict.state == State::Ok, "{}: {}", verdict.number, verdict.what);
    }
}

#[test]
fn twelve_of_twelve_are_found_each_alone() {
    let mut found = 0;
    for (number, what, plant) in FAULTS {
        let mut host = Planted::well_kept();
        plant(&mut host);
        let verdicts = host.examined();
        let said = &verdicts[usize::from(number) - 1];
        assert_eq!(numbers(&verdicts, State::Void), [number], "{number}: {}", said.what);
        assert_eq!(numbers(&verdicts, State::Ok).len(), 11, "the others are as good as before");
        assert!(said.what.contains(what), "{number} says {what:?}: {}", said.what);
        assert!(said.remedy.as_ref().is_some_and(|remedy| !remedy.is_empty()));
        found += 1;
    }
    println!("doctor: {found} of 12 found");
    assert_eq!(found, 12);
}

#[test]
fn all_twelve_at_once_are_found() {
    let mut host = Planted::well_kept();
    for (_, _, plant) in FAULTS.iter().filter(|(number, ..)| *number != 2) {
        plant(&mut host);
    }
    host.put("/proc/21/cmdline", "openvpn_exporter\0");
    assert_eq!(numbers(&host.examined(), State::Void), (1..=12).collect::<Vec<u8>>());
}

/// `/proc/PID/net/dev` of any process in a namespace is that namespace's.
#[test]
fn a_namespace_without_shells_is_void_where_proc_shows_its_processes() {
    for (mount, state) in [("rw,hidepid=invisible", State::Ok), ("rw,relatime", State::Void)] {
        let host = Planted::well_kept();
        host.put("/etc/passwd", "root:x:0:0::/root:/bin/bash\neve:x:1001:1001::/home/eve:/bin/sh\n");
        host.put("/proc/self/ns/net", "->net:[4026532999]");
        host.put("/proc/1/mounts", &format!("proc /proc proc {mount} 0 0\n"));
        assert_eq!(numbers(&host.examined(), State::Void).contains(&11), state == State::Void, "{mount}");
    }
}

/// Control groups tell the daemon's processor time, and sock_diag who connects, whatever `/proc` hides.
#[test]
fn what_others_see_beside_proc_is_told_where_there_are_control_groups() {
    let seen = |host: &Planted| seen_elsewhere(&Host::at(host.folder.path()));
    let host = Planted::well_kept();
    assert!(seen(&host).is_none());
    host.put("/sys/fs/cgroup/cgroup.controllers", "cpu io memory\n");
    assert!(seen(&host).is_some_and(|told| told.contains("cpu.stat") && told.contains("sock_diag")));
}

#[test]
fn what_only_resembles_them_is_not_red() {
    for (number, expected, plant) in HARMLESS {
        let mut host = Planted::well_kept();
        plant(&mut host);
        let verdicts = host.examined();
        assert!(numbers(&verdicts, State::Void).is_empty(), "{number}");
        assert!(numbers(&verdicts, State::Unknown).is_empty(), "{number}");
        let said = &verdicts[usize::from(number) - 1];
        assert!(said.state == expected, "{number}: {}", said.what);
    }
}

#[test]
fn what_cannot_be_read_is_never_passed_as_good() {
    // A folder where a file is expected cannot be read, whoever asks.
    for (number, path) in [
        (3, "/proc/swaps"),
        (4, "/proc/sys/kernel/core_pattern"),
        (5, "/proc/sys/fs/suid_dumpable"),
        (6, "/sys/kernel/kexec_crash_loaded"),
        (7, "/proc/dynamic_debug/control"),
        (8, "/proc/net/netfilter/nfnetlink_log"),
        (8, "/proc/net/packet"),
        (8, "/proc/sys/net/netfilter/nf_conntrack_acct"),
        (9, "/proc/self/mountinfo"),
        (10, "/proc/sys/kernel/unprivileged_bpf_disabled"),
        (11, "/etc/passwd"),
    ] {
        let host = Planted::well_kept();
        fs::remove_file(host.place(path)).expect("it is there");
        host.put(&format!("{path}/"), "");
        let verdicts = host.examined();
        let said = &verdicts[number - 1];
        assert!(said.state == State::Unknown && said.what.contains("unknown: "), "{path}: {}", said.what);
        assert_eq!(said.remedy.as_deref(), Some("run as root"), "{path}");
    }
    let mut host = Planted::well_kept();
    host.facts.clock = ClockState::Unknown("no".to_owned());
    assert_eq!(numbers(&host.examined(), State::Unknown), [12]);
    // From a PID namespace of its own it sees too few processes to say anything of collectors.
    let host = Planted::well_kept();
    host.put("/proc/self/ns/pid", "->pid:[4026532000]");
    assert_eq!(numbers(&host.examined(), State::Unknown), [1, 2]);
}

#[test]
fn without_proc_and_sys_nothing_is_called_good_that_they_would_tell() {
    let host = Planted::well_kept();
    for tree in ["/proc", "/sys"] {
        fs::remove_dir_all(host.place(tree)).expect("our own folder");
    }
    assert_eq!(numbers(&host.examined(), State::Ok), [11, 12]);
}

/// Any local user may start a process that is called like a collector, and name any path in its command line.
#[test]
fn a_configuration_that_is_a_pipe_or_a_device_holds_nobody_up() {
    for (line, name) in [("telegraf --config /srv/it", "telegraf"), ("collectd -C /srv/it", "collectd")] {
        for make in [
            (|path: &Path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe"))
                as fn(&Path),
            |path| symlink("/dev/zero", path).expect("a link"),
        ] {
            let host = Planted::well_kept();
            host.run(line);
            host.put("/srv/", "");
            make(&host.place("/srv/it"));
            let (told, verdicts) = std::sync::mpsc::channel();
            std::thread::spawn(move || drop(told.send(host.examined())));
            let verdicts = verdicts.recv_timeout(TIMEOUT).expect("doctor comes to an end");
            assert!(numbers(&verdicts, State::Unknown).contains(&1), "{name} reads what is no file");
        }
    }
}
