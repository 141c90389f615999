//! How one test of the planted copy is run, with a leak or without any, and what became of it.

use crate::copy::Programs;
use crate::list::{ALL_SERIES, Catcher, EXISTENCE, FLAG_COUNTS, FLEET, GATE, NODE_SERIES, PAIRS};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Longest run of one test; `timeout` of coreutils ends it.
const SECONDS: &str = "900";

/// What a run of one test came to.
#[derive(Debug)]
pub(crate) enum Run {
    Green,
    /// What it said.
    Red(String),
}

/// A test, and the row whose leak is planted in it; none where it is to be green.
pub(crate) type Job = (Catcher, Option<&'static str>);

/// Runs all of these. What only computes has a core each; what runs a daemon runs alone.
pub(crate) fn run_all(programs: &Programs, jobs: &[Job]) -> BTreeMap<Job, Run> {
    let (computing, alone): (Vec<Job>, Vec<Job>) = jobs.iter().partition(|(catcher, _)| {
        [PAIRS, GATE, NODE_SERIES, EXISTENCE, ALL_SERIES, FLAG_COUNTS, FLEET].contains(catcher)
    });
    let runs = Mutex::new(BTreeMap::new());
    let work = |jobs: &Mutex<std::vec::IntoIter<Job>>| {
        let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some((catcher, row)) = next() {
            let run = run(programs, &catcher, row);
            runs.lock().unwrap_or_else(PoisonError::into_inner).insert((catcher, row), run);
        }
    };
    let computing = Mutex::new(computing.into_iter());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| work(&computing));
        }
    });
    work(&Mutex::new(alone.into_iter()));
    runs.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one test, with the leak of a row planted or without any.
fn run(programs: &Programs, catcher: &Catcher, row: Option<&str>) -> Run {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=10", SECONDS]).arg(&programs[catcher.target]);
    command.args(["--exact", catcher.test, "--test-threads=1"]).env("RUST_BACKTRACE", "0");
    command.env("BLINDMETER_PLANTED", row.unwrap_or_default()).env("LEAKAGE_FORM", "short");
    // The figures of a run that is to fail are nobody's.
    command.env("LEAKAGE_FOLDER", "leakage-planted");
    // Which of its signs a plant shows first hangs on the seed: plants have one of their own.
    command.env("LEAKAGE_SEED", "1");
    if row.is_none() {
        command.env("LEAKAGE_SEEDS", "8");
    }
    let output = command.stdin(Stdio::null()).output().expect("coreutils has timeout");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let said = said.concat();
    assert!(said.contains("running 1 test\n"), "{} is not in its target: {said}", catcher.test);
    if output.status.success() { Run::Green } else { Run::Red(first(&said)) }
}

/// What a failing test said, without what the harness says around it.
fn first(said: &str) -> String {
    let from = said.find(" panicked at ").and_then(|at| Some(at + said[at..].find('\n')? + 1));
    said[from.unwrap_or(0)..].trim_start().to_owned()
}
