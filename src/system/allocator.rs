//! How freed memory is left: wiped, and large buffers go back to the kernel at once.
//!
//! A start and a reload read a roster of up to a million lines into buffers that are gone a moment
//! later; a request is read, parsed and answered in others. None of the libraries below clears what
//! it lets go of, and the C library keeps freed memory with what was in it. So the program's
//! allocator clears it, whoever it belonged to, and [`wipe_stack`] what calls left on the stack.
//!
//! # Source
//! mallopt(3), explicit_bzero(3).
#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; mallopt(3), explicit_bzero(3); registers"
)]

use std::alloc::{GlobalAlloc, Layout, System};
#[cfg(target_arch = "x86_64")]
use std::arch::asm;
use std::hint::black_box;

/// Bytes from which on a buffer is mapped by itself.
#[cfg(target_env = "gnu")]
const LARGE_BYTES: libc::c_int = 1 << 20;

/// Bytes of stack that answering a request or reading a roster takes up at the most; an eighth of what
/// the smallest stack has.
pub const REQUEST_BYTES: usize = 64 << 10;

/// Bytes of stack that counting packets takes up at the most; little, since it is done often.
pub const PACKET_BYTES: usize = 8 << 10;

/// The system's allocator, which clears everything that is freed.
///
/// A buffer that grows is copied and the old one cleared, where the system's would perhaps move it and
/// leave what it held.
pub struct WipingAllocator;

// SAFETY: memory comes from the system's allocator and goes back to it as it came; the trait's own
// `realloc` is built of these.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller gives back a block of this size, which is ours until `System` has it. A
        // plain store before it would be taken for dead.
        unsafe {
            libc::explicit_bzero(pointer.cast(), layout.size());
            System.dealloc(pointer, layout);
        }
    }
}

/// Wipes the stack below the caller and the vector registers: what it called before has left copies of
/// what it worked on, and a copy of 16 or 32 bytes passes through one register whole.
#[inline(never)]
pub fn wipe_stack<const BYTES: usize>() {
    black_box(&mut [0_u8; BYTES]);
    wipe_registers();
}

#[cfg(target_arch = "x86_64")]
fn wipe_registers() {
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has these registers; they are told as clobbered, and memory is left alone.
        unsafe {
            asm!(
                ".irp n,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
                "vpxord zmm\\n, zmm\\n, zmm\\n",
                ".endr",
                "vzeroall",
                clobber_abi("C"),
                options(nomem, nostack)
            );
        }
    } else if std::arch::is_x86_feature_detected!("avx") {
        // SAFETY: as above.
        unsafe { asm!("vzeroall", clobber_abi("C"), options(nomem, nostack)) }
    } else {
        // SAFETY: as above; every processor of this kind has them.
        unsafe {
            asm!(
                ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "xorps xmm\\n, xmm\\n",
                ".endr",
                clobber_abi("C"),
                options(nomem, nostack)
            );
        }
    }
}

/// Elsewhere they keep what was copied last.
#[cfg(not(target_arch = "x86_64"))]
fn wipe_registers() {}

/// From now on a buffer of a mebibyte or more is the kernel's again when it is freed.
pub fn give_back_large_buffers() {
    // SAFETY: mallopt takes plain numbers. Where it fails the allocator stays as it was.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES)
    };
}
