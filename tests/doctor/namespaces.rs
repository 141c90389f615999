//! All twelve before the program itself: in mount, network and PID namespaces that end with it, this
//! machine is made a well-kept host, and then each fault is planted.
//!
//! Files of /proc, /sys and /etc are covered by bind mounts that nobody else sees; interfaces,
//! processes, file systems and a bpffs are real. The clock is the machine's own: no namespace has
//! one. In a PID namespace `doctor` rightly says that it does not see all processes, so 1 and 2 are
//! never better than not known here; `live` and `injected` show them good.

use crate::daemon::Site;
use crate::daemon::command::{Outcome, bounded, ended};
use crate::report::Report;
use std::fs;

/// Makes a well-kept host, with what a script may wait for. `$HERE` is the folder of the test.
const WELL_KEPT: &str = r#"
until_so() { n=0; until "$@"; do n=$((n + 1)); [ $n -lt 200 ] || { echo "waited for $*" >&2; exit 99; }; sleep 0.05; done; }
runs() { tr '\0' ' ' < "/proc/$1/cmdline" | grep -q "$2"; }
captured() { grep -q ' 0003 ' /proc/net/packet; }
logged() { grep -q '^ *5 ' /proc/net/netfilter/nfnetlink_log; }
cover() { printf "$2" > "$HERE/cover.$(echo "$1" | tr / _)"; mount --bind "$HERE/cover.$(echo "$1" | tr / _)" "$1"; }
cover /proc/sys/kernel/core_pattern '|/bin/false\n'
cover /proc/sys/fs/suid_dumpable '0\n'
cover /proc/sys/kernel/unprivileged_bpf_disabled '2\n'
cover /proc/swaps 'Filename\n'
[ ! -e /proc/dynamic_debug/control ] || cover /proc/dynamic_debug/control ''
cover /etc/passwd 'root:x:0:0::/root:/bin/bash\nmeter:x:990:990::/:/usr/sbin/nologin\n'
cover /etc/nsswitch.conf 'passwd: files\n'
mount -t tmpfs none /sys/kernel
mkdir -p /sys/kernel/debug/dynamic_debug
echo 0 > /sys/kernel/kexec_crash_loaded
mkdir -p "$HERE/state" "$HERE/bpf"
mount -t tmpfs none "$HERE/state"
mount -t bpf -o mode=0700 none "$HERE/bpf"
ip link set lo up
ip tuntap add dev wg0 mode tun
ip link set wg0 up
"#;

/// A folder with a configuration for a tunnel `wg0` and whatever matches `tun*`; with the sealed
/// store under `$HERE/state` and pins under `$HERE/bpf`.
fn site() -> Site {
    let site = Site::new();
    site.configure("\"bm-none*\"", "\"wg0\", \"tun*\"");
    site.configure("[node]", format!("pin = \"{}\"\n[node]", site.name("bpf/pins")));
    let store = format!("mode = \"sealed\"\npath = \"{}\"", site.name("state/ledger.sealed"));
    site.configure("mode = \"memory\"", format!("{store}\nkey_file = \"{}\"", site.name("ledger.key")));
    site
}

/// Runs `doctor` after a script, in namespaces of their own; whatever the script started ends with it.
fn run(site: &Site, script: &str, words: &str) -> Outcome {
    let program = site.program_for_everybody().display().to_string();
    let config = site.name("blindmeter.toml");
    let text =
        format!("set -eu\n{WELL_KEPT}\n{script}\n{program} doctor {words} --config {config} </dev/null\n");
    fs::write(site.path("script"), text).expect("the folder is ours");
    let mut command = bounded();
    command.args(["unshare", "--fork", "--kill-child", "--pid", "--mount-proc", "--mount", "--net"]);
    command.args(["--propagation", "private", "sh"]).arg(site.path("script")).env("HERE", site.path("."));
    ended(command)
}

fn examined(script: &str) -> Report {
    let outcome = run(&site(), script, "--json");
    assert!(matches!(outcome.code, Some(0 | 3)), "{script}: {}", outcome.stderr);
    Report::of(&outcome)
}

/// Whether the kernel of this machine says that its clock is synchronised.
fn clock_is_synchronised() -> bool {
    let script = "import ctypes\nstate = (ctypes.c_long * 64)()\nlibc = ctypes.CDLL(None)\nassert libc.adjtimex(state) >= 0\n\
                  # struct timex: modes, offset, freq, maxerror, esterror, status\nprint(state[5] & 0x40)";
    let mut command = bounded();
    command.args(["python3", "-c", script]);
    ended(command).succeeded().trim() == "0"
}

/// The state of the clock's check where the store is sealed.
fn clock_state() -> &'static str {
    if clock_is_synchronised() { "ok" } else { "void" }
}

#[test]
fn a_well_kept_host_is_not_red() {
    let report = examined("");
    assert_eq!(report.in_state("unknown"), [1, 2], "{}", report.text);
    for number in [1, 2] {
        // Nothing else was found: this is all that it says.
        assert_eq!(report.what(number), "unknown: processes outside this PID namespace are not visible");
    }
    for number in 3..=11 {
        assert_eq!(report.state(number), "ok", "{number}: {}", report.what(number));
    }
    assert_eq!(report.state(12), clock_state());
}

