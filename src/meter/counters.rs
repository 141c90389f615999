//! The array of cumulative counters that the taps add to and the ledger reads.
//!
//! Counters only grow (modulo 2^64) and are never cleared while in use: nothing is lost or counted twice
//! at a close or a handover. The caller owns the memory (heap, tmpfs file, kernel map); the layout is
//! the kernel map's: two arrays of 16-byte entries, each of one slice that all add to atomically, or
//! of a slice for each processor, which that processor alone adds to.

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

/// Cells that a slice is rounded up to, so that no two processors write to one pair of cache lines.
const ROUNDING: usize = 8;

const _: () =
    assert!(Slot::FIRST_ACCOUNT.index() <= ROUNDING, "the process has a cell for each reserved slot");

/// How a direction's cells are divided.
#[derive(Clone, Copy)]
pub struct Slices {
    slots: usize,
    /// Slices of processors; 0 where there is one slice that all share.
    processors: usize,
}

impl Slices {
    /// One slice, to which everybody adds atomically.
    #[must_use]
    pub const fn shared(slots: usize) -> Self {
        Self { slots, processors: 0 }
    }

    /// A slice for each processor, to which it alone adds, and the reserved slots once more for the
    /// process's own additions.
    #[must_use]
    pub const fn of_processors(slots: usize, processors: usize) -> Self {
        Self { slots, processors }
    }

    /// Cells from the beginning of one slice to that of the next.
    #[must_use]
    pub const fn stride(self) -> usize {
        self.slots.next_multiple_of(ROUNDING)
    }

    /// Cells of the processors' slices together.
    #[must_use]
    pub const fn of_all_processors(self) -> usize {
        self.stride() * self.processors
    }

    /// Cells of one direction.
    #[must_use]
    pub const fn cells(self) -> usize {
        if self.processors == 0 { self.slots } else { self.of_all_processors() + ROUNDING }
    }

    /// Cells behind the slices into which this process adds, none of which is a processor's.
    const fn own(self) -> usize {
        self.cells() - self.of_all_processors()
    }
}

/// The counters of every slot in both directions.
///
/// A copy is a view of the same memory. The memory lives as long as the process: a meter has one
/// such array, from its first packet to its last.
#[derive(Clone, Copy)]
pub struct Counters {
    up: &'static [Cell],
    down: &'static [Cell],
    slices: Slices,
}

impl Counters {
    /// Counters over memory that the caller owns for the rest of the process's life.
    ///
    /// # Panics
    /// When a direction is not as long as its slices, or has no room for the reserved slots.
    #[must_use]
    pub fn over(up: &'static [Cell], down: &'static [Cell], slices: Slices) -> Self {
        assert!(
            up.len() == slices.cells() && down.len() == slices.cells(),
            "both directions are as long as their slices"
        );
        assert!(slices.slots >= Slot::FIRST_ACCOUNT.index(), "there is room for the reserved slots");
        Self { up, down, slices }
    }

    /// Counters on the heap for this many accounts and the reserved slots; never freed.
    #[must_use]
    pub fn in_memory(accounts: usize) -> Self {
        let slices = Slices::shared(Slot::FIRST_ACCOUNT.index() + accounts);
        let zeroed = || (0..slices.cells()).map(|_| Cell::default()).collect::<Box<[Cell]>>();
        Self::over(Box::leak(zeroed()), Box::leak(zeroed()), slices)
    }

    /// How many slots there are, including the reserved ones.
    #[must_use]
    pub fn slots(self) -> usize {
        self.slices.slots
    }

    /// Adds one packet, or the packets of one super-packet. A slot past the end is unattributed, and
    /// where there are slices of processors, every account: there the kernel alone counts for accounts.
    #[inline]
    pub fn add(self, slot: Slot, direction: Direction, bytes: u64, packets: u64) {
        let side = match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        };
        let own = &side[self.slices.of_all_processors()..];
        let cell = own.get(slot.index()).unwrap_or(&own[Slot::UNATTRIBUTED.index()]);
        // Relaxed: each word is an independent sum; it publishes no other memory.
        cell.bytes.fetch_add(bytes, Ordering::Relaxed);
        cell.packets.fetch_add(packets, Ordering::Relaxed);
    }

    /// The cumulative reading of one slot: the sum of its cells.
    ///
    /// Bytes and packets are two loads: a packet counted between them is in one now, and in the other at
    /// the next reading.
    ///
    /// # Panics
    /// When there is no such slot.
    #[must_use]
    pub fn read(self, slot: Slot) -> Totals {
        let Slices { slots, processors } = self.slices;
        assert!(slot.index() < slots, "the slot is one of these counters'");
        let (stride, own) = (self.slices.stride(), self.slices.of_all_processors());
        let volume = |side: &'static [Cell]| {
            let mut sum = Volume::default();
            let mut add = |cell: &Cell| {
                // Relaxed: see `add`; whole words, so that a sum never holds half of an addition.
                sum.bytes = sum.bytes.wrapping_add(cell.bytes.load(Ordering::Relaxed));
                sum.packets = sum.packets.wrapping_add(cell.packets.load(Ordering::Relaxed));
            };
            (0..processors).for_each(|processor| add(&side[processor * stride + slot.index()]));
            if slot.index() < self.slices.own() {
                add(&side[own + slot.index()]);
            }
            sum
        };
        Totals { up: volume(self.up), down: volume(self.down) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeroed(slices: Slices) -> &'static [Cell] {
        Box::leak((0..slices.cells()).map(|_| Cell::default()).collect::<Box<[Cell]>>())
    }

    #[test]
    fn a_reading_is_the_sum_of_the_slices() {
        let slices = Slices::of_processors(21, 3);
        let (up, down) = (zeroed(slices), zeroed(slices));
        let counters = Counters::over(up, down, slices);
        assert!(slices.stride() == 24 && slices.of_all_processors() == 72 && counters.slots() == 21);
        for (processor, bytes) in [(0, 100), (1, 7), (2, u64::MAX)] {
            let cell = &up[processor * slices.stride() + 20];
            cell.bytes.store(bytes, Ordering::Relaxed);
            cell.packets.store(1, Ordering::Relaxed);
        }
        let read = counters.read(Slot::new(20));
        assert!(read.up == Volume { bytes: 106, packets: 3 } && read.down == Volume::default());
        // What the process adds is in no processor's slice.
        counters.add(Slot::LOST, Direction::Down, 0, 5);
        assert!(counters.read(Slot::LOST).down == Volume { bytes: 0, packets: 5 });
        let of_processors = down[..slices.of_all_processors()].iter();
        assert!(of_processors.fold(0, |sum, cell| sum + cell.packets.load(Ordering::Relaxed)) == 0);
    }
}
