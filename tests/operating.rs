//! The steps of docs/nodes.md, taken from the page and run as they stand there, on hosts that a test makes in
//! namespaces: a daemon as its own user, real packets, and another host to go to.
//!
//! `tests/operating/bin` stands for systemd, ssh and apt-get. Needs a lab build, whose epochs may be seconds long.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use support::command::{Outcome, apart, bounded, ended};
use support::process::PROGRAM;
use support::program::Program;
use support::wait::wait_for;
use tempfile::TempDir;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// Every block of commands of the page: below which heading, and which of it. Each is run by a test here, but for the
/// last, which `tests/rollout/run` runs.
const BLOCKS: [(&str, usize); 12] = [
    ("For every night: the configuration and the key", 0),
    ("For every night: the configuration and the key", 1),
    ("For once, before something risky: all of it", 0),
    ("For once, before something risky: all of it", 1),
    ("Move a node, or reinstall its host", 0),
    ("Move a node, or reinstall its host", 1),
    ("A lost key", 0),
    ("Rename one, or merge two", 0),
    ("Rename one, or merge two", 1),
    ("One account on several nodes", 0),
    ("Is it one policy?", 0),
    ("Many nodes by one file", 0),
];

/// A datagram of `traffic` as a packet.
const PACKET_BYTES: u64 = 128;

/// The commands that stand below a heading of the page.
fn blocks(heading: &str) -> Vec<String> {
    let page = fs::read_to_string(format!("{REPOSITORY}/docs/nodes.md")).expect("the page is there");
    let (mut below, mut inside, mut found) = (false, false, Vec::<String>::new());
    for line in page.lines() {
        match line {
            "```sh" if below => {
                inside = true;
                found.push(String::new());
            }
            "```" => inside = false,
            _ if inside => found.last_mut().expect("a block was begun").extend([line, "\n"]),
            _ if line.starts_with('#') => below = line.trim_start_matches(['#', ' ']) == heading,
            _ => {}
        }
    }
    found
}

fn block(heading: &str, number: usize) -> String {
    assert!(BLOCKS.contains(&(heading, number)), "{heading} is listed");
    let found = blocks(heading);
    found.get(number).unwrap_or_else(|| panic!("{heading} has a block {number}: {found:?}")).clone()
}

/// Hosts that reach each other by `ssh`.
struct Hosts {
    folder: TempDir,
}

/// One of them, until it is dropped.
struct Host<'a> {
    hosts: &'a Hosts,
    name: &'static str,
    holder: Program,
}

impl Hosts {
    fn new() -> Self {
        let folder = TempDir::with_prefix("blindmeter-hosts-").expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        // By a process of its own, so that nobody holds the copy open for writing.
        let copied = Command::new("install")
            .args(["-m", "755", PROGRAM])
            .arg(folder.path().join("blindmeter"))
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "the program can be copied");
        Self { folder }
    }

    /// A host whose daemon's user has this number.
    fn make(&self, name: &'static str, user: u32) -> Host<'_> {
        let mut command = apart("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--mount", "--net", "--propagation", "private"]);
        command.arg(format!("{REPOSITORY}/tests/operating/inside")).arg(user.to_string());
        let mut holder =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("util-linux is there");
        fs::write(self.folder.path().join(name), holder.id().to_string()).expect("ours");
        let mut said = String::new();
        let output = holder.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut said).expect("it speaks");
        let host = Host { hosts: self, name, holder: Program(holder) };
        assert_eq!(said, "ready\n", "{name} is made");
        host
    }

    /// A host with a node whose roster has alice and bob, which runs.
    fn node(&self, name: &'static str, user: u32, epoch: &str) -> Host<'_> {
        let host = self.make(name, user);
        host.configure(name, epoch);
        host.succeed("systemctl enable --now blindmeter");
        host
    }
}

