//! `blindmeter audit-kit` on real daemons with a real load on the probe account: what it answers, and that each thing
//! that is wrong is seen in the report. What nobody could look at is unknown, and no pass.

mod netns;
mod support;

use netns::beside::{Fixture, address};
use netns::daemon::{Daemon, PROGRAM};
use netns::tally::{Way, name};
use serde_json::Value;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use support::command::{NOBODY, Outcome, bounded, ended, identity};
use support::frames::{Address, datagram};
use support::program::Program;
use support::wait::wait_for;
use tempfile::TempDir;

const LENGTH: usize = 400;
const PACKETS: u64 = 100;

/// The far end of the load: its four bytes stand nowhere by chance.
const FAR: u32 = 0xcb8d_57e5;
const FAR_TEXT: &str = "203.141.87.229";

/// The parts of the report, as they are numbered.
const BUILD: usize = 1;
const POLICY: usize = 2;
const STORED: usize = 3;
const LOGGED: usize = 4;
const PUBLISHED: usize = 5;
const SEEN: usize = 6;
const HOST: usize = 7;
const LOAD: usize = 8;

/// A node, and a folder for the flags by which load and test wait for each other.
struct Node {
    fixture: Fixture,
    flags: TempDir,
}

impl Node {
    fn new(tap: &'static str) -> Self {
        let fixture = Fixture::keeping(tap);
        fixture.folder.configure("[roster]", &format!("[roster]\nprobe_account = \"{}\"", name(0)));
        // No save falls between the two looks.
        fixture.folder.configure("save_every = \"1s\"", "save_every = \"1h\"");
        let flags = TempDir::with_prefix("blindmeter-flags-").expect("a temporary folder");
        fs::write(flags.path().join("needles"), format!("{FAR_TEXT}\n")).expect("it is ours");
        Self { fixture, flags }
    }

    fn flag(&self, file: &str) -> String {
        self.flags.path().join(file).display().to_string()
    }

    /// The kit's command line, which `change` may add to.
    fn kit(&self, words: &[&str]) -> Command {
        let mut command = bounded();
        command.arg(PROGRAM).arg("audit-kit").args(words);
        command.arg("--config").arg(self.fixture.folder.path("blindmeter.toml"));
        command
    }

    fn run(&self, command: Command) -> Outcome {
        self.fixture.namespace.run(move || ended(command))
    }

    /// Runs the kit with a load that lasts until packets were sent both ways.
    fn loaded(&self, words: &[&str]) -> Outcome {
        self.loaded_by(self.kit(words))
    }

    fn loaded_by(&self, mut command: Command) -> Outcome {
        let (begun, sent) = (self.flag("begun"), self.flag("sent"));
        let _ = (fs::remove_file(&begun), fs::remove_file(&sent));
        command.arg("--load").arg(format!("touch {begun}; while [ ! -e {sent} ]; do sleep 0.05; done"));
        command.arg("--needles").arg(self.flag("needles"));
        std::thread::scope(|scope| {
            let kit = scope.spawn(|| self.run(command));
            let is_begun = || fs::exists(&begun).unwrap_or(false) || kit.is_finished();
            wait_for("the load is asked for", || is_begun().then_some(()));
            let (own, far) = (address(0), Address::v4(FAR));
            for _ in 0..PACKETS {
                self.fixture.wire.send(Way::Up, &datagram(own, far, LENGTH));
                self.fixture.wire.send(Way::Down, &datagram(far, own, LENGTH));
            }
            fs::write(&sent, "").expect("it is ours");
            kit.join().expect("the kit ends")
        })
    }

    /// The same, as a report.
    fn report(&self, words: &[&str]) -> Report {
        Report::of(self.loaded(&[&["--json"], words].concat()))
    }
}

/// A report, and the exit code that came with it.
struct Report {
    code: Option<i32>,
    value: Value,
}

