//! The array of cumulative counters that the taps add to and the ledger reads.
//!
//! Counters only grow (modulo 2^64) and are never cleared while in use: nothing is lost or counted twice
//! at a close or a handover. The caller owns the memory (heap, tmpfs file, kernel map); the layout is
//! the kernel map's: two arrays of 16-byte entries.

use super::slot::{Direction, Slot};
use super::units::{Totals, Volume};
use alloc::boxed::Box;
use core::sync::atomic::{AtomicU64, Ordering};

/// One slot's counter in one direction: 16 bytes, so that four share a cache line.
#[repr(C, align(16))]
#[derive(Default)]
pub struct Cell {
    bytes: AtomicU64,
    packets: AtomicU64,
}

/// The counters of every slot in both directions.
///
/// A copy is a view of the same memory. The memory lives as long as the process: a meter has one
/// such array, from its first packet to its last.
#[derive(Clone, Copy)]
pub struct Counters {
    up: &'static [Cell],
    down: &'static [Cell],
}

impl Counters {
    /// Counters over memory that the caller owns for the rest of the process's life.
    ///
    /// # Panics
    /// When the two directions differ in length or have no room for the reserved slots.
    #[must_use]
    pub fn over(up: &'static [Cell], down: &'static [Cell]) -> Self {
        assert!(up.len() == down.len(), "both directions have the same number of slots");
        assert!(up.len() >= Slot::FIRST_ACCOUNT.index(), "there is room for the reserved slots");
        Self { up, down }
    }

    /// Counters on the heap for this many accounts and the reserved slots; never freed.
    #[must_use]
    pub fn in_memory(accounts: usize) -> Self {
        let slots = Slot::FIRST_ACCOUNT.index() + accounts;
        let zeroed = || (0..slots).map(|_| Cell::default()).collect::<Box<[Cell]>>();
        Self::over(Box::leak(zeroed()), Box::leak(zeroed()))
    }

    /// How many slots there are, including the reserved ones.
    #[must_use]
    pub fn slots(self) -> usize {
        self.up.len()
    }

    /// Adds one packet, or the packets of one super-packet. A slot past the end is unattributed.
    #[inline]
    pub fn add(self, slot: Slot, direction: Direction, bytes: u64, packets: u64) {
        let side = match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        };
        let cell = side.get(slot.index()).unwrap_or(&side[Slot::UNATTRIBUTED.index()]);
        // Relaxed: each word is an independent sum; it publishes no other memory.
        cell.bytes.fetch_add(bytes, Ordering::Relaxed);
        cell.packets.fetch_add(packets, Ordering::Relaxed);
    }

    /// The cumulative reading of one slot.
    ///
    /// Bytes and packets are two loads: a packet counted between them is in one now, and in the other at
    /// the next reading.
    #[must_use]
    pub fn read(self, slot: Slot) -> Totals {
        let volume = |side: &'static [Cell]| {
            let cell = &side[slot.index()];
            // Relaxed: see `add`.
            Volume {
                bytes: cell.bytes.load(Ordering::Relaxed),
                packets: cell.packets.load(Ordering::Relaxed),
            }
        };
        Totals { up: volume(self.up), down: volume(self.down) }
    }
}
