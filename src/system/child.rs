//! A process of our own beside the daemon, which keeps a capability that the daemon gives up.
//!
//! It has the daemon's program, none of its descriptors but those that it is given, and ends when its work
//! does. It ignores the signals that end the daemon, since a service manager sends them to both at once and
//! the daemon must have the last word. Holds nothing.
#![expect(unsafe_code, reason = "fork(2) and close_range(2)")]

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{ForkResult, Pid, fork};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Starts a process that does this work and ends. Must be called while this one has one thread.
///
/// # Errors
/// Those of fork(2).
pub fn start(name: &CStr, kept: &[BorrowedFd<'_>], work: impl FnOnce()) -> io::Result<Pid> {
    // SAFETY: the process has one thread, so the child may do whatever its parent could.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            for ending in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1] {
                // SAFETY: ignoring a signal runs no code.
                let _ = unsafe { signal(ending, SigHandler::SigIgn) };
            }
            nix::sys::prctl::set_name(name).unwrap_or_default();
            close_all_but(kept);
            work();
            // SAFETY: ends the process without running what the parent registered for its end.
            unsafe { libc::_exit(0) }
        }
    }
}

/// Closes every descriptor that the process has no use for.
fn close_all_but(kept: &[BorrowedFd<'_>]) {
    let mut open: Vec<u32> = kept.iter().map(|kept| kept.as_raw_fd().cast_unsigned()).collect();
    // Standard error stays: a panic must be seen.
    open.push(2);
    open.sort_unstable();
    let mut from = 0;
    for fd in open.into_iter().chain([u32::MAX]) {
        if fd > from {
            // SAFETY: whatever owned these descriptors is the parent's, and never runs here.
            unsafe { libc::syscall(libc::SYS_close_range, from, fd - u32::from(fd != u32::MAX), 0) };
        }
        from = fd.saturating_add(1);
    }
}
