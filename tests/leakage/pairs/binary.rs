//! The same question to the program itself, with a real tap: what it shows while packets pass is what it
//! shows while none do.

use crate::REPORT;
use crate::marks;
use crate::netns::Namespace;
use crate::netns::daemon::{Daemon, PROGRAM, Setup};
use crate::netns::folder::Folder;
use crate::netns::tally::Way;
use crate::netns::wire::{Kind, Wire, nobody};
use crate::report::{Control, Figure, Row};
use crate::support::frames::{Address, datagram};
use crate::support::wait::{let_pass, wait_for};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Looks at the daemon, half of them under load.
const SCRAPES: usize = 40;

/// Time between two scrapes: ten seconds for all of them.
const PAUSE: Duration = Duration::from_millis(80);

/// Accounts that send and receive while there is load.
const ACCOUNTS: u32 = 30;

/// A page of the daemon in this thread's namespace, raw.
pub(crate) fn page(path: &str) -> Vec<u8> {
    let mut stream =
        TcpStream::connect(("127.0.0.1", crate::netns::daemon::PORT)).expect("the daemon listens");
    let ask = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).expect("the daemon reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the daemon answers");
    answer
}

/// Everything that the program shows of itself, raw.
fn shown(
    namespace: &Namespace,
    daemon: &Daemon,
    folder: &Folder,
    look_up: bool,
) -> Vec<(&'static str, Vec<u8>)> {
    let page = |path: &'static str| namespace.run(move || page(path));
    let says = |words: &[&str]| {
        let output = daemon.command(words);
        [output.stdout, output.stderr, format!("{:?}", output.code)].concat().into_bytes()
    };
    let mut shown = vec![
        ("/metrics", page("/metrics")),
        ("/-/healthy", page("/-/healthy")),
        ("/-/ready", page("/-/ready")),
        ("/", page("/")),
        ("status", says(&["status", "--json"])),
        ("roster counts", says(&["roster", "counts", "--json"])),
        ("log", daemon.said().into_bytes()),
        ("state directory", listing(folder)),
    ];
    // Staff may look up thirty accounts a minute.
    if look_up {
        shown.push(("show", says(&["accounts", "show", "canary-1", "--json"])));
    }
    shown
}

/// Names, modes and sizes of the folder's files, and when those changed that no save touches.
fn listing(folder: &Folder) -> Vec<u8> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder.path("")).expect("the test's folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("names are text");
        // A save is under way: whether one is seen depends on the moment alone.
        if name.ends_with(".new") {
            continue;
        }
        let Ok(metadata) = entry.metadata() else { continue };
        // What the daemon logs is a surface of its own; a folder of pins has no length of files.
        let bytes = if metadata.is_file() && name != "stderr" { metadata.len() } else { 0 };
        let touched = name.starts_with("ledger.sealed") || name == "stderr" || metadata.is_dir();
        let changed = if touched { 0 } else { metadata.mtime_nsec() };
        lines.push(format!("{name} {:o} {bytes} {changed}\n", metadata.mode()));
    }
    lines.sort_unstable();
    lines.concat().into_bytes()
}

/// Sends as many packets as it is told to, in both directions, until it is told to stop.
fn load(wire: &Wire, stop: &AtomicBool, sent: &AtomicU64) {
    // Relaxed: a flag and a count, which order nothing.
    while !stop.load(Ordering::Relaxed) {
        for number in 0..ACCOUNTS + 5 {
            let (account, other) = (Address::v4(0x0a4d_0001 + number), nobody(Address::v4(0), number));
            wire.send(Way::Up, &datagram(account, other, 100 + number as usize * 40));
            wire.send(Way::Down, &datagram(other, account, 1400));
            sent.fetch_add(2, Ordering::Relaxed);
        }
        let_pass(Duration::from_millis(2), "the pace of the load");
    }
}

/// The profile of this run.
const fn profile() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

