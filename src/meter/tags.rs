//! The owners of slots, as keyed tags, which outlive the process along with the counters.
//!
//! A tag is made elsewhere from an account's name and a key; it cannot be turned back into the name.
//! Holds no name and has no `Debug`: a tag stands for a person.

use super::slot::Slot;
use alloc::boxed::Box;
use core::sync::atomic::{AtomicU64, Ordering};

/// The keyed tag of an account; all zeros for nobody.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub [u8; 16]);

impl Tag {
    /// Nobody's.
    pub const NOBODY: Self = Self([0; 16]);

    /// Half of the tag: enough to distinguish a few hundred accounts.
    #[must_use]
    pub fn mark(self) -> u64 {
        self.halves().0
    }

    fn halves(self) -> (u64, u64) {
        let half = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&self.0[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        (half(0), half(8))
    }
}

/// One tag in memory that outlives the process.
#[repr(C, align(16))]
#[derive(Default)]
pub struct TagCell {
    low: AtomicU64,
    high: AtomicU64,
}

/// The tags of every slot; a copy is a view of the same memory.
#[derive(Clone, Copy)]
pub struct Tags(&'static [TagCell]);

impl Tags {
    /// Tags over memory that lives as long as the process.
    #[must_use]
    pub fn over(cells: &'static [TagCell]) -> Self {
        Self(cells)
    }

    /// Tags on the heap for this many accounts and the reserved slots; never freed.
    #[must_use]
    pub fn in_memory(accounts: usize) -> Self {
        let slots = Slot::FIRST_ACCOUNT.index() + accounts;
        Self(Box::leak((0..slots).map(|_| TagCell::default()).collect::<Box<[TagCell]>>()))
    }

    /// The tag of a slot.
    #[must_use]
    pub fn get(self, slot: Slot) -> Tag {
        let Some(cell) = self.0.get(slot.index()) else { return Tag::NOBODY };
        // Relaxed: there is one writer, which is also the reader, or a lock orders the two.
        let (low, high) = (cell.low.load(Ordering::Relaxed), cell.high.load(Ordering::Relaxed));
        Tag((u128::from(high) << 64 | u128::from(low)).to_le_bytes())
    }

    /// Sets the tag of a slot. Must happen before anything is counted for the new owner.
    pub fn set(self, slot: Slot, tag: Tag) {
        if let Some(cell) = self.0.get(slot.index()) {
            let (low, high) = tag.halves();
            // Release: the tag is in place before an owner that is stored after it.
            cell.low.store(low, Ordering::Release);
            cell.high.store(high, Ordering::Release);
        }
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(self) -> usize {
        self.0.len()
    }
}
