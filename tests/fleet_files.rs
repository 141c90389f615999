//! What `check` says of a fleet's files and keys, and what its exporter says: each that a start would refuse is named with
//! the remedy, and what works and disappoints is told.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A node's files, which are good.
struct Node(TempDir);

impl Node {
    fn new(head: &str, clusters: &str) -> Self {
        let node = Self(TempDir::with_prefix("blindmeter-fleet-files-").expect("a folder"));
        node.write("fleet.key", &[3; 32], 0o600);
        node.write("fleet.credentials", b"node:one\ndesk:two\n", 0o600);
        node.write("roster.csv", b"prefix,account\n", 0o644);
        let path = |file: &str| node.path().join(file).display().to_string();
        let text = format!(
            "[tap]\ninterfaces = [\"tun7\"]\n[store]\nmode = \"memory\"\n[control]\nsocket = {:?}\n{head}[fleet]\nkey_file = {:?}\n\
             credentials_file = {:?}\n{clusters}",
            path("control.sock"),
            path("fleet.key"),
            path("fleet.credentials")
        );
        node.write("blindmeter.toml", text.as_bytes(), 0o644);
        node
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, file: &str, bytes: &[u8], mode: u32) {
        fs::write(self.path().join(file), bytes).expect("ours");
        fs::set_permissions(self.path().join(file), Permissions::from_mode(mode)).expect("ours");
    }

    fn check(&self) -> (Option<i32>, String, String) {
        self.run(&["check"])
    }

    /// Exit code, what was printed, and what was complained about.
    fn run(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new("timeout");
        command.args(["60", env!("CARGO_BIN_EXE_blindmeter")]).args(words).stdin(Stdio::null());
        command.arg("--config").arg(self.path().join("blindmeter.toml"));
        let output = command.output().expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }
}

const TWO: &str =
    "[[fleet.cluster]]\nmembers = [\"127.0.0.1:7001\"]\n[[fleet.cluster]]\nmembers = [\"127.0.0.1:7101\"]\n";

#[test]
fn a_good_fleet_is_shown_without_its_secrets_and_without_a_warning_of_its_own() {
    let node = Node::new("[node]\nname = \"north\"\n", TWO);
    let (code, printed, complained) = node.check();
    assert_eq!(code, Some(0), "{complained}");
    assert!(printed.contains("[fleet]") && printed.contains("members = [\"127.0.0.1:7101\"]"), "{printed}");
    assert!(!printed.contains("warning: fleet") && !printed.contains("one\n"), "{printed}");
}

#[test]
fn what_works_and_disappoints_is_told() {
    let one = "[[fleet.cluster]]\nmembers = [\"127.0.0.1:7001\"]\n";
    let node = Node::new("", one);
    node.write("fleet.credentials", b"desk:two\n", 0o600);
    let (code, printed, _) = node.check();
    assert_eq!(code, Some(0));
    for what in ["there is one cluster", "no line node:PASSWORD", "node.name is not set"] {
        assert!(printed.contains(what), "{what}: {printed}");
    }
}

#[test]
fn each_file_that_a_start_would_refuse_is_named() {
    for (file, bytes, mode, what) in [
        ("fleet.key", &[3; 31][..], 0o600, "has 32 bytes, and this one has 31"),
        ("fleet.key", &[3; 32], 0o640, "chmod 600"),
        ("fleet.credentials", b"node:one\n", 0o644, "chmod 600"),
        ("fleet.credentials", b"node\n", 0o600, "line 1: expected ROLE:PASSWORD"),
        ("fleet.credentials", b"\xff\n", 0o600, "save it as UTF-8"),
    ] {
        let node = Node::new("[node]\nname = \"north\"\n", TWO);
        node.write(file, bytes, mode);
        let (code, _, complained) = node.check();
        assert_eq!(code, Some(78), "{what}: {complained}");
        assert!(complained.contains(file) && complained.contains(what), "{complained}");
        assert_eq!(complained.lines().count(), 1, "{complained}");
    }
    let node = Node::new("[node]\nname = \"north\"\n", TWO);
    fs::remove_file(node.path().join("fleet.key")).expect("it was there");
    let (code, _, complained) = node.check();
    assert!(code == Some(78) && complained.contains("fleet key_file"), "{complained}");
}