#[test]
fn a_well_kept_host_in_memory_mode_ends_with_0_whatever_its_clock() {
    let site = site();
    site.configure("mode = \"sealed\"", "mode = \"memory\"");
    let report = Report::of(&run(&site, "", "--json"));
    assert_eq!((report.code, report.in_state("void").len()), (0, 0), "{}", report.text);
    assert!(report.what(9).contains("memory"), "{}", report.what(9));
    assert!(["ok", "note"].contains(&report.state(12)));
    let outcome = run(&site, "", "");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(!outcome.stdout.contains("VOID"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("found nothing that voids the privacy claim; unknown: 1, 2"));
}

/// A program of this name that does nothing for a while.
macro_rules! program {
    ($name:literal, $arguments:literal) => {
        concat!(
            "printf '#!/bin/sh\\nsleep 30\\n' > \"$HERE/",
            $name,
            "\"; chmod +x \"$HERE/",
            $name,
            "\"\n",
            "\"$HERE/",
            $name,
            "\" ",
            $arguments,
            " >/dev/null 2>&1 &\nuntil_so runs $! ",
            $name
        )
    };
}

/// Faults by number: what is planted, and what is said.
const FAULTS: [(usize, &str, &str); 20] = [
    (1, program!("node_exporter", "--web.listen-address=:9100"), "exports wg0"),
    (1, program!("prometheus-node-exporter", "--collector.netdev.device-exclude=^eth"), "exports wg0, tun*"),
    (
        1,
        concat!(
            "printf 'DatabaseDir %s\\n' \"$HERE\" > \"$HERE/vnstat.conf\"; printf 'SQLite wg0' > \"$HERE/vnstat.db\"\n",
            program!("vnstatd", "--nodaemon --config $HERE/vnstat.conf")
        ),
        "records wg0",
    ),
    (2, program!("prometheus_wireguard_exporter", "-p 9586"), "reads the VPN server's clients"),
    (2, program!("openvpn_exporter", ""), "reads the VPN server's clients"),
    (
        3,
        "cover /proc/swaps \"Filename\\n$(ls /sys/class/block | grep -m1 '^loop\\|^vd\\|^sd') partition 1 0 -2\\n\"",
        "is not encrypted",
    ),
    (4, "cover /proc/sys/kernel/core_pattern '/var/crash/core.%%p\\n'", "/var/crash/core.%p"),
    (4, "cover /proc/sys/kernel/core_pattern 'core\\n'; ulimit -c unlimited", "may leave one"),
    (
        4,
        "cover /proc/sys/kernel/core_pattern '|/usr/lib/systemd/systemd-coredump %%P\\n'; [ ! -d /etc/systemd ] || mount -t tmpfs none /etc/systemd",
        "systemd-coredump",
    ),
    (5, "cover /proc/sys/fs/suid_dumpable '2\\n'", "suid_dumpable is 2"),
    (6, "echo 1 > /sys/kernel/kexec_crash_loaded", "crash kernel"),
    (
        7,
        "F=/sys/kernel/debug/dynamic_debug/control; [ ! -e /proc/dynamic_debug/control ] || F=/proc/dynamic_debug/control\n\
         echo 'drivers/net/wireguard/send.c:40 [wireguard]wg_send =p \"a\"' > $F",
        "wireguard",
    ),
    (8, "dumpcap -q -i wg0 -w /dev/null >/dev/null 2>&1 & until_so captured", "captures wg0"),
    (
        8,
        "ip tuntap add dev tun7 mode tun; ip link set tun7 up; dumpcap -q -i tun7 -w /dev/null >/dev/null 2>&1 & until_so captured",
        "captures tun*",
    ),
    (8, "dumpcap -q -i any -w /dev/null >/dev/null 2>&1 & until_so captured", "captures every interface"),
    (8, "dumpcap -q -i nflog:5 -w /dev/null >/dev/null 2>&1 & until_so logged", "NFLOG group 5"),
    (10, "cover /proc/sys/kernel/unprivileged_bpf_disabled '0\\n'", "every user may load BPF"),
    (10, "chmod 1777 \"$HERE/bpf\"", "open to every user"),
    (10, "chmod 1777 \"$HERE/bpf\"; mkdir -m 755 \"$HERE/bpf/pins\"", "has mode 0755"),
    (
        11,
        "cover /etc/passwd 'root:x:0:0::/root:/bin/bash\\neve:x:1001:1001::/home/eve:/bin/sh\\n'",
        "uid 1001",
    ),
];

#[test]
fn each_fault_is_found_by_the_program_itself() {
    let clock = clock_state();
    for (number, script, what) in FAULTS {
        let report = examined(script);
        // Whether 12 is red is for the machine to say.
        let red: Vec<usize> = report.in_state("void").into_iter().filter(|found| *found != 12).collect();
        assert_eq!(red, [number], "{script}: {}", report.text);
        assert!(report.what(number).contains(what), "{script}: {}", report.what(number));
        assert_eq!(report.state(12), clock);
    }
}

#[test]
fn a_state_directory_on_btrfs_is_found_and_one_on_ext4_is_not() {
    let filesystems = fs::read_to_string("/proc/filesystems").expect("proc is mounted");
    let on = |kind: &str, make: &str| {
        examined(&format!(
            "truncate -s 128M \"$HERE/image\"\n{make} \"$HERE/image\" >/dev/null\n\
             umount \"$HERE/state\"; mount -t {kind} -o loop \"$HERE/image\" \"$HERE/state\""
        ))
    };
    if filesystems.contains("btrfs") {
        let report = on("btrfs", "mkfs.btrfs -q");
        assert_eq!(report.state(9), "void", "{}", report.text);
        assert!(report.what(9).contains("btrfs"));
    } else {
        // A kernel without btrfs is shown a mount table of one that has it.
        let table = "1 0 0:30 / / rw - btrfs /dev/vda rw\n";
        let report = examined(&format!(
            "printf '{table}' > \"$HERE/table\"; mount --bind \"$HERE/table\" /proc/1/mountinfo; cd /"
        ));
        assert_ne!(report.state(9), "ok", "{}", report.text);
    }
    let report = on("ext4", "mkfs.ext4 -q");
    assert_eq!(report.state(9), "ok", "{}", report.text);
}

#[test]
fn a_state_directory_in_a_containers_layer_is_not_known() {
    let report = examined(
        "mkdir \"$HERE/lower\" \"$HERE/upper\"; mount -t tmpfs none \"$HERE/upper\"; mkdir \"$HERE/upper/a\" \"$HERE/upper/b\"\n\
         mount -t overlay -o lowerdir=\"$HERE/lower\",upperdir=\"$HERE/upper/a\",workdir=\"$HERE/upper/b\" none \"$HERE/state\"",
    );
    assert_eq!(report.state(9), "unknown", "{}", report.text);
}

#[test]
fn the_remedies_for_a_bpffs_make_it_good() {
    let report = examined("chmod 1777 \"$HERE/bpf\"; mkdir -m 755 \"$HERE/bpf/pins\"");
    let remedy = report.checks()[9]["remedy"].as_str().expect("a remedy").to_owned();
    let commands = remedy.split("; ").map(|part| part.split(',').next().unwrap_or_default());
    let commands: Vec<&str> = commands.filter(|command| command.starts_with("chmod 700 ")).collect();
    assert_eq!(commands.len(), 2, "{remedy}");
    // Every run has a folder of its own; the last parts of the paths are the same.
    let commands = commands.iter().map(|command| {
        let end = if command.ends_with("/pins") { "bpf/pins" } else { "bpf" };
        format!("chmod 700 \"$HERE/{end}\"")
    });
    let commands: Vec<String> = commands.collect();
    let script =
        format!("chmod 1777 \"$HERE/bpf\"; mkdir -m 755 \"$HERE/bpf/pins\"\n{}", commands.join("\n"));
    assert_eq!(examined(&script).state(10), "ok");
}

#[test]
fn a_reader_without_rights_is_told_what_it_does_not_know() {
    let outcome = run(
        &site(),
        "doctor() { :; }\nPROGRAM=$HERE/blindmeter\nchmod 755 \"$HERE\"\n\
         dumpcap -q -i wg0 -w /dev/null >/dev/null 2>&1 & until_so captured\n\
         exec setpriv --reuid=65534 --regid=65534 --clear-groups $PROGRAM doctor --json --config $HERE/blindmeter.toml",
        "",
    );
    let report = Report::of(&outcome);
    // It sees that there is a packet socket, and not whose.
    assert_eq!(report.state(8), "unknown", "{}", report.text);
    assert!(report.what(8).contains("who holds a packet socket on wg0"), "{}", report.what(8));
    assert!(report.checks()[7]["remedy"].as_str().is_some_and(|remedy| remedy.contains("run as root")));
}

#[test]
fn the_text_shows_all_twelve_and_a_remedy_under_what_is_not_good() {
    let outcome = run(&site(), "cover /proc/sys/fs/suid_dumpable '2\\n'", "");
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    crate::daemon::command::repeats_nothing(&outcome.stdout);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    for number in 1..=12 {
        let start = format!("{number:>7}  ");
        let at = lines.iter().position(|line| line.starts_with(&start)).expect("every check has its line");
        let is_ok = lines[at][9..].starts_with("ok ");
        assert_eq!(lines[at + 1].trim_start().starts_with("-> "), !is_ok, "{}", outcome.stdout);
    }
    assert!(outcome.stdout.contains("\n      5  VOID     fs.suid_dumpable is 2"), "{}", outcome.stdout);
    assert!(lines.last().is_some_and(|line| line.starts_with("the privacy claim is void on this host: 5")));
    assert!(outcome.stdout.contains("\nsandbox  unknown  unknown: no daemon answers"));
}