impl Host<'_> {
    /// What the package's first steps and an operator leave in /etc.
    fn configure(&self, node: &str, epoch: &str) {
        let text = format!(
            r#"[tap]
interfaces = ["wg0"]
[node]
name = "{node}"
[roster]
file = "/etc/blindmeter/roster.csv"
[epoch]
length = "{epoch}"
[release]
link_capacity = "1Gbit/s"
[store]
path = "/var/lib/blindmeter/ledger.sealed"
key_file = "/etc/blindmeter/ledger.key"
"#
        );
        self.succeed(&format!(
            "cat > /etc/blindmeter/blindmeter.toml <<'END'\n{text}END\n\
             printf 'prefix,account\\n10.8.0.2,alice\\n10.8.0.3,bob\\n' > /etc/blindmeter/roster.csv\n\
             chgrp blindmeter /etc/blindmeter/*; chmod 640 /etc/blindmeter/*\n\
             (umask 077; head -c 32 /dev/urandom > /etc/blindmeter/ledger.key)"
        ));
    }

    /// Runs commands as root on the host.
    fn run(&self, commands: &str) -> Outcome {
        let mut command = bounded();
        let path = format!("{REPOSITORY}/tests/operating/bin:{}", self.hosts.folder.path().display());
        command.args([
            "nsenter",
            "--target",
            &self.holder.0.id().to_string(),
            "--mount",
            "--net",
            "bash",
            "-euc",
        ]);
        command.arg(commands).env("HOSTS", self.hosts.folder.path());
        command.env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap_or_default()));
        ended(command)
    }

    fn succeed(&self, commands: &str) -> String {
        let outcome = self.run(commands);
        assert_eq!(
            outcome.code,
            Some(0),
            "{}: {commands}\n{}\n{}",
            self.name,
            outcome.stdout,
            outcome.stderr
        );
        outcome.stdout
    }

    /// Runs a block of the page.
    fn follow(&self, heading: &str, number: usize) -> String {
        self.succeed(&block(heading, number))
    }

    /// Sends so many packets to an address; one is 128 bytes long.
    fn traffic(&self, address: &str, packets: u64) {
        self.succeed(&format!(
            "ip neighbour replace {address} lladdr 02:00:00:00:00:02 dev wg0\n\
             for _ in $(seq {packets}); do printf '%100s' '' > /dev/udp/{address}/9; done"
        ));
    }

    /// Packets of an account, closed epochs and the open one.
    fn packets(&self, account: &str) -> u64 {
        let [period, open] = self.figures(account);
        period + open
    }

    fn figures(&self, account: &str) -> [u64; 2] {
        let export = self
            .succeed(&format!("printf '{account}\\n' | blindmeter accounts export - --open-epoch --json"));
        let export: serde_json::Value = serde_json::from_str(&export).expect("JSON");
        ["period", "open_epoch"].map(|part| {
            let packets = export[part]["down_packets"].as_u64().expect("a number");
            assert_eq!(export[part]["down_bytes"], packets * PACKET_BYTES, "{export}");
            packets
        })
    }

    /// Bytes of an account; a correction sets no packets.
    fn bytes(&self, account: &str) -> u64 {
        let export = self
            .succeed(&format!("printf '{account}\\n' | blindmeter accounts export - --open-epoch --json"));
        let export: serde_json::Value = serde_json::from_str(&export).expect("JSON");
        let bytes = |part: &str| export[part]["down_bytes"].as_u64().expect("a number");
        bytes("period") + bytes("open_epoch")
    }

    fn await_packets(&self, account: &str, packets: u64) {
        wait_for(&format!("{} counts {packets} packets of {account}", self.name), || {
            (self.packets(account) == packets).then_some(())
        });
    }

    /// Waits until what was counted is of a closed epoch.
    fn await_close(&self, account: &str, packets: u64) {
        wait_for("the epoch closes", || (self.figures(account) == [packets, 0]).then_some(()));
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        // A daemon outlives the namespaces' holder.
        let _ = self.run("systemctl stop blindmeter");
    }
}

#[test]
fn every_block_of_the_page_is_run() {
    let page = fs::read_to_string(format!("{REPOSITORY}/docs/nodes.md")).expect("the page is there");
    let headings =
        page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches(['#', ' ']));
    let found: Vec<_> =
        headings.flat_map(|heading| (0..blocks(heading).len()).map(move |at| (heading, at))).collect();
    for here in &found {
        assert!(BLOCKS.contains(here), "{here:?} is on the page, and no test runs it");
    }
    assert_eq!(page.matches("```sh").count(), found.len());
}

