//! Totals of a fleet, from packets on three nodes to the page of its exporter: the sum but for the noise, which the lab
//! makes small; one value an epoch; nothing of traffic on any node's own page; and nothing lost or doubled while nodes,
//! a cluster or the exporter are away.

mod fleet;
mod netns;
#[path = "fleet/nodes.rs"]
mod nodes;
mod support;

use netns::daemon::{Daemon, PORT};
use nix::sys::signal::Signal;
use nodes::{Fixture, NODES};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::command::apart;
use support::http;
use support::process::{PROGRAM, Process};
use support::wait::{let_pass, wait_at_most, wait_for_within};

/// The page of the exporter.
const PAGE: u16 = 9790;
/// Several epochs, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);
const EPOCH: &str = "4s";

/// Bytes that a fleet sums in one, and of a packet: whichever epoch it falls into, none is rounded.
const UNIT: usize = 1024;

/// Units that each of two accounts moves on a node in a step of a test: just below what one may add to an epoch there.
const STEP: u64 = 500;

/// How far a sum over some epochs is from the truth at the most, in units: six standard deviations of the noise of
/// fourteen epochs, and far less than any step.
const NOISE: u64 = 700;

/// The fleet's page, and what it has shown of each epoch.
struct Exporter<'a> {
    fixture: &'a Fixture,
    process: Process,
    shown: BTreeMap<u64, String>,
}

fn fleet_of(tap: &'static str) -> Fixture {
    let fixture = Fixture::new(tap, EPOCH, "nodes = 3\nnodes_a_day = 2\n");
    for folder in &fixture.folders {
        folder.configure(
            "mode = \"coarse\"\ncrowd = 20\nlink_capacity = \"1Gbit/s\"",
            // Of the lab: as large an epsilon as it takes, and so slow a link that bytes are not rounded.
            "scope = \"fleet\"\nmode = \"noisy\"\nepsilon = 1000000.0\nclamp = \"1MiB\"\ncrowd = 1\nlink_capacity = \"1kbit/s\"",
        );
    }
    fixture
}

impl<'a> Exporter<'a> {
    fn start(fixture: &'a Fixture) -> Self {
        let process = Self::spawn(fixture);
        let exporter = Self { fixture, process, shown: BTreeMap::new() };
        exporter.process.await_said("blindmeter: ready", 1);
        exporter
    }

    fn spawn(fixture: &Fixture) -> Process {
        let folder = &fixture.folders[0];
        let (log, state) = (folder.path("export.log"), folder.path("export"));
        fs::create_dir_all(&state).expect("ours");
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(&log).expect("a log");
        let mut command: Command = apart(PROGRAM);
        command.args(["fleet", "export", "--listen"]).arg(format!("127.0.0.1:{PAGE}"));
        command.arg("--config").arg(folder.path("blindmeter.toml")).arg("--state").arg(state);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = fixture.namespace.run(move || command.spawn()).expect("it starts");
        Process::new(child, log)
    }

    /// What the page shows now; of each epoch it must always be the same.
    fn look(&mut self) -> Option<()> {
        let page = page(self.fixture, PAGE)?;
        let released: String =
            page.lines().filter(|line| line.starts_with("blindmeter_fleet_epoch")).collect();
        let epoch = value(&page, "blindmeter_fleet_epoch");
        let before = self.shown.entry(epoch.cast_unsigned()).or_insert_with(|| page.clone());
        let before: String =
            before.lines().filter(|line| line.starts_with("blindmeter_fleet_epoch")).collect();
        assert_eq!(released, before, "an epoch has one value for ever");
        Some(())
    }

    fn sum(&self) -> i64 {
        self.shown.values().map(|page| value(page, "blindmeter_fleet_epoch_bytes{direction=\"up\"}")).sum()
    }

    /// Whether the sum over all epochs is this, in units.
    fn is_sum(&self, units: u64) -> bool {
        self.sum().abs_diff((units * UNIT as u64).cast_signed()) < NOISE * UNIT as u64
    }

    /// Waits until the sum over all epochs is this, and sees that it stays so.
    fn await_sum(&mut self, units: u64) {
        let told = wait_at_most(LIMIT, || {
            self.look();
            self.is_sum(units)
        });
        if told {
            self.await_epochs(1);
        }
        let last = self.shown.values().next_back();
        let (sum, said) = (self.sum() / UNIT as i64, self.process.said());
        assert!(self.is_sum(units), "{sum} of {units} units; {said}{last:?}");
    }

    /// Waits for so many further epochs.
    fn await_epochs(&mut self, count: usize) {
        let before = self.shown.len();
        wait_for_within("further epochs of the fleet", LIMIT, || {
            self.look()?;
            (self.shown.len() >= before + count).then_some(())
        });
    }

    fn end(mut self) -> BTreeMap<u64, String> {
        self.process.signal(Signal::SIGKILL);
        wait_for_within("the exporter is gone", LIMIT, || (!self.process.is_running()).then_some(()));
        self.shown
    }
}

