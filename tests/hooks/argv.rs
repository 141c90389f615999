//! Whoever lists processes: what of the names that hooks pass on is seen in arguments and process names.
//!
//! The poller does what any user may where `/proc` hides nothing: it asks for the newest process number, and
//! reads what every new process shows of itself, again and again. Nothing needs a daemon.

use crate::daemon::PROGRAM;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Names that are passed on: by standard input, and as arguments.
const BY_INPUT: usize = 1_000;
const AS_ARGUMENTS: usize = 200;

/// Between two looks of the poller.
const APART: Duration = Duration::from_micros(200);

/// Newest processes that are looked at each time.
const NEWEST: u32 = 16;

/// Another run of this test on the same host, such as one with a planted leak, has other names. With the number of a
/// name it fits into the 15 bytes of a process's own name.
fn first_half() -> String {
    format!("n{:x}-", std::process::id())
}

fn name(at: usize) -> String {
    format!("{}{at:04}", first_half())
}

/// Names that the poller has seen while this was done.
fn caught(names: usize, done: impl FnOnce()) -> usize {
    let ends = AtomicBool::new(false);
    let mut seen = vec![false; names];
    let first_half = first_half();
    thread::scope(|scope| {
        let poller = scope.spawn(|| {
            // Relaxed: a flag, which orders nothing.
            while !ends.load(Ordering::Relaxed) {
                look(&first_half, &mut seen);
                thread::sleep(APART);
            }
        });
        done();
        ends.store(true, Ordering::Relaxed);
        poller.join().expect("it only reads");
    });
    seen.iter().filter(|seen| **seen).count()
}

fn look(first_half: &str, seen: &mut [bool]) {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let newest: u32 = load.trim().rsplit(' ').next().and_then(|last| last.parse().ok()).unwrap_or(0);
    for process in newest.saturating_sub(NEWEST)..=newest {
        for file in ["cmdline", "comm"] {
            let text = fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let names = text.match_indices(first_half).map(|(at, _)| at + first_half.len());
            let names = names.filter_map(|at| text.get(at..at + 4));
            for at in names.filter_map(|digits| digits.parse::<usize>().ok()) {
                if let Some(seen) = seen.get_mut(at) {
                    *seen = true;
                }
            }
        }
    }
}

/// Nothing around the program: a wrapper would show its arguments as well.
fn hook(words: &[&str], line: &str) {
    let mut command = Command::new(PROGRAM);
    command.args(["roster", "assign"]).args(words).args(["--hook", "--socket", "/nowhere/control.sock"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program can be run");
    child.stdin.take().expect("a pipe").write_all(line.as_bytes()).expect("it reads, or has ended");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn names_on_standard_input_are_seen_by_nobody() {
    assert!(Path::new("/proc/loadavg").exists());
    let by_input = caught(BY_INPUT, || {
        (0..BY_INPUT).for_each(|at| hook(&["-"], &format!("10.77.7.1,{}\n", name(at))));
    });
    let as_arguments = caught(AS_ARGUMENTS, || {
        (0..AS_ARGUMENTS).for_each(|at| hook(&["10.77.7.1", &name(at)], ""));
    });
    println!(
        "caught: {by_input} of {BY_INPUT} on standard input, {as_arguments} of {AS_ARGUMENTS} as arguments"
    );
    assert!(as_arguments > 0, "the control: names in arguments are seen by somebody who is quick");
    assert_eq!(by_input, 0, "names on standard input that were seen");
}
