//! What the taps cost, side by side in one run: the kernel's program beside its floors, the ring
//! beside tcpdump, and forwarding with and without each tap.
//!
//! `cargo bench --bench taps` as root; `-- --quick` is a short look, and words choose parts:
//! `programs`, `meters`, `forwarding`. Times are printed with the goals beside them and never
//! asserted; what was counted is.
#![expect(clippy::print_stdout, reason = "a bench measures time and prints it")]

#[path = "taps/bpf.rs"]
mod bpf;
#[path = "taps/forwarding.rs"]
mod forwarding;
#[path = "taps/generator.rs"]
mod generator;
#[path = "taps/loader.rs"]
mod loader;
#[path = "taps/meters.rs"]
mod meters;
#[path = "../tests/netns/mod.rs"]
mod netns;
#[path = "path/owners.rs"]
mod owners;
#[path = "taps/programs.rs"]
mod programs;
#[path = "../tests/support/mod.rs"]
mod support;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// How long the bench may take.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Length {
    /// Minutes: for figures.
    Full,
    /// Seconds: to see that it runs.
    Quick,
}

/// A part's name, and what measures and prints it.
type Part = (&'static str, fn(Length));

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((loader::ARGUMENT, rest)) =
        arguments.split_first().map(|(first, rest)| (first.as_str(), rest))
    {
        return loader::serve(rest);
    }
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let length = if has("--quick") { Length::Quick } else { Length::Full };
    let parts: [Part; 3] =
        [("programs", programs::run), ("meters", meters::run), ("forwarding", forwarding::run)];
    let all = !parts.iter().any(|(name, _)| has(name));
    for (_, part) in parts.iter().filter(|(name, _)| all || has(name)) {
        part(length);
    }
}

/// The bench's own thread, and what the kernel does in its name, stays on one core.
pub(crate) fn pin_to_last_core() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut last = CpuSet::new();
    last.set(cores - 1).expect("a core of this machine");
    sched_setaffinity(Pid::from_raw(0), &last).expect("a thread may choose among its cores");
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn minimum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// A goal, and whether it was reached; a short look is too noisy to say.
pub(crate) fn verdict(length: Length, goal: &str, is_reached: bool) -> String {
    match (length, is_reached) {
        (Length::Quick, _) => goal.to_owned(),
        (Length::Full, true) => format!("{goal} reached"),
        (Length::Full, false) => format!("{goal} missed"),
    }
}