#[test]
fn a_backup_is_gone_back_to_and_the_configuration_alone_starts_anew() {
    let hosts = Hosts::new();
    let host = hosts.node("node-1", 990, "24h");
    host.follow("For every night: the configuration and the key", 0);
    host.traffic("10.8.0.2", 50);
    host.await_packets("alice", 50);
    host.follow("For once, before something risky: all of it", 0);
    host.traffic("10.8.0.2", 30);
    host.await_packets("alice", 80);
    host.follow("For once, before something risky: all of it", 1);
    assert_eq!(host.packets("alice"), 50);
    host.traffic("10.8.0.2", 5);
    host.await_packets("alice", 55);
    // Key and blob without the chain open nothing.
    host.succeed("systemctl stop blindmeter; mv /var/lib/blindmeter/ledger.sealed.chain /root/");
    let refused = host.run("systemctl start blindmeter");
    assert!(refused.code != Some(0) && refused.stderr.contains("ledger.sealed.chain"), "{}", refused.stderr);
    host.succeed("mv /root/ledger.sealed.chain /var/lib/blindmeter/; systemctl start blindmeter");
    assert_eq!(host.packets("alice"), 55);

    let empty = hosts.make("node-2", 991);
    host.succeed("cat /root/blindmeter-etc.tar | ssh root@node-2 'cat > /root/blindmeter-etc.tar'");
    empty.follow("For every night: the configuration and the key", 1);
    assert_eq!(empty.packets("alice"), 0);
    empty.traffic("10.8.0.2", 7);
    empty.await_packets("alice", 7);
}

#[test]
fn a_node_moves_with_all_that_it_counted() {
    let hosts = Hosts::new();
    let old = hosts.node("old-node", 990, "24h");
    old.traffic("10.8.0.2", 50);
    old.await_packets("alice", 50);
    // Another number for the daemon's user.
    let new = hosts.make("new-node", 1990);
    let status = old.follow("Move a node, or reinstall its host", 0);
    assert!(status.contains("interface wg0") && status.contains("attached"), "{status}");
    new.traffic("10.8.0.2", 20);
    new.traffic("10.8.0.3", 3);
    new.await_packets("alice", 70);
    new.await_packets("bob", 3);
    old.follow("Move a node, or reinstall its host", 1);
    assert_eq!(old.succeed("ls /var/lib/blindmeter; ls -d /sys/fs/bpf/blindmeter || true"), "");
    assert_ne!(old.run("systemctl start blindmeter").code, Some(0), "the old host has no key any more");
}

#[test]
fn a_node_without_its_key_starts_anew() {
    let hosts = Hosts::new();
    let host = hosts.node("node-1", 990, "24h");
    host.traffic("10.8.0.2", 50);
    host.await_packets("alice", 50);
    // With another key the old state is refused, and says what to do.
    host.succeed("systemctl stop blindmeter; cp /etc/blindmeter/ledger.key /root/; (umask 077; head -c 32 /dev/urandom > /etc/blindmeter/ledger.key)");
    let refused = host.run("systemctl start blindmeter");
    assert!(
        refused.code != Some(0) && refused.stderr.contains("is not the key it was written with"),
        "{}",
        refused.stderr
    );
    host.follow("A lost key", 0);
    assert_eq!(host.packets("alice"), 0);
    host.traffic("10.8.0.2", 9);
    host.await_packets("alice", 9);
    let same = host.run("cmp /root/ledger.key /etc/blindmeter/ledger.key");
    assert_eq!(same.code, Some(1));
}