const NORTH: &str = "[node]\nname = \"north\"\n[release]\nscope = \"fleet\"\n";

#[test]
fn totals_of_a_fleet_are_told_with_what_they_cost() {
    let node = Node::new(NORTH, &format!("nodes = 20\n{TWO}"));
    let (code, printed, complained) = node.check();
    assert_eq!(code, Some(0), "{complained}");
    for what in [
        "scope = \"fleet\"",
        "expected error of each total of the fleet",
        "the capacity of 20 such links",
        "25.0 GiB per epoch count on each node",
    ] {
        assert!(printed.contains(what), "{what}: {printed}");
    }
    let (code, printed, complained) = node.run(&["inventory"]);
    assert!(code == Some(0) && printed.contains("over all nodes of the fleet"), "{complained}");
    assert!(printed.contains("at most 2 of them in a day"), "{printed}");
}

#[test]
fn totals_of_a_fleet_that_cannot_be_are_refused_by_line_and_key() {
    let one = "[[fleet.cluster]]\nmembers = [\"127.0.0.1:7001\"]\n";
    let coarse = format!("{NORTH}mode = \"coarse\"\n");
    // A day of it is more than a share holds, and of the default link it is not.
    let fast = format!("{NORTH}link_capacity = \"420Gbit/s\"\n");
    for (head, table, what) in [
        (NORTH, TWO.to_owned(), "needs [fleet] nodes"),
        (NORTH, format!("nodes = 20\n{one}"), "two [[fleet.cluster]]s"),
        (NORTH, format!("nodes = 2\n{TWO}"), "fleet.nodes: expected 3 to 4095"),
        (NORTH, format!("nodes = 4096\n{TWO}"), "fleet.nodes: expected 3 to 4095"),
        (NORTH, format!("nodes = 3\nnodes_a_day = 4\n{TWO}"), "fleet.nodes_a_day: expected 1 to fleet.nodes"),
        (NORTH, format!("nodes = 3\nnodes_a_day = 0\n{TWO}"), "fleet.nodes_a_day: expected 1 to fleet.nodes"),
        (NORTH, format!("nodes = 100\nnodes_a_day = 64\n{TWO}"), "fleet.nodes, and at most 63"),
        (&coarse, format!("nodes = 3\n{TWO}"), "release.mode: totals of a fleet are \"noisy\""),
        (
            &fast,
            format!("nodes = 3\n{TWO}"),
            "release.link_capacity: a node adds at most 4096TiB to a fleet's epoch",
        ),
        ("[release]\nscope = \"all\"\n", TWO.to_owned(), "expected \"node\" or \"fleet\""),
    ] {
        let (code, _, complained) = Node::new(head, &table).check();
        assert!(code == Some(78) && complained.contains(what), "{what}: {complained}");
        assert!(complained.contains("line ") && complained.lines().count() == 1, "{complained}");
    }
}

#[test]
fn an_exporter_that_cannot_open_epochs_says_what_it_lacks() {
    let export = |node: &Node, state: &str| {
        node.run(&["fleet", "export", "--listen", "127.0.0.1:0", "--state", state])
    };
    let node = Node::new(NORTH, &format!("nodes = 3\n{TWO}"));
    let state = node.path().display().to_string();
    let (code, _, complained) = export(&node, &state);
    assert!(code == Some(78) && complained.contains("no line for totals"), "{complained}");
    node.write("fleet.credentials", b"totals:one\n", 0o600);
    let (code, _, complained) = export(&node, "/nowhere/at/all");
    assert!(code == Some(74) && complained.contains("--state /nowhere/at/all"), "{complained}");
    node.write("fleet-export.json", b"{}", 0o600);
    let (code, _, complained) = export(&node, &state);
    assert!(code == Some(78) && complained.contains("move it away"), "{complained}");
    let (code, _, complained) = export(&Node::new("[node]\nname = \"north\"\n", TWO), &state);
    assert!(code == Some(78) && complained.contains("scope = \"fleet\""), "{complained}");
}
