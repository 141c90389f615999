//! How long the program's answers take: a page that waits for packets tells that there are some, with the
//! same bytes in it.
//!
//! A ring's packets wait for their block, up to eight milliseconds; whoever waits for all of them to be
//! counted waits for that. Other work of the machine slows every answer, so answers are compared with one
//! another, under the same load and in turns, and never with a time.

use crate::REPORT;
use crate::binary;
use crate::netns::Namespace;
use crate::netns::daemon::{Daemon, Setup};
use crate::netns::folder::Folder;
use crate::netns::tally::Way;
use crate::netns::wire::{Kind, Wire, nobody};
use crate::report::{Control, Figure, Row};
use crate::support::frames::{Address, datagram};
use crate::support::wait::let_pass;
use blindmeter::clock::Stopwatch;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Times that each is asked.
const ROUNDS: usize = 101;

/// Staff may look up thirty accounts a minute, and ask for the node's exact counts twenty times a day.
const LOOK_UPS: usize = 25;
const EXACT: usize = 20;

/// Time between two packets: a block of the ring is never empty for long.
const BETWEEN: Duration = Duration::from_millis(2);

/// What waits for a block waits longer than this.
const WAITS: Duration = Duration::from_millis(1);

const PAGES: [&str; 4] = ["/metrics", "/-/healthy", "/-/ready", "/"];

/// Questions to the control socket. The last is the control: what is counted exactly waits.
const QUESTIONS: [&str; 5] = [
    r#"{"op":"status"}"#,
    r#"{"op":"counts"}"#,
    r#"{"op":"asked"}"#,
    r#"{"op":"show","account":"canary-1"}"#,
    r#"{"op":"export_node"}"#,
];

fn page(path: &str) -> Duration {
    let begun = Stopwatch::start();
    let answer = binary::page(path);
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}");
    begun.elapsed()
}

fn question(socket: &Path, line: &str) -> Duration {
    let begun = Stopwatch::start();
    let mut stream = UnixStream::connect(socket).expect("the daemon listens");
    stream.write_all(format!("{line}\n").as_bytes()).expect("the daemon reads");
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).expect("the daemon answers");
    assert!(!answer.contains("error"), "{line}: {answer}");
    begun.elapsed()
}

/// Whether this may be asked in this round; what is exact in rounds that lie apart, through the whole run.
fn is_within_limits(line: &str, round: usize) -> bool {
    match () {
        () if line.contains("show") => round < LOOK_UPS,
        () if line.contains("export_node") => round % (ROUNDS / EXACT) == 1,
        () => true,
    }
}

/// The median time of each, in the order of [`PAGES`] and [`QUESTIONS`].
fn medians(namespace: &Namespace, socket: &Path) -> Vec<Duration> {
    let socket = socket.to_owned();
    let mut times = namespace.run(move || {
        let mut times = vec![Vec::new(); PAGES.len() + QUESTIONS.len()];
        for round in 0..ROUNDS {
            // Not measured: what follows the exact count of the round before may be slow because of it.
            page(PAGES[0]);
            for (at, path) in PAGES.iter().enumerate() {
                times[at].push(page(path));
            }
            for (at, line) in QUESTIONS.iter().enumerate() {
                if is_within_limits(line, round) {
                    times[PAGES.len() + at].push(question(&socket, line));
                }
            }
        }
        times
    });
    times.iter_mut().for_each(|times| times.sort_unstable());
    times.iter().map(|times| times[times.len() / 2]).collect()
}

#[test]
fn no_answer_but_an_exact_one_waits_for_packets() {
    let namespace = Namespace::new();
    let wire = Wire::make(&namespace, Kind::Tun, "tun0");
    let roster = "10.77.0.1,canary-1\n".to_owned();
    let setup = Setup { backend: "ring", interfaces: vec!["tun0"], pools: vec!["10.77.0.0/24"], roster };
    // In memory: where there is a store, an exact count is saved first, and takes that time besides.
    let folder = Folder::forgetful(&setup);
    let daemon = Daemon::start_in(&namespace, &folder);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let load = thread::spawn(move || {
        // Relaxed: a flag, which orders nothing.
        while !stopped.load(Ordering::Relaxed) {
            wire.send(Way::Up, &datagram(Address::v4(0x0a4d_0001), nobody(Address::v4(0), 1), 100));
            let_pass(BETWEEN, "the pace of the load");
        }
        wire
    });
    let medians = medians(&namespace, &folder.path("control.sock"));
    stop.store(true, Ordering::Relaxed);
    let _wire = load.join().expect("every packet was taken");
    drop(daemon);
    // Half of what the exact count waits is far from both sides, however busy the machine is.
    let least = *medians.iter().min().expect("there are some");
    let waits = medians.last().expect("there are some").saturating_sub(least) / 2;
    let slow: Vec<bool> = medians.iter().map(|median| *median > least + waits.max(WAITS)).collect();
    let (exact, others) = slow.split_last().expect("there are some");
    let names = PAGES.iter().chain(&QUESTIONS).zip(others);
    let waiting: Vec<&str> = names.filter(|(_, slow)| **slow).map(|(name, _)| *name).collect();
    REPORT.add(&[Row {
        check: "the program, ring: answers that wait for packets".to_owned(),
        control: Some(Control {
            what: "an exact count that waits for them".to_owned(),
            figure: Figure::counted(f64::from(u8::from(*exact))),
            goal: "1".to_owned(),
            scores: *exact,
        }),
        figure: Figure::counted(f64::from(u32::try_from(waiting.len()).unwrap_or(u32::MAX))),
        goal: "0".to_owned(),
        passes: waiting.is_empty(),
        note: format!("{ROUNDS} rounds; medians {medians:.1?}"),
    }]);
    assert!(*exact, "the control does not score: {medians:?}");
    assert!(waiting.is_empty(), "answers that wait for packets: {waiting:?}");
}
