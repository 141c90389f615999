//! Freed memory is wiped, and large buffers go back to the kernel at once.
//!
//! A start and a reload read a roster of up to a million lines into buffers that are freed a moment
//! later; a request is read, parsed and answered in others. None of the libraries used clears what it
//! frees, and the C library keeps freed memory with its contents. So the program's allocator clears
//! everything that is freed, and [`wipe_stack`] clears what calls left on the stack.
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
use std::pin::Pin;

/// Buffers of at least this many bytes get their own mapping.
#[cfg(target_env = "gnu")]
const LARGE_BYTES: libc::c_int = 1 << 20;

/// Most bytes of stack that answering a request or reading a roster takes; an eighth of the smallest
/// stack.
pub const REQUEST_BYTES: usize = 64 << 10;

/// Most bytes of stack that counting packets takes; few, since it is wiped often.
pub const PACKET_BYTES: usize = 8 << 10;

/// The system's allocator, but clearing everything that is freed.
///
/// A buffer that grows is copied and the old one cleared, whereas the system's allocator might move it
/// and leave its contents behind.
pub struct WipingAllocator;

// SAFETY: memory comes from the system's allocator and goes back to it unchanged; the trait's default
// `realloc` uses these methods.
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
        // SAFETY: the caller frees a block of this size, which is ours until `System` takes it back. The
        // compiler would remove plain stores before a free.
        unsafe {
            libc::explicit_bzero(pointer.cast(), layout.size());
            System.dealloc(pointer, layout);
        }
    }
}

/// Wipes the stack below the caller and the vector registers: earlier calls have left copies of their
/// data there, and a copy of 16 or 32 bytes passes through a single register.
#[inline(never)]
pub fn wipe_stack<const BYTES: usize>() {
    black_box(&mut [0_u8; BYTES]);
    wipe_registers();
}

/// Wipes the stack that a task has used, whenever it pauses: another one might copy what it finds there, with
/// the unused places of an object, to where it stays.
pub fn wiping(task: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> + Send {
    // Called through a table: inlined, its frame would be this function's own, which cannot be wiped.
    let mut task: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(task);
    std::future::poll_fn(move |context| {
        let polled = task.as_mut().poll(context);
        wipe_stack::<REQUEST_BYTES>();
        polled
    })
}

#[cfg(target_arch = "x86_64")]
fn wipe_registers() {
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has these registers; they are declared as clobbered, and memory is untouched.
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
        // SAFETY: as above; every x86_64 processor has these.
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

/// On other processors the registers keep what was copied last.
#[cfg(not(target_arch = "x86_64"))]
fn wipe_registers() {}

/// From now on, buffers of a mebibyte or more return to the kernel when they are freed.
pub fn give_back_large_buffers() {
    // SAFETY: mallopt takes plain numbers. If it fails, the allocator is unchanged.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES)
    };
}
