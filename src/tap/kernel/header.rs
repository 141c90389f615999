//! What the `info` map says of the set of maps it belongs to, for the process that adopts them.
//!
//! Holds the pools, which are addresses: they lie in the kernel's memory beside the map of owners,
//! without which the places in that map would mean nothing.

use super::owners::{POOL_BYTES, POOLS, Pools};
use crate::meter::counters::Slices;
use std::sync::atomic::{AtomicU32, Ordering};

/// Words of `struct info` in meter.bpf.c: those that the program reads, and the header.
pub(super) const INFO_WORDS: usize = 132;

/// Where the header begins, after the words that say which tables hold something.
const HEADER: usize = 8;

/// `bmkernel` and the version of this layout.
const MAGIC: [u32; 2] = [u32::from_le_bytes(*b"bmke"), 5];

/// Places in words from the header's first: slots, processors and home in one, then names of sixteen
/// bytes, then the pools.
const SLOTS: usize = 2;
const PROCESSORS: usize = 3;
const HOME_BITS: u32 = 16;
const GENERATION: usize = 4;
const PREDECESSOR: usize = 8;
const NODE: usize = 12;
const LAYOUT: usize = 16;
const POOL_COUNTS: usize = 20;
const POOL_LIST: usize = 22;

/// The two double words of the tags' key ([`crate::tap::TagKey`]), behind the header.
pub(super) const TAG_KEY: usize = 63;

/// The double word of [`crate::tap::InterfaceRecords`], behind the key.
pub(super) const INTERFACES: usize = TAG_KEY + 2;

/// What a set of maps says of itself.
#[derive(Clone)]
pub(super) struct Header {
    /// Slots in `up`, `down` and `tags`.
    pub(super) slots: u32,
    /// Slices in `up` and `down`, one for each processor; 0 where all share one.
    pub(super) processors: u32,
    /// Where it is pinned, as a number; 0 for nowhere, and for a service manager's store.
    pub(super) home: u16,
    /// Names the memory of the counters.
    pub(super) generation: [u8; 16],
    /// The memory that this one followed; zeros for none.
    pub(super) predecessor: [u8; 16],
    /// Whose it is.
    pub(super) node: [u8; 16],
    /// What must be the same for these maps to be used on.
    pub(super) layout_digest: [u8; 16],
    /// Number of pools of each family, and the pools as the program has them.
    pub(super) pools: [(u32, [u8; POOLS * POOL_BYTES]); 2],
}

impl Header {
    /// Writes the header; what is read later is read by another process.
    pub(super) fn write(&self, info: &[AtomicU32]) {
        let put = |at: usize, bytes: &[u8]| {
            for (word, bytes) in info[HEADER + at..].iter().zip(bytes.chunks_exact(4)) {
                let bytes = bytes.first_chunk().copied().unwrap_or_default();
                // Relaxed, here and below: nobody else looks before the set is pinned.
                word.store(u32::from_ne_bytes(bytes), Ordering::Relaxed);
            }
        };
        put(SLOTS, &self.slots.to_ne_bytes());
        let with_home = self.processors | u32::from(self.home) << HOME_BITS;
        put(PROCESSORS, &with_home.to_ne_bytes());
        put(GENERATION, &self.generation);
        put(PREDECESSOR, &self.predecessor);
        put(NODE, &self.node);
        put(LAYOUT, &self.layout_digest);
        for (family, (count, list)) in self.pools.iter().enumerate() {
            put(POOL_COUNTS + family, &count.to_ne_bytes());
            put(POOL_LIST + family * POOLS * POOL_BYTES / 4, list);
        }
        // Last: a header that was not finished is none.
        for (at, word) in MAGIC.into_iter().enumerate() {
            info[HEADER + at].store(word, Ordering::Relaxed);
        }
    }

    /// Reads a header; none where there is none of this version.
    pub(super) fn read(info: &[AtomicU32]) -> Option<Self> {
        let word = |at: usize| info[HEADER + at].load(Ordering::Relaxed);
        if [word(0), word(1)] != MAGIC {
            return None;
        }
        let name = |at: usize| {
            let mut bytes = [0; 16];
            for (part, bytes) in bytes.chunks_exact_mut(4).enumerate() {
                bytes.copy_from_slice(&word(at + part).to_ne_bytes());
            }
            bytes
        };
        let pools = [0, 1].map(|family| {
            let mut list = [0; POOLS * POOL_BYTES];
            for (part, bytes) in list.chunks_exact_mut(4).enumerate() {
                let at = POOL_LIST + family * POOLS * POOL_BYTES / 4 + part;
                bytes.copy_from_slice(&word(at).to_ne_bytes());
            }
            (word(POOL_COUNTS + family), list)
        });
        Some(Self {
            slots: word(SLOTS),
            processors: word(PROCESSORS) & u32::from(u16::MAX),
            home: u16::try_from(word(PROCESSORS) >> HOME_BITS).unwrap_or(0),
            generation: name(GENERATION),
            predecessor: name(PREDECESSOR),
            node: name(NODE),
            layout_digest: name(LAYOUT),
            pools,
        })
    }

    /// How a direction's cells are divided.
    pub(super) fn slices(&self) -> Slices {
        match self.processors {
            0 => Slices::shared(self.slots as usize),
            processors => Slices::of_processors(self.slots as usize, processors as usize),
        }
    }

    /// The pools that the places in the map of owners are of.
    pub(super) fn pools(&self) -> Pools {
        Pools::of_described(&self.pools)
    }
}

const _: () =
    assert!(HEADER + POOL_LIST + 2 * POOLS * POOL_BYTES / 4 <= 2 * TAG_KEY && 2 * INTERFACES < INFO_WORDS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_an_empty_map_has_none() {
        let info: Vec<AtomicU32> = (0..INFO_WORDS).map(|_| AtomicU32::new(0)).collect();
        assert!(Header::read(&info).is_none());
        let mut pools = [(3, [7; POOLS * POOL_BYTES]), (8, [9; POOLS * POOL_BYTES])];
        pools[1].1[POOLS * POOL_BYTES - 1] = 1;
        let header = Header {
            slots: 4100,
            processors: 16,
            home: 77,
            generation: [1; 16],
            predecessor: [2; 16],
            node: [3; 16],
            layout_digest: [4; 16],
            pools,
        };
        header.write(&info);
        let read = Header::read(&info).expect("it was written");
        assert!((read.slots, read.processors, read.home) == (4100, 16, 77) && read.pools == pools);
        assert!(
            [read.generation, read.predecessor, read.node, read.layout_digest]
                == [1, 2, 3, 4].map(|n| [n; 16])
        );
        assert!(info[..HEADER].iter().all(|word| word.load(Ordering::Relaxed) == 0));
    }

    /// A later version reads it for ever, or goes over from it by another way; the file is never changed.
    #[test]
    fn the_header_of_0_1_0_is_read() {
        let golden = include_bytes!("../../../tests/upgrade/0.1.0/header");
        let words = golden.as_chunks::<4>().0.iter().map(|word| AtomicU32::new(u32::from_le_bytes(*word)));
        let info: Vec<AtomicU32> = words.collect();
        let read = Header::read(&info).expect("it is a header");
        assert!((read.slots, read.processors, read.home) == (4100, 16, 77));
        assert!(
            [read.generation, read.predecessor, read.node, read.layout_digest]
                == [1, 2, 3, 4].map(|n| [n; 16])
        );
        assert!(read.pools == [(3, [7; POOLS * POOL_BYTES]), (8, [9; POOLS * POOL_BYTES])]);
    }
}