fn forty_scrapes(backend: &'static str) {
    let namespace = Namespace::new();
    let wire = Arc::new(Wire::make(&namespace, Kind::Tun, "tun0"));
    let roster = (1..=ACCOUNTS).map(|at| format!("10.77.0.{at},canary-{at}\n")).collect();
    let setup = Setup { backend, interfaces: vec!["tun0"], pools: vec!["10.77.0.0/24"], roster };
    let folder = Folder::keeping(&setup, "24h");
    let daemon = Daemon::start_in(&namespace, &folder);
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut sender = None;
    let mut first: Vec<(&str, Vec<u8>)> = Vec::new();
    let (mut bytes, mut surfaces) = (0, 0);
    for scrape in 0..SCRAPES {
        if scrape == SCRAPES / 2 {
            let (wire, stop, sent) = (Arc::clone(&wire), Arc::clone(&stop), Arc::clone(&sent));
            sender = Some(thread::spawn(move || load(&wire, &stop, &sent)));
        }
        let now = shown(&namespace, &daemon, &folder, scrape % 3 == 0);
        for ((name, text), (_, before)) in now.iter().zip(if first.is_empty() { &now } else { &first }) {
            let (text, before) = (String::from_utf8_lossy(text), String::from_utf8_lossy(before));
            assert_eq!(text, before, "{backend}: {name} at scrape {scrape} and at the first one");
            bytes += text.len() as u64;
            surfaces += 1;
        }
        if first.is_empty() {
            first = now;
        }
        let_pass(PAUSE, "the scrapes are spread over some seconds of load");
    }
    stop.store(true, Ordering::Relaxed);
    sender.expect("there was load").join().expect("every packet was taken");
    // The control: it was counted, all of it.
    let sent = sent.load(Ordering::Relaxed);
    let counted = daemon.await_packets(sent);
    assert!(sent > 1000 && counted.counted() + counted.lost >= sent, "{backend}: {sent} packets were sent");
    #[expect(clippy::cast_precision_loss, reason = "packets of ten seconds")]
    let load = Figure::counted(sent as f64);
    REPORT.add(&[Row {
        check: format!(
            "the program ({} build), {backend}: scrapes that differ, with load and without",
            profile()
        ),
        control: Some(Control {
            what: "packets that were counted meanwhile".to_owned(),
            figure: load,
            goal: "more than 1,000".to_owned(),
            scores: sent > 1000,
        }),
        figure: Figure::counted(0.0),
        goal: "0".to_owned(),
        passes: true,
        note: format!("{SCRAPES} scrapes, {surfaces} answers, {bytes} bytes; one that differs ends the test"),
    }]);
}

/// A daemon on `tun*`, and on a device of that name that is there.
fn on_a_glob(namespace: &Namespace, backend: &'static str) -> (Wire, Arc<Folder>, Daemon) {
    let wire = Wire::make(namespace, Kind::Tun, "tun0");
    let roster = "10.77.0.1,canary-1\n".to_owned();
    let setup = Setup { backend, interfaces: vec!["tun*"], pools: vec!["10.77.0.0/24"], roster };
    let folder = Folder::keeping(&setup, "24h");
    let daemon = Daemon::start_in(namespace, &folder);
    (wire, folder, daemon)
}

