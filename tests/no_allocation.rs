//! The per-packet path allocates nothing: a counting allocator sees no call from parse to count.
#![expect(unsafe_code, reason = "a global allocator is unsafe by its trait")]

#[path = "../benches/path/frames.rs"]
mod frames;

use frames::{Owners, Traffic};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

#[test]
fn counting_a_packet_allocates_nothing() {
    for owners in Owners::ALL {
        let traffic = Traffic::new(owners, 1000);
        let before = allocations();
        for _ in 0..4 {
            traffic.touch_all();
            traffic.count_all();
        }
        assert_eq!(allocations() - before, 0, "{}", owners.word());
        assert!(traffic.is_attributed(), "every packet of {} found its owner", owners.word());
    }
}

#[test]
fn the_allocator_counts() {
    let before = allocations();
    drop(std::hint::black_box(vec![1_u8; 100]));
    assert_eq!(allocations() - before, 1);
}
