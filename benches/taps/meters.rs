//! What each tap costs a process, and what it loses, at the full rate of a generator: beside
//! `tcpdump -s 64 -w /dev/null`, which is a packet ring that does nothing with its packets.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;
use tempfile::NamedTempFile;

use crate::generator::{Generator, SMALL, STRANGER};
use crate::netns::Namespace;
use crate::netns::daemon::{Daemon, Setup};
use crate::owners::Owners;
use crate::support::wait::{let_pass, wait_for};
use crate::{Length, median, verdict};

/// Accounts that the packets come from.
pub(crate) const ACCOUNTS: u32 = 1_000;

/// The goal of the ring: at most so many times tcpdump's time.
const GOAL: f64 = 0.8;

/// After the last packet: longer than any meter waits for a block to fill.
const AFTERWARDS: Duration = Duration::from_millis(1300);

/// What meters in a round.
#[derive(Clone, Copy, PartialEq)]
enum Meter {
    Nothing,
    Tcpdump,
    /// A tap of the daemon, as `Setup` names it.
    Tap(&'static str),
}

const METERS: [Meter; 5] =
    [Meter::Nothing, Meter::Tcpdump, Meter::Tap("ring"), Meter::Tap("pnet"), Meter::Tap("tcx")];

/// What one round showed.
#[derive(Default)]
struct Round {
    /// Nanoseconds a packet: of the meter's process, and of the core that sends.
    process: f64,
    sender: f64,
    packets_a_second: f64,
    counted: u64,
    lost: u64,
}

/// The daemon's set-up for this tap on this device, with an account for each address.
pub(crate) fn setup(tap: &'static str, interface: &'static str) -> Setup {
    let mut roster = String::new();
    for account in 0..ACCOUNTS {
        let [a, b, c, d] = (Owners::PoolV4.first() + account).to_be_bytes();
        writeln!(roster, "{a}.{b}.{c}.{d},account-{account}").expect("a string takes text");
    }
    Setup { backend: tap, interfaces: vec![interface], pools: vec!["10.0.0.0/16"], roster }
}

/// Measures all meters in turns and prints the table.
pub(crate) fn run(length: Length) {
    let (rounds, frames) = match length {
        Length::Full => (5, 2_000_000),
        Length::Quick => (1, 200_000),
    };
    let (sender, metered) = (Namespace::new(), Namespace::new());
    sender.veth("gen0", "02:00:00:00:00:01", &metered, "met0", "02:00:00:00:00:02");
    let mut generator = Generator::new(&sender, "gen0", STRANGER, SMALL);
    generator.speak_for(Owners::PoolV4, ACCOUNTS);
    crate::pin_to_last_core();
    let mut results: [Vec<Round>; METERS.len()] = Default::default();
    for _ in 0..rounds {
        for (meter, results) in METERS.into_iter().zip(&mut results) {
            results.push(match meter {
                Meter::Nothing => send(&mut generator, frames, None),
                Meter::Tcpdump => tcpdump(&metered, &mut generator, frames),
                Meter::Tap(tap) => daemon(&metered, &mut generator, frames, tap),
            });
        }
    }
    print(&results, length, rounds, frames);
}

/// Sends the packets of a round, and takes the time that they cost the process of this number.
fn send(generator: &mut Generator, frames: u64, process: Option<u32>) -> Round {
    let of_process = |id: u32| {
        let id = Pid::from_raw(i32::try_from(id).expect("process ids fit an int"));
        seconds(ClockId::pid_cpu_clock_id(id).expect("the meter lives"))
    };
    let before = (
        process.map(of_process),
        seconds(ClockId::CLOCK_THREAD_CPUTIME_ID),
        seconds(ClockId::CLOCK_MONOTONIC),
    );
    generator.send(frames, None);
    let sender = seconds(ClockId::CLOCK_THREAD_CPUTIME_ID) - before.1;
    let wall = seconds(ClockId::CLOCK_MONOTONIC) - before.2;
    let mut process_time = 0.0;
    if let (Some(id), Some(before)) = (process, before.0) {
        let_pass(AFTERWARDS, "the meter works off what it has been given");
        process_time = of_process(id) - before;
    }
    let frames = frames as f64;
    Round {
        process: process_time / frames * 1e9,
        sender: sender / frames * 1e9,
        packets_a_second: frames / wall,
        ..Round::default()
    }
}

pub(crate) fn seconds(clock: ClockId) -> f64 {
    Duration::from(clock.now().expect("a clock that can be read")).as_secs_f64()
}

fn daemon(metered: &Namespace, generator: &mut Generator, frames: u64, tap: &'static str) -> Round {
    let daemon = Daemon::start(metered, &setup(tap, "met0"));
    let round = send(generator, frames, Some(daemon.id()));
    let node = daemon.export_node();
    assert_eq!(node.counted() + node.lost, frames, "{tap}: counted and lost together are sent");
    daemon.stop();
    Round { counted: node.counted(), lost: node.lost, ..round }
}

fn tcpdump(metered: &Namespace, generator: &mut Generator, frames: u64) -> Round {
    let said = NamedTempFile::new().expect("a temporary file");
    let path = said.path().to_owned();
    let read = || fs::read_to_string(&path).unwrap_or_default();
    let mut child = start_tcpdump(metered, said.reopen().expect("a temporary file"));
    wait_for("tcpdump to listen", || read().contains("listening on").then_some(()));
    let round = send(generator, frames, Some(child.id()));
    let id = Pid::from_raw(i32::try_from(child.id()).expect("process ids fit an int"));
    kill(id, Signal::SIGINT).expect("tcpdump lives");
    child.wait().expect("tcpdump is our child");
    let said = read();
    let number = |what: &str| {
        let line = said.lines().find(|line| line.ends_with(what));
        line.and_then(|line| line.split(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{what}: {said}"))
    };
    Round { counted: number("packets captured"), lost: number("packets dropped by kernel"), ..round }
}

fn start_tcpdump(metered: &Namespace, said: File) -> Child {
    let child = metered.run(move || {
        Command::new("tcpdump")
            .args(["-i", "met0", "-s", "64", "-w", "/dev/null"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
    });
    child.expect("tcpdump (Debian's package) is installed")
}

fn print(results: &[Vec<Round>; METERS.len()], length: Length, rounds: usize, frames: u64) {
    println!("\n== What a meter costs: ns of CPU a packet, at the full rate of one sending core");
    println!(
        "{rounds} rounds of {frames} packets of {SMALL} bytes from {ACCOUNTS} accounts, all meters in turns, \
         medians; lost is the sum of all rounds"
    );
    println!(
        "{:<28} {:>10} {:>7} {:>10} {:>10} {:>10} {:>10}  goal",
        "meter", "process ns", "times", "sender ns", "packets/s", "counted", "lost"
    );
    let of =
        |rounds: &[Round], figure: fn(&Round) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
    let tcpdump = of(&results[1], |round| round.process);
    for (meter, rounds) in METERS.into_iter().zip(results) {
        let (name, process) = match meter {
            Meter::Nothing => ("none".to_owned(), None),
            Meter::Tcpdump => {
                ("tcpdump -s 64 -w /dev/null".to_owned(), Some(of(rounds, |round| round.process)))
            }
            Meter::Tap(tap) => (tap.to_owned(), Some(of(rounds, |round| round.process))),
        };
        let sum = |figure: fn(&Round) -> u64| rounds.iter().map(figure).sum::<u64>();
        let (counted, lost) = (sum(|round| round.counted), sum(|round| round.lost));
        let goal = match (meter, process) {
            (Meter::Tap("ring"), Some(process)) => {
                let is_reached = process <= GOAL * tcpdump && lost == 0;
                verdict(length, &format!("{GOAL:.1}, none lost:"), is_reached)
            }
            _ => String::new(),
        };
        let text =
            |value: Option<f64>, digits| value.map_or(String::new(), |value| format!("{value:.digits$}"));
        println!(
            "{name:<28} {:>10} {:>7} {:>10.0} {:>10.0} {counted:>10} {lost:>10}  {goal}",
            text(process, 1),
            text(process.map(|process| process / tcpdump), 2),
            of(rounds, |round| round.sender),
            of(rounds, |round| round.packets_a_second),
        );
    }
}