/// Some servers make a device for each client: who comes and goes is not to be seen (rule L26).
#[test]
fn a_device_that_comes_or_goes_under_a_glob_shows_nowhere() {
    let namespace = Namespace::new();
    let (wire, folder, daemon) = on_a_glob(&namespace, "ring");
    let first = shown(&namespace, &daemon, &folder, true);
    let alike = |what: &str| {
        for ((name, text), (_, before)) in shown(&namespace, &daemon, &folder, true).iter().zip(&first) {
            assert_eq!(String::from_utf8_lossy(text), String::from_utf8_lossy(before), "{name} {what}");
        }
    };
    let second = Wire::make(&namespace, Kind::Tun, "tun1");
    // It is followed: what passes it is counted.
    let before = daemon.export_node().counted();
    wait_for("the second device is metered", || {
        second.send(Way::Up, &datagram(Address::v4(0x0a4d_0001), nobody(Address::v4(0), 1), 100));
        (daemon.export_node().counted() > before).then_some(())
    });
    alike("with a second device");
    drop(second);
    alike("without it");
    drop(wire);
    wait_for("the first device is gone", || {
        let gone = namespace.run(|| nix::net::if_::if_nametoindex("tun0").is_err());
        gone.then_some(())
    });
    let_pass(Duration::from_millis(200), "the daemon hears of it, and nothing shows that it has");
    alike("without any");
}

/// A user-space tap's processor time follows traffic (rule L21): it is not taken where the kernel's works.
#[test]
fn without_a_word_on_it_the_kernels_tap_is_taken() {
    let namespace = Namespace::new();
    let (_wire, _folder, daemon) = on_a_glob(&namespace, "auto");
    let status = daemon.answer(&["status", "--json"]);
    assert_eq!(status["backend"], "kernel", "{status}");
}

/// What memory mode counted goes with its process (rule L28).
#[test]
fn memory_mode_pins_nothing_and_leaves_nothing() {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let roster = "10.77.0.1,canary-1\n".to_owned();
    let setup = Setup { backend: "tcx", interfaces: vec!["tun0"], pools: vec!["10.77.0.0/24"], roster };
    let folder = Folder::keeping(&setup, "24h");
    folder.configure("save_every", "mode = \"memory\"\nsave_every");
    let before = listing(&folder);
    let daemon = Daemon::start_in(&namespace, &folder);
    wire.send(Way::Up, &datagram(Address::v4(0x0a4d_0001), nobody(Address::v4(0), 1), 100));
    assert_eq!(daemon.await_packets(1).counted(), 1);
    assert!(folder.pins().is_empty(), "pins of memory mode: {}", folder.pins().join(", "));
    daemon.kill();
    assert!(folder.pins().is_empty(), "pins after memory mode: {}", folder.pins().join(", "));
    let [before, after] =
        [before, listing(&folder)].map(|files| String::from_utf8_lossy(&files).into_owned());
    let left: Vec<&str> = after.lines().filter(|line| !before.contains(*line)).collect();
    let expected = ["stderr ", "control.sock ", "control.hook "];
    assert!(left.iter().all(|line| expected.iter().any(|file| line.starts_with(file))), "{left:?}");
}

/// No planted leak (`tests/leakage/plants/source/`) is in a program that was not built to have them.
#[test]
fn the_program_holds_no_planted_leak() {
    let marks = marks::of_plants(PROGRAM);
    let symbols = marks::symbols(PROGRAM);
    let count = |count: usize| Figure::counted(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    REPORT.add(&[Row {
        check: format!("the program ({} build): texts and symbols of planted leaks in it", profile()),
        control: Some(Control {
            what: "symbols of its own".to_owned(),
            figure: count(symbols),
            goal: "more than 100".to_owned(),
            scores: symbols > 100,
        }),
        figure: count(marks.text + marks.symbols),
        goal: "0".to_owned(),
        passes: marks == marks::Marks::default(),
        note: "a build with them has both, and is refused without debug assertions".to_owned(),
    }]);
    assert_eq!(marks, marks::Marks::default(), "{PROGRAM}");
    let remedy = "set CARGO_PROFILE_RELEASE_STRIP=none for a check of a release";
    assert!(symbols > 100, "{PROGRAM} has no symbols to be looked at: {remedy}");
}

#[test]
fn forty_scrapes_of_the_kernel_tap_are_alike_with_and_without_load() {
    forty_scrapes("tcx");
}

#[test]
fn forty_scrapes_of_the_ring_are_alike_with_and_without_load() {
    forty_scrapes("ring");
}
