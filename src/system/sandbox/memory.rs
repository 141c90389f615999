//! Keeps the process's memory off disks: no core dump, no swap.
//!
//! # Source
//! prctl(2) (PR_SET_DUMPABLE), setrlimit(2), mlockall(2).

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use std::io;

/// Locks every page of the process in memory, including later ones.
///
/// Only without a limit: under one, later allocations would fail and end the process. Pages are locked
/// when they are first used, so that stacks cost only what they use.
pub(super) fn lock() -> io::Result<()> {
    if getrlimit(Resource::RLIMIT_MEMLOCK)?.0 != RLIM_INFINITY {
        setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY)?;
    }
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault)?;
    Ok(())
}

/// Forbids core dumps, and tracers and readers of /proc that are not root. A change of user would reset
/// this; this program makes none.
pub(super) fn forbid_dumps() -> io::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    nix::sys::prctl::set_dumpable(false)?;
    Ok(())
}
