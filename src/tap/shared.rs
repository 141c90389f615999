//! Memory that others write as well: the kernel's program, or a process that ran before this one.
//!
//! Holds the one mapping call and the list of what may lie in such memory.
#![expect(unsafe_code, reason = "mmap(2) has no safe wrapper")]

use crate::meter::counters::Cell;
use crate::meter::tags::TagCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU32, AtomicU64};

/// A value that may lie in shared memory.
///
/// # Safety
/// Any bytes are a valid value, and it is only read and written atomically.
pub(super) unsafe trait Shared: Sync {}
// SAFETY: atomics, and pairs of them.
unsafe impl Shared for Cell {}
// SAFETY: see above.
unsafe impl Shared for TagCell {}
// SAFETY: see above.
unsafe impl Shared for AtomicU32 {}
// SAFETY: see above.
unsafe impl Shared for AtomicU64 {}

/// Values from a page-aligned offset of a map or file on, mapped for the rest of the process's life.
/// The caller has made sure that the file is long enough; the kernel refuses a map that is not.
pub(super) fn mapped<T: Shared>(file: &impl AsFd, offset: usize, values: usize) -> io::Result<&'static [T]> {
    let bytes = (values * size_of::<T>()).next_multiple_of(system_page_bytes());
    // SAFETY: a fresh shared mapping.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_fd().as_raw_fd(),
            libc::off_t::try_from(offset).map_err(io::Error::other)?,
        )
    };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `values` values lie inside the mapping, page-aligned; it is never unmapped; `Shared`
    // says that any bytes are a value and that all access is atomic.
    Ok(unsafe { std::slice::from_raw_parts(memory.cast_const().cast(), values) })
}

/// A page of this system: the kernel refuses to map more of a map than it has.
fn system_page_bytes() -> usize {
    use nix::unistd::{SysconfVar, sysconf};
    sysconf(SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|bytes| usize::try_from(bytes).ok())
        .unwrap_or(4096)
}

/// What places in a file are rounded to: a page of every supported architecture.
pub(super) const PAGE_BYTES: usize = 1 << 16;