/// Two accounts' totals become one's: its own name's, or another's.
fn joined(names: &str, old: (&str, &str, u64), new: (&str, &str, u64)) {
    let hosts = Hosts::new();
    let host = hosts.node("node-1", 990, "3s");
    host.traffic(old.1, old.2);
    host.await_packets(old.0, old.2);
    let [first, second] = [0, 1].map(|at| {
        let block = block("Rename one, or merge two", at);
        let (line, rest) = block.split_once('\n').expect("the names come first");
        assert_eq!(line, "old=alice new=alice.smith");
        format!("{names}\n{rest}")
    });
    host.succeed(&first);
    // From either address, under the new name.
    host.traffic(old.1, 6);
    host.traffic(new.1, new.2);
    host.await_close(new.0, 6 + new.2);
    let receipts = host.succeed(&second);
    assert!(receipts.lines().count() > 4, "two receipts: {receipts}");
    assert_eq!((host.bytes(old.0), host.bytes(new.0)), (0, (old.2 + 6 + new.2) * PACKET_BYTES));
    host.traffic(old.1, 3);
    wait_for("it counts on", || (host.bytes(new.0) == (old.2 + 9 + new.2) * PACKET_BYTES).then_some(()));
    assert_eq!(host.run("ls /dev/shm/*.json").code, Some(2), "no figures are left");
}

#[test]
fn an_account_is_renamed_with_its_totals() {
    joined("old=alice new=alice.smith", ("alice", "10.8.0.2", 50), ("alice.smith", "10.8.0.2", 4));
}

#[test]
fn two_accounts_become_one() {
    joined("old=bob new=alice", ("bob", "10.8.0.3", 50), ("alice", "10.8.0.2", 4));
}

#[test]
fn several_nodes_are_asked_and_compared() {
    let hosts = Hosts::new();
    let nodes = [hosts.node("node-1", 990, "24h"), hosts.node("node-2", 991, "24h")];
    nodes[0].traffic("10.8.0.2", 50);
    nodes[1].traffic("10.8.0.2", 30);
    nodes[0].await_packets("alice", 50);
    nodes[1].await_packets("alice", 30);
    let desk = hosts.make("desk", 992);
    let sum: serde_json::Value =
        serde_json::from_str(&desk.follow("One account on several nodes", 0)).expect("JSON");
    assert_eq!(sum, serde_json::json!({"up": 0, "down": 80 * PACKET_BYTES}));

    let compare = || desk.follow("Is it one policy?", 0);
    let one = compare();
    let version = env!("CARGO_PKG_VERSION");
    assert!(one.lines().count() == 1 && one.trim_start().starts_with(&format!("2 {version} lab ")), "{one}");
    nodes[1].succeed(
        "sed -i 's/^link_capacity.*/link_capacity = \"10Gbit\\/s\"/' /etc/blindmeter/blindmeter.toml",
    );
    assert_eq!(compare().lines().count(), 2, "{}", compare());
}

#[test]
fn a_first_boot_by_cloud_init_gives_a_node_that_counts() {
    let hosts = Hosts::new();
    let host = hosts.make("node-1", 990);
    host.succeed(&format!(
        "python3 {REPOSITORY}/tests/operating/first_boot.py {REPOSITORY}/deploy/rollout/cloud-init.yaml"
    ));
    assert_eq!(host.succeed("cat /run/apt-get.log"), "install --yes /root/blindmeter.deb\n");
    assert_eq!(host.succeed("stat -c '%a %s %U' /etc/blindmeter/ledger.key"), "600 32 root\n");
    host.succeed("printf '10.8.0.2,alice\\n' >> /etc/blindmeter/roster.csv; blindmeter reload");
    host.traffic("10.8.0.2", 12);
    host.await_packets("alice", 12);
    // What `check` refuses is not started.
    let other = hosts.make("node-2", 991);
    let text =
        fs::read_to_string(format!("{REPOSITORY}/deploy/rollout/cloud-init.yaml")).expect("it is there");
    let wrong = hosts.folder.path().join("wrong.yaml");
    fs::write(&wrong, text.replace("link_capacity = \"1Gbit/s\"", "link_capacity = \"fast\"")).expect("ours");
    let refused =
        other.run(&format!("python3 {REPOSITORY}/tests/operating/first_boot.py {}", wrong.display()));
    assert!(refused.code != Some(0) && refused.stderr.contains("expected a rate"), "{}", refused.stderr);
    assert_ne!(other.run("blindmeter status").code, Some(0));
}