impl Report {
    fn of(outcome: Outcome) -> Self {
        assert!(outcome.stderr.is_empty(), "{}", outcome.stderr);
        for needle in [&name(0), &name(1), FAR_TEXT, &address(0).text(), &address(1).text()] {
            assert!(!outcome.stdout.contains(needle), "{needle} is in the report: {}", outcome.stdout);
        }
        let value = serde_json::from_str(&outcome.stdout).expect("the report is JSON");
        let report = Self { code: outcome.code, value };
        for (_, _, line) in report.lines() {
            let has = |key: &str| line[key].as_str().is_some_and(|text| !text.is_empty());
            assert!(has("what") && has("command"), "{line}");
            assert_eq!(has("remedy"), line["state"] != "ok", "{line}");
        }
        report
    }

    /// Part, state and text of each line.
    fn lines(&self) -> Vec<(usize, &str, &Value)> {
        let sections = self.value["sections"].as_array().expect("a list").iter().zip(1..);
        sections
            .flat_map(|(section, part)| {
                let lines = section["lines"].as_array().expect("a list").iter();
                lines.map(move |line| (part, line["state"].as_str().expect("a word"), line))
            })
            .collect()
    }

    /// Lines of a part in a state.
    fn of_part(&self, part: usize, state: &str) -> Vec<&str> {
        let lines = self.lines().into_iter().filter(|(number, found, _)| *number == part && *found == state);
        lines.map(|(_, _, line)| line["what"].as_str().expect("a text")).collect()
    }

    fn has(&self, part: usize, state: &str, text: &str) {
        let found = self.of_part(part, state);
        let all = || self.lines().into_iter().filter(|line| line.0 == part).map(|line| line.2.to_string());
        assert!(
            found.iter().any(|line| line.contains(text)),
            "{state} {text:?}: {:#?}",
            all().collect::<Vec<_>>()
        );
    }

    /// What is wrong or unknown, but for the host, which is the test machine's own, and what no test has: a receipt
    /// and, in a build for tests, a commit.
    fn troubles(&self) -> Vec<String> {
        let troubles = self.lines().into_iter().filter(|(part, state, line)| {
            let what = line["what"].as_str().expect("a text");
            let is_of_tests = *part == BUILD && (what.contains("receipt") || what.contains("commit"));
            *part != HOST && !is_of_tests && ["unknown", "void"].contains(state)
        });
        troubles.map(|(part, state, line)| format!("{part} {state} {}", line["what"])).collect()
    }
}

#[test]
fn a_good_node_is_shown_to_be_one_under_a_real_load() {
    for tap in ["tcx", "ring"] {
        let node = Node::new(tap);
        let daemon = node.fixture.start();
        let report = node.report(&[]);
        assert!(report.troubles().is_empty(), "{tap}: {:#?}", report.troubles());
        let bytes = 2 * PACKETS * LENGTH as u64;
        report.has(LOAD, "ok", &format!("{} packets of {bytes} bytes", 2 * PACKETS));
        report.has(LOAD, "ok", "no needle in");
        report.has(LOAD, "ok", "not one byte of the page differs");
        report.has(LOAD, "ok", "not one line came");
        report.has(STORED, "ok", "sealed, format version 5");
        report.has(STORED, "ok", "all of them known");
        report.has(LOGGED, "ok", "no line of the log has a name");
        report.has(PUBLISHED, "ok", "no sample has an address");
        report.has(POLICY, "ok", "the policy in force is the configured one");
        report.has(BUILD, "ok", "the daemon runs the program that made this report");
        report.has(SEEN, "ok", "only root, the daemon's user and members of a role");
        assert!(report.of_part(HOST, "ok").len() > 3, "{}", report.value);
        assert!(report.value["data"].as_array().is_some_and(|data| data.len() > 40));
        // No receipt was looked at: even where all else is well, that is no pass.
        assert_ne!(report.code, Some(0));
        daemon.stop();
    }
}

#[test]
fn both_forms_are_written_for_their_owner_alone() {
    let node = Node::new("tcx");
    let daemon = node.fixture.start();
    let out = node.flag("report");
    let outcome = node.loaded(&["--out", &out]);
    assert!(
        outcome.stdout.contains(" unknown, ") && outcome.stdout.lines().count() == 1,
        "{}",
        outcome.stdout
    );
    let read = |file: &str| fs::read_to_string(format!("{out}/{file}")).expect("the kit writes it");
    let json: Value = serde_json::from_str(&read("audit.json")).expect("JSON");
    let markdown = read("audit.md");
    for section in json["sections"].as_array().expect("a list") {
        assert!(markdown.contains(section["question"].as_str().expect("a text")), "{section}");
        for line in section["lines"].as_array().expect("a list") {
            let (number, state) = (line["number"].as_str(), line["state"].as_str());
            let head = format!("- **{} {}**: ", number.expect("a text"), state.expect("a text"));
            assert!(markdown.contains(&head), "{head}");
        }
    }
    for file in ["audit.md", "audit.json"] {
        let mode = fs::metadata(format!("{out}/{file}")).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
        assert!(!read(file).contains(&name(0)) && !read(file).contains(FAR_TEXT), "{file}");
    }
    daemon.stop();
}

