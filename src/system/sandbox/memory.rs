//! No page of the process on a disk: no core, no dump, no swap.
//!
//! # Source
//! prctl(2) (PR_SET_DUMPABLE), setrlimit(2), mlockall(2).

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use std::io;

/// Keeps every page of the process in memory, those that come later as well.
///
/// Only without a limit: under one, memory that comes later could not be had, and that would end the
/// process. Pages are locked when they are used first, so that stacks cost what is used of them.
pub(super) fn lock() -> io::Result<()> {
    if getrlimit(Resource::RLIMIT_MEMLOCK)?.0 != RLIM_INFINITY {
        setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY)?;
    }
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault)?;
    Ok(())
}

/// Forbids cores, and tracers and readers of /proc that are not root. After a change of user this
/// would have to be said again; this program changes none.
pub(super) fn forbid_dumps() -> io::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    nix::sys::prctl::set_dumpable(false)?;
    Ok(())
}