fn page(fixture: &Fixture, port: u16) -> Option<String> {
    fixture.namespace.run(move || {
        TcpStream::connect(("127.0.0.1", port)).ok()?;
        Some(http::get(port, "/metrics").body)
    })
}

fn value(page: &str, series: &str) -> i64 {
    let line = page.lines().find(|line| line.split(' ').next() == Some(series));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{series}: {page}"))
}

/// The exporter's process can do nothing but serve its page and keep one file.
fn is_enclosed(process: &Process) {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
    for line in ["CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line}: {status}");
    }
}

/// Of a node's own page, all that traffic could move.
fn constant(page: &str) -> Vec<&str> {
    let is_moved = |line: &&str| {
        line.starts_with("blindmeter_epoch")
            && !line.starts_with("blindmeter_epoch ")
            && !line.contains("tap_gap")
    };
    page.lines().filter(is_moved).collect()
}

/// A step of both accounts on these nodes; how many units that is.
fn send(fixture: &Fixture, nodes: &[usize]) -> u64 {
    for node in nodes {
        (0..2).for_each(|account| fixture.send(*node, account, STEP, UNIT));
    }
    2 * STEP * nodes.len() as u64
}

#[test]
fn the_sum_of_three_nodes_is_on_one_page_and_on_none_of_theirs() {
    let fixture = fleet_of("ring");
    let daemons = fixture.start();
    let mut exporter = Exporter::start(&fixture);
    is_enclosed(&exporter.process);
    let before: Vec<String> = (0..NODES).map(|node| node_page(&fixture, node)).collect();
    let sent = send(&fixture, &[0, 1, 2]);
    exporter.await_sum(sent);
    let shown = exporter.shown.values().next_back().expect("some");
    assert_eq!(value(shown, "blindmeter_fleet_epoch_nodes"), 3);
    assert_eq!(value(shown, "blindmeter_fleet_epoch_needed_nodes"), 3);
    for cluster in ["A", "B"] {
        assert_eq!(value(shown, &format!("blindmeter_fleet_cluster_up{{cluster=\"{cluster}\"}}")), 1);
    }
    assert!(shown.contains("blindmeter_policy_info{mode=\"noisy\""), "{shown}");
    for (node, before) in before.iter().enumerate() {
        let page = node_page(&fixture, node);
        assert!(page.contains("blindmeter_policy_info{mode=\"fleet\""), "{page}");
        assert_eq!(constant(&page), constant(before), "a node's own page has nothing of its traffic");
        assert!(constant(&page).len() > 20 && value(&page, "blindmeter_epoch") > 0);
    }
    drop(daemons);
}

fn node_page(fixture: &Fixture, node: usize) -> String {
    let port = PORT + u16::try_from(node).expect("few");
    wait_for_within("a node's first release", LIMIT, || {
        page(fixture, port).filter(|page| value(page, "blindmeter_epoch") > 0)
    })
}

#[test]
fn a_node_or_a_cluster_that_is_away_and_a_killed_exporter_lose_and_double_nothing() {
    let fixture = fleet_of("tcx");
    let mut daemons = fixture.start();
    let mut exporter = Exporter::start(&fixture);
    let mut sent = send(&fixture, &[0, 1, 2]);
    exporter.await_sum(sent);

    // Two nodes are fewer than three: held back, and theirs to bring again.
    daemons.pop().into_iter().for_each(Daemon::kill);
    let away = send(&fixture, &[0, 1]);
    exporter.await_epochs(2);
    let last = exporter.shown.values().next_back().expect("some");
    let held_back = ["nodes", "suppressed"].map(|of| value(last, &format!("blindmeter_fleet_epoch_{of}")));
    assert_eq!(held_back, [0, 1]);
    assert!(exporter.is_sum(sent), "nothing of two nodes alone is told");
    daemons.push(Daemon::start_in(&fixture.namespace, &fixture.folders[2]));
    sent += away;
    exporter.await_sum(sent);

    // An exporter that is killed shows the same again; without what it kept, too.
    let shown = exporter.end();
    let mut exporter = Exporter::start(&fixture);
    exporter.shown = shown;
    exporter.look().expect("a page");
    sent += send(&fixture, &[0, 1, 2]);
    exporter.await_sum(sent);

    // A cluster that is lost: nothing can be opened meanwhile.
    fixture.lose(1);
    sent += send(&fixture, &[0, 1, 2]);
    exporter.process.await_said("fleet: cluster B ", 1);
    fixture.bring_back(1);
    exporter.await_sum(sent);
    exporter.process.await_said("takes what is sent again", 1);
    let_pass(Duration::from_millis(10), "the log has a thread of its own");
    let said = exporter.process.said();
    assert!(!said.contains("127.0.0.1:7") && !said.contains(&netns::tally::name(0)), "{said}");
}