#[test]
fn each_planted_fault_is_seen() {
    let node = Node::new("tcx");
    let daemon = node.fixture.start();
    let folder = &node.fixture.folder;
    // A log that holds an address of a stranger, one that holds the far end, and an account.
    let mut log = OpenOptions::new().append(true).open(folder.path("stderr")).expect("the log is a file");
    writeln!(log, "blindmeter: peer 198.51.100.7:51820 came\nfar end {FAR_TEXT}\nuser {}: in", name(1))
        .expect("ours");
    // A file that the program does not make, named by whom it is of, and state that others may read.
    fs::write(folder.path(&format!("{}.csv", name(1))), "hours\n").expect("ours");
    fs::set_permissions(folder.path("ledger.sealed"), Permissions::from_mode(0o644)).expect("ours");
    // Other software: a collector, and one that writes down whom the load went to.
    let collector = node.fixture.namespace.run(|| {
        let mut sleeping = Command::new("setpriv");
        sleeping.args(["--pdeathsig", "KILL", "bash", "-c", "exec -a nlbwmon sleep 100"]);
        sleeping.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    });
    let _collector = Program(collector.expect("bash and setpriv are there"));
    let others = node.flag("others");
    fs::create_dir(&others).expect("ours");
    fs::write(format!("{others}/access.log"), format!("connect {FAR_TEXT} ok\n")).expect("ours");
    let report = node.report(&["--also", &others]);
    report.has(LOGGED, "void", "lines of the log with an address other than the node's own listeners: 2");
    report.has(LOGGED, "void", "lines of the log with a name or an address of the roster file: 1");
    report.has(LOGGED, "note", "its service manager's or others': 2");
    report.has(LOAD, "void", "log: lines with a needle: 1");
    report.has(STORED, "unknown", "files that the program does not make: 1");
    report.has(STORED, "void", "files that are kept and open to others: 1");
    report.has(LOAD, "void", "which other software of this host wrote: 1 of 1");
    report.has(HOST, "void", "check 1, collectors: ");
    assert_eq!(report.code, Some(3));
    // Where the state is none, and holds what the load was.
    fs::write(folder.path("ledger.sealed"), format!("usage of {}", address(0).text())).expect("ours");
    let report = node.report(&[]);
    report.has(STORED, "void", "it is no sealed state of this version and capacity");
    report.has(LOAD, "void", "files: files of the daemon's with a needle: 1");
    daemon.stop();
}

/// What a program of another name would hold in memory, or in a file that it holds open.
#[test]
fn a_needle_in_memory_and_a_strange_open_file_are_seen() {
    let node = Node::new("tcx");
    let strange = node.flag("strange");
    let mut command = Command::new("bash");
    // A shell that becomes the daemon leaves it an open file and its environment.
    command.args(["-c", &format!("exec 7>>{strange}; exec \"$@\""), "daemon"]).arg(PROGRAM);
    command.env("PEER", FAR_TEXT);
    let mut daemon = Daemon::spawn_as(&node.fixture.namespace, &node.fixture.folder, command);
    daemon.await_start(0);
    let report = node.report(&[]);
    report.has(LOAD, "void", "needles stand in it as text");
    report.has(STORED, "void", "files that the daemon holds open and should not: 1");
    assert_eq!(report.code, Some(3));
    daemon.stop();
}

