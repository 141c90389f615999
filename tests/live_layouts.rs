//! A start that finds counters of another layout goes over to its own while packets pass: from slices
//! to the locked program and back, and to another number of processors. The packets that pass while it
//! happens are counted once.
//!
//! The oracle is the sender's own count. Needs a lab build, whose epochs may be a second long.

#[path = "kill/load.rs"]
mod load;
mod netns;
mod support;

use load::{LOCKED, Load, SLICED};
use netns::Namespace;
use netns::beside::Fixture;
use netns::daemon::{Daemon, PROGRAM};
use netns::folder::Folder;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use support::wait::let_pass;

/// What a machine says of itself, as far as the choice of the layout goes.
#[derive(Clone, Copy)]
enum Machine {
    /// This one.
    This,
    /// With numbers for so many processors.
    Processors(u32),
    /// With PREEMPT_RT.
    Realtime,
}

/// One start after another: the budget, the machine, and what `status` says then.
const STEPS: [(&str, Machine, &str, &str); 8] = [
    (LOCKED, Machine::This, "locked", "more than tap.memory_budget"),
    (SLICED, Machine::This, "sliced", "a slice for"),
    (SLICED, Machine::Processors(6), "sliced", "a slice for each of 6 processors"),
    (SLICED, Machine::Processors(3), "sliced", "a slice for each of 3 processors"),
    (SLICED, Machine::Realtime, "locked", "PREEMPT_RT"),
    (SLICED, Machine::This, "sliced", "a slice for"),
    (LOCKED, Machine::This, "locked", "more than tap.memory_budget"),
    (LOCKED, Machine::Processors(6), "locked", "more than tap.memory_budget"),
];

#[test]
fn tcx_counts_once_whatever_layout_follows_another() {
    println!("tcx: {}", changed_under_load("tcx"));
}

#[test]
fn clsact_counts_once_whatever_layout_follows_another() {
    println!("clsact: {}", changed_under_load("clsact"));
}

/// As an older kernel does that cannot follow the sliced program in a million steps: the call that loads it
/// fails, here by the hand of strace, with and without a log of the verifier.
#[test]
fn the_locked_program_counts_where_the_kernel_refuses_the_sliced_one() {
    for tap in ["tcx", "clsact"] {
        let mut fixture = Fixture::keeping(tap);
        let calls = fixture.folder.path("calls");
        let traced = |fixture: &Fixture, options: &[&str]| {
            let mut strace = Command::new("strace");
            strace.args(["-D", "-qq", "-e", "trace=bpf", "-o"]).arg(&calls).args(options).arg(PROGRAM);
            let mut daemon = Daemon::spawn_as(&fixture.namespace, &fixture.folder, strace);
            daemon.await_start(0);
            daemon
        };
        let daemon = traced(&fixture, &[]);
        assert_eq!(daemon.answer(&["status", "--json"])["counters"], "sliced", "{}", daemon.said());
        daemon.stop();
        let list = fs::read_to_string(&calls).expect("the calls of the start before");
        let load = list.lines().position(|call| call.starts_with("bpf(BPF_PROG_LOAD,")).expect("a load") + 1;
        let daemon = traced(&fixture, &["-e", &format!("inject=bpf:error=E2BIG:when={load}")]);
        let status = daemon.answer(&["status", "--json"]);
        let reason = status["counters_reason"].as_str().expect("a reason").to_owned();
        assert_eq!(status["counters"], "locked", "{reason}");
        assert!(reason.contains("the kernel refuses the program: Argument list too long"), "{reason}");
        assert!(daemon.said().contains(&format!("counters are locked: {reason}")), "{}", daemon.said());
        fixture.counts(&daemon, 20);
        // The next start goes on with its counters, and does not ask the kernel again, which would take it now.
        daemon.hand_over();
        let daemon = traced(&fixture, &[]);
        let status = daemon.answer(&["status", "--json"]);
        assert_eq!(status["counters"], "locked");
        assert_eq!(status["counters_reason"], "this kernel refused slices when these counters were made");
        let list = fs::read_to_string(&calls).expect("the calls of the start");
        assert!(!list.contains("BPF_PROG_LOAD"), "{list}");
        fixture.counts(&daemon, 20);
        daemon.stop();
    }
}

/// Gives a sentence with what was done.
fn changed_under_load(tap: &'static str) -> String {
    let mut load = Load::begin(tap, SLICED);
    let mut daemon = Daemon::start_in(&load.namespace, &load.folder);
    let mut budget = SLICED;
    for (at, (next, machine, layout, reason)) in STEPS.into_iter().enumerate() {
        let_pass(Duration::from_millis(400), "it counts for a while");
        // Some are told to go, some are killed.
        if at % 2 == 0 {
            daemon.hand_over();
        } else {
            daemon.kill();
        }
        load.folder.configure(budget, next);
        budget = next;
        daemon = start_on(machine, &load.namespace, &load.folder);
        let status = daemon.answer(&["status", "--json"]);
        assert_eq!(status["counters"], layout, "step {at}");
        let why = status["counters_reason"].as_str().expect("a reason");
        assert!(why.contains(reason), "step {at}: {why}");
    }
    let (expected, changes) = load.end();
    expected.assert_held_by(&daemon);
    daemon.stop();
    assert!(load.folder.pins().is_empty(), "a real stop leaves nothing");
    let packets = expected.node().counted();
    format!("{} starts, {packets} packets, {changes} hand-overs", STEPS.len())
}

/// A daemon on a machine that says this of itself: what the kernel shows is covered in a mount
/// namespace of the daemon's own.
fn start_on(machine: Machine, namespace: &Namespace, folder: &Arc<Folder>) -> Daemon {
    let cover = match machine {
        Machine::This => return Daemon::start_in(namespace, folder),
        Machine::Processors(processors) => {
            let list = folder.path("possible");
            fs::write(&list, format!("0-{}\n", processors - 1)).expect("a file in the folder");
            format!("mount --bind {} /sys/devices/system/cpu/possible", list.display())
        }
        Machine::Realtime => "mount -t tmpfs tmpfs /sys/kernel && echo 1 > /sys/kernel/realtime".to_owned(),
    };
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c"]);
    command.arg(format!("{cover} && exec \"$0\" \"$@\"")).arg(PROGRAM);
    let mut daemon = Daemon::spawn_as(namespace, folder, command);
    daemon.await_start(0);
    daemon
}
