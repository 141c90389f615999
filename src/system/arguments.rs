//! The process's own arguments, as others see them: `/proc/PID/cmdline` is open to every user of a host whose
//! `/proc` does not hide processes.
//!
//! # Source
//! proc_pid_stat(5), fields 48 and 49; mm/util.c (get_cmdline).
#![expect(unsafe_code, reason = "the kernel shows the memory where it put the arguments at the start")]

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Fields of /proc/PID/stat behind the name, which may hold spaces itself: the third field is the first of them.
const START: usize = 48 - 3;
const END: usize = 49 - 3;

/// Overwrites all arguments but the first `shown` in the memory that the kernel shows. Does nothing where that
/// memory does not hold these arguments. Whoever read them before has them.
pub fn hide(words: &[OsString], shown: usize) {
    let Some((start, end)) = place() else { return };
    let mut expected = Vec::new();
    let mut kept = 0;
    for (at, word) in words.iter().enumerate() {
        expected.extend_from_slice(word.as_bytes());
        expected.push(0);
        if at < shown {
            kept = expected.len();
        }
    }
    if end.checked_sub(start) != Some(expected.len()) {
        return;
    }
    let memory: *mut u8 = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the kernel put the arguments there for this process to read and write, as many bytes as this; the
    // caller is the only thread, and nothing holds a reference into them.
    let arguments = unsafe { std::slice::from_raw_parts_mut(memory, expected.len()) };
    if arguments == expected {
        arguments[kept..].fill(0);
    }
    zeroize::Zeroize::zeroize(&mut expected);
}

/// Where the arguments begin and end.
fn place() -> Option<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some((fields.get(START)?.parse().ok()?, fields.get(END)?.trim_end().parse().ok()?))
}