#[test]
fn what_nobody_looked_at_is_unknown() {
    let node = Node::new("tcx");
    let daemon = node.fixture.start();
    // A load that went elsewhere, one that failed, and none.
    for (load, said) in [
        (Some("true"), "no packet of it was counted for the probe account"),
        (Some("false"), "no load: its command failed"),
        (None, "no load: none was given"),
    ] {
        let mut command = node.kit(&["--json"]);
        command.args(load.iter().flat_map(|load| ["--load", load]));
        let report = Report::of(node.run(command));
        report.has(LOAD, "unknown", said);
        report.has(LOAD, "unknown", "no remote address was looked for");
        assert_ne!(report.code, Some(0));
    }
    fs::write(node.flag("needles"), format!("{FAR_TEXT}\nshort\n")).expect("ours");
    node.report(&[]).has(LOAD, "unknown", "shorter than six signs, and were not looked for: 1");
    // Without a probe account there is nothing to look for.
    node.fixture.folder.configure(&format!("probe_account = \"{}\"", name(0)), "");
    let report = node.report(&[]);
    report.has(LOAD, "unknown", "roster.probe_account names no account");
    report.has(LOAD, "unknown", "whether the load was counted");
    daemon.stop();
}

#[test]
fn a_member_of_a_role_who_is_not_root_learns_what_was_not_seen() {
    let node = Node::new("ring");
    let folder = &node.fixture.folder;
    folder.configure("privacy = [\"root\"]", "privacy = [\"nobody\"]");
    fs::set_permissions(folder.path(""), Permissions::from_mode(0o755)).expect("ours");
    let daemon = node.fixture.start();
    let program = folder.path("blindmeter");
    let copied = Command::new("install").args(["-m", "755", PROGRAM]).arg(&program).status();
    assert!(copied.is_ok_and(|status| status.success()), "the program can be copied");
    let mut command = bounded();
    command.args(identity(NOBODY)).arg(&program).args(["audit-kit", "--json", "--load", "true"]);
    command.arg("--config").arg(folder.path("blindmeter.toml"));
    let report = Report::of(node.run(command));
    for (part, what) in [
        (BUILD, "which program the daemon runs"),
        (STORED, "ledger.sealed: Permission denied"),
        (STORED, "which files the daemon holds open"),
        (LOGGED, "where the daemon logs to"),
        (LOAD, "the daemon's memory"),
    ] {
        report.has(part, "unknown", what);
    }
    assert!([Some(2), Some(3)].contains(&report.code), "{:?}", report.code);
    daemon.stop();
}

/// Under systemd the daemon's standard error is a socket of the journal's, which `journalctl` reads.
#[test]
fn the_journal_is_read_where_the_log_goes_there() {
    let node = Node::new("tcx");
    let (journal, log) = UnixStream::pair().expect("a pair of sockets");
    let log = File::from(OwnedFd::from(log));
    let mut daemon = Daemon::spawn_logging_to(&node.fixture.namespace, &node.fixture.folder, log);
    daemon.await_start(0);
    let tool = node.flag("journalctl");
    let with = |lines: &str, code: i32| {
        fs::write(&tool, format!("#!/bin/sh\nprintf '{lines}'\nexit {code}\n")).expect("ours");
        fs::set_permissions(&tool, Permissions::from_mode(0o755)).expect("ours");
        let mut command = node.kit(&["--json"]);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", node.flags.path().display()));
        Report::of(node.loaded_by(command))
    };
    let good = with("blindmeter: ready\\nblindmeter: released\\n", 0);
    good.has(LOGGED, "ok", "lines of the daemon's in the log: 2");
    let bad = with(&format!("blindmeter: ready\\nStarted for {}.\\n", address(1).text()), 0);
    bad.has(LOGGED, "void", "lines of the log with an address other than the node's own listeners: 1");
    bad.has(LOGGED, "void", "lines of the log with a name or an address of the roster file: 1");
    with("", 0).has(LOGGED, "unknown", "it shows this user no line");
    with("", 1).has(LOGGED, "unknown", "journalctl may not read it");
    drop(journal);
    daemon.stop();
}

#[test]
fn a_node_without_a_daemon_or_a_configuration_is_an_error() {
    let node = Node::new("tcx");
    node.run(node.kit(&["--json"])).failed(69, &["no daemon answers"]);
    let mut command = bounded();
    command.arg(PROGRAM).args(["audit-kit", "--config", "/nonexistent/blindmeter.toml"]);
    node.run(command).failed(78, &["pass --config FILE"]);
}
