//! How the allocator keeps what is freed: large buffers go back to the kernel at once.
//!
//! A start and a reload read a roster of up to a million lines into buffers that are gone a moment
//! later. The C library takes what was freed as a sign that as much will be wanted again, and keeps
//! it, names and addresses of the old roster included.
//!
//! # Source
//! mallopt(3).
#![expect(unsafe_code, reason = "mallopt(3)")]

/// Bytes from which on a buffer is mapped by itself.
#[cfg(target_env = "gnu")]
const LARGE_BYTES: libc::c_int = 1 << 20;

/// From now on a buffer of a mebibyte or more is the kernel's again when it is freed.
pub fn give_back_large_buffers() {
    // SAFETY: mallopt takes plain numbers. Where it fails the allocator stays as it was.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES)
    };
}
