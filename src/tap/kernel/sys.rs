//! The bpf(2) calls of this tap that go by descriptor and interface index.
//!
//! aya loads the program; attaching by index (a name may have gone to another interface by then),
//! changing a map after all capabilities are gone, and mapping a map's memory are done here.
//!
//! # Source
//! bpf(2); include/uapi/linux/bpf.h (union bpf_attr), kernel/bpf/syscall.c, kernel/bpf/tcx.c.
#![expect(unsafe_code, reason = "bpf(2) and mmap(2) have no safe wrapper that reaches these calls")]

use crate::meter::counters::Cell;
use crate::meter::tags::TagCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64};

const MAP_LOOKUP: i32 = 1;
const MAP_UPDATE: i32 = 2;
const MAP_DELETE: i32 = 3;
const LINK_CREATE: i32 = 28;

/// BPF_F_BEFORE and BPF_F_AFTER, which without another program mean first and last of all.
const FIRST: u32 = 1 << 3;
const LAST: u32 = 1 << 4;

/// BPF_TCX_INGRESS and BPF_TCX_EGRESS.
const TCX_INGRESS: u32 = 46;
const TCX_EGRESS: u32 = 47;

/// A value that may lie in memory shared with the kernel's programs.
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

fn bpf(command: i32, attributes: &[u32]) -> io::Result<i32> {
    // SAFETY: the pointer and length describe `attributes`, which outlives the call; where a
    // command writes through them, the caller has said where.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of_val(attributes)) };
    i32::try_from(result).ok().filter(|result| *result >= 0).ok_or_else(io::Error::last_os_error)
}

fn word(fd: &impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd().cast_unsigned()
}

fn halves(pointer: *const u8) -> [u32; 2] {
    let bytes = (pointer.expose_provenance() as u64).to_ne_bytes();
    let half = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    [half(0), half(4)]
}

/// Sets the value of a key; needs no capability since Linux 5.19.
pub(super) fn update(map: &OwnedFd, key: &[u8], value: u32) -> io::Result<()> {
    let value = value.to_ne_bytes();
    let [key_low, key_high] = halves(key.as_ptr());
    let [value_low, value_high] = halves(value.as_ptr());
    bpf(MAP_UPDATE, &[word(map), 0, key_low, key_high, value_low, value_high, 0, 0]).map(drop)
}

/// Removes a key; true when it was there.
pub(super) fn delete(map: &OwnedFd, key: &[u8]) -> io::Result<bool> {
    let [key_low, key_high] = halves(key.as_ptr());
    match bpf(MAP_DELETE, &[word(map), 0, key_low, key_high, 0, 0, 0, 0]) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        result => result.map(|_| true),
    }
}

/// Whether the map holds a key.
pub(super) fn holds(map: &OwnedFd, key: &[u8]) -> bool {
    // The value is one word in all maps that are asked.
    let value = AtomicU32::new(0);
    let [key_low, key_high] = halves(key.as_ptr());
    let [value_low, value_high] = halves(value.as_ptr().cast_const().cast());
    bpf(MAP_LOOKUP, &[word(map), 0, key_low, key_high, value_low, value_high, 0, 0]).is_ok()
}

/// Attaches a program to an interface's tcx hook; it stays until the link is closed everywhere.
///
/// In front of others on the way in and behind them on the way out, as a packet socket would see
/// what the wire sees. Needs CAP_BPF and CAP_NET_ADMIN.
pub(super) fn tcx(program: &impl AsFd, index: u32, ingress: bool) -> io::Result<OwnedFd> {
    let (hook, place) = if ingress { (TCX_INGRESS, FIRST) } else { (TCX_EGRESS, LAST) };
    let link = bpf(LINK_CREATE, &[word(program), index, hook, place, 0, 0, 0, 0])?;
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(link) })
}

/// The memory of an array map, mapped for the rest of the process's life.
pub(super) fn mapped<T: Shared>(map: &impl AsFd, values: usize) -> io::Result<&'static [T]> {
    let bytes = (values * size_of::<T>()).next_multiple_of(page_bytes());
    // SAFETY: a fresh shared mapping; the kernel refuses one that is longer than the map.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            map.as_fd().as_raw_fd(),
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `values` values lie inside the mapping, page-aligned; it is never unmapped; `Shared`
    // says that any bytes are a value and that all access is atomic.
    Ok(unsafe { std::slice::from_raw_parts(memory.cast_const().cast(), values) })
}

fn page_bytes() -> usize {
    // SAFETY: sysconf reads a number.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}
