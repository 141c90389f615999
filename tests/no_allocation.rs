//! The per-packet path allocates nothing: a counting allocator sees no call from parse to count.
#![expect(unsafe_code, reason = "a global allocator is unsafe by its trait")]

#[path = "../benches/path/frames.rs"]
mod frames;
#[path = "../benches/path/owners.rs"]
mod owners;
mod support;

use blindmeter::meter::counters::Counters;
use blindmeter::meter::slot::{Direction, Slot};
use blindmeter::meter::tags::Tags;
use blindmeter::roster::Roster;
use blindmeter::roster::place::Place;
use blindmeter::roster::tagger::Tagger;
use blindmeter::tap::Attribution;
use blindmeter::tap::frame::LinkType;
use blindmeter::tap::super_packet::{Gso, Transport};
use frames::Traffic;
use owners::Owners;
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

/// Super-packets, whose headers are measured, packets that nobody owns, and what is no IP packet.
#[test]
fn no_kind_of_packet_allocates() {
    let roster = Roster::new(&[], Tags::in_memory(1), Tagger::new(&[1; 32]), 1);
    let attribution =
        Attribution { table: roster.table(), counters: Counters::in_memory(1), place: Place::ANY };
    let mut v4 = [0_u8; 60];
    (v4[0], v4[9], v4[32]) = (0x45, 6, 10 << 4);
    let mut v6 = [0_u8; 80];
    // A hop-by-hop header of 8 bytes, then UDP.
    (v6[0], v6[6], v6[40]) = (0x60, 0, 17);
    let mut tagged = [0_u8; 14 + 4 + 20];
    tagged[12..18].copy_from_slice(&[0x81, 0, 0, 7, 8, 0]);
    tagged[18] = 0x45;
    let gso = |transport| Some(Gso { transport, segment_bytes: 1400 });
    let count = || {
        for direction in [Direction::Up, Direction::Down] {
            attribution.count(LinkType::RawIp, &v4, 60_000, direction, gso(Transport::Tcp));
            attribution.count(LinkType::RawIp, &v6, 60_000, direction, gso(Transport::Udp));
            attribution.count(LinkType::RawIp, &v4[..30], 60_000, direction, gso(Transport::Tcp));
            attribution.count(LinkType::Ethernet, &tagged, 1500, direction, None);
            attribution.count(LinkType::Ethernet, &[8; 20], 60, direction, None);
            attribution.count(LinkType::RawIp, &v6[..39], 60, direction, None);
        }
        attribution.lost(7);
    };
    // A thread's first look-up outside the pools makes its place in arc-swap, once.
    count();
    let before = allocations();
    for _ in 0..1000 {
        count();
    }
    assert_eq!(allocations() - before, 0);
    let packets = |slot| attribution.counters.read(slot).packets() / 1001;
    // Of the TCP super-packet 60 bytes are headers, of the UDP one 56; the cut one is lost.
    assert_eq!(packets(Slot::UNATTRIBUTED), 2 * (43 + 43 + 1));
    assert_eq!((packets(Slot::NOT_IP), packets(Slot::MALFORMED), packets(Slot::LOST)), (2, 2, 2 + 7));
}

#[test]
fn the_allocator_counts() {
    let before = allocations();
    drop(std::hint::black_box(vec![1_u8; 100]));
    assert_eq!(allocations() - before, 1);
}
