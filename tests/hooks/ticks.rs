//! What the processor time of single ticks of the roster's thread tells of hooks: an observer who reads
//! `/proc/PID/task/TID/schedstat` or the control group's `cpu.stat` often enough sees each tick by itself, and
//! compares it with its neighbours.

use super::pipe::Pipe;
use super::watch::{CHANCE, told_apart};
use crate::daemon::Site;
use crate::support::rng::Rng;
use crate::support::wait::let_pass;
use blindmeter::clock::Stopwatch;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Events of each kind, and as many times nothing.
const EVENTS: usize = 120;

/// From one look to the next.
const LOOK: Duration = Duration::from_micros(200);

/// Ticks on either side of the one that is compared with them.
const NEIGHBOURS: usize = 3;

/// The figure of a thread of this name.
pub(crate) fn schedstat(process: u32, thread: &str) -> PathBuf {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it runs").flatten();
    let mut tasks = tasks.map(|task| task.path());
    let is_it =
        |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == thread);
    tasks.find(is_it).expect("a thread of that name").join("schedstat")
}

/// Processor time of each tick in 80 ms, as an observer tells them apart, and which of them was the first after
/// what is done in their middle.
fn ticks(figure: &PathBuf, done: &mut dyn FnMut()) -> (Vec<u64>, usize) {
    let time = || {
        let text = fs::read_to_string(figure).expect("it runs");
        text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).expect("a number")
    };
    let (begun, mut ticks, mut open, mut first, mut quiet) = (Stopwatch::start(), Vec::new(), 0, None, 0);
    let mut last = time();
    while begun.elapsed() < Duration::from_millis(80) {
        if first.is_none() && begun.elapsed() > Duration::from_millis(40) && open == 0 {
            done();
            first = Some(ticks.len());
        }
        let now = time();
        open += now - last;
        quiet = if now == last { quiet + 1 } else { 0 };
        // Some looks without a change: the thread sleeps until the next tick.
        if quiet == 4 && open > 0 {
            ticks.push(open);
            open = 0;
        }
        last = now;
        let_pass(LOOK, "an observer's pace");
    }
    (ticks, first.unwrap_or(usize::MAX))
}

/// The first tick after something was done beside the median of its neighbours, in thousandths.
fn beside_neighbours((ticks, first): &(Vec<u64>, usize)) -> Option<u64> {
    let before = ticks.get(first.checked_sub(NEIGHBOURS)?..*first)?;
    let after = ticks.get(first + 1..first + 1 + NEIGHBOURS)?;
    let mut neighbours = [before, after].concat();
    neighbours.sort_unstable();
    ticks.get(*first).map(|tick| tick * 1000 / neighbours[NEIGHBOURS])
}

#[test]
fn a_tick_takes_as_long_with_a_hook_as_without() {
    let site = Site::new();
    let daemon = site.start();
    let figure = schedstat(daemon.id(), "roster");
    let mut pipe = Pipe::of(&site);
    let (mut rng, mut host) = (Rng::of(&[3]), 0);
    let mut seen: [Vec<u64>; 5] = Default::default();
    for _ in 0..EVENTS {
        host += 1;
        let address = |network: u32| format!("10.77.{}.{}", network + host / 250, host % 250);
        let assign = |address: &str, account: &str| {
            format!(r#"{{"op":"assign","prefix":"{address}","account":"{account}"}}"#)
        };
        let (new, moved, gone) = (address(20), address(40), address(60));
        for assigned in [&moved, &gone] {
            pipe.ask(&assign(assigned, "another")).expect("there is room");
        }
        let_pass(Duration::from_millis(30), "two ticks, so that they are in force");
        let asks = [
            None,
            Some(assign(&new, "canary")),
            Some(assign(&moved, "canary")),
            Some(format!(r#"{{"op":"unassign","prefix":"{gone}"}}"#)),
            Some(assign("no address", "canary")),
        ];
        // In an order of chance, so that what else the machine does falls on all alike.
        let start = rng.below(asks.len());
        for kind in (0..asks.len()).map(|at| (at + start) % asks.len()) {
            let window = ticks(&figure, &mut || {
                if let Some(ask) = &asks[kind] {
                    pipe.ask(ask).expect("there is room");
                }
            });
            seen[kind].extend(beside_neighbours(&window));
        }
    }
    let [nothing, events @ ..] = &seen;
    assert!(nothing.len() > EVENTS / 2, "the observer sees the ticks: {} windows", nothing.len());
    for (what, event) in ["log-in", "address that passes on", "log-out", "refusal"].into_iter().zip(events) {
        let area = told_apart(event, nothing);
        println!("{what}: {area:.3} of {} and {}", event.len(), nothing.len());
        assert!(area < CHANCE, "a tick tells of a {what}: {area:.3}");
    }
}
