//! The life of slots: given to an account when a source first names it, quarantined when none does any
//! more, and free for another account after one more close.
//!
//! An account that comes back before its slot is free gets the same one. Knows tags and slots; which
//! source names whom is told by the caller.

use super::directory::Directory;
use super::error::RosterError;
use crate::meter::slot::Slot;
use crate::meter::tags::Tag;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Gives slots out and takes them back. The roster's writer alone has it.
pub(super) struct SlotAllocator {
    directory: Arc<Directory>,
    /// No slot from here on was ever given out.
    next: Slot,
    /// Slots whose account left: free after one more close, when no late packet can add to them.
    quarantined: BTreeSet<Slot>,
    free: Vec<Slot>,
}

impl SlotAllocator {
    /// Goes on with the accounts of a directory: they are those of an earlier process, and keep their
    /// slots until a period ends in which no source names them.
    pub(super) fn new(directory: Arc<Directory>) -> Self {
        let first = Slot::FIRST_ACCOUNT.word();
        let end = first + u32::try_from(directory.capacity()).unwrap_or(u32::MAX - first);
        let last = (first..end).rev().find(|slot| directory.holds(Slot::new(*slot)));
        let next = last.map_or(first, |last| last + 1);
        // Slots in between are free; what they may hold of an earlier owner is let go first.
        let is_gap = |slot: &Slot| !directory.holds(*slot);
        let quarantined = (first..next).map(Slot::new).filter(is_gap).collect();
        Self { directory, next: Slot::new(next), quarantined, free: Vec::new() }
    }

    /// Whether all of these accounts can have a slot.
    ///
    /// # Errors
    /// When there are not enough.
    pub(super) fn require_room(
        &self,
        accounts: impl ExactSizeIterator<Item = Tag>,
    ) -> Result<(), RosterError> {
        let (capacity, room) = (self.directory.capacity(), self.room());
        // Nearly always there is room for as many accounts as there are assignments.
        if accounts.len() <= room {
            return Ok(());
        }
        let new: HashSet<Tag> = accounts.filter(|tag| self.directory.slot_of(*tag).is_none()).collect();
        if new.len() > room {
            return Err(RosterError::CapacityExceeded { capacity });
        }
        Ok(())
    }

    /// Slots that a new account can have.
    pub(super) fn room(&self) -> usize {
        let fresh = self.directory.capacity() - (self.next.index() - Slot::FIRST_ACCOUNT.index());
        fresh + self.free.len()
    }

    /// The slot of an account, a new one where it has none. The caller has checked for room.
    pub(super) fn slot_for(&mut self, tag: Tag) -> Slot {
        if let Some(slot) = self.directory.slot_of(tag) {
            self.quarantined.remove(&slot);
            return slot;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.next;
            self.next = Slot::new(slot.word() + 1);
            slot
        });
        self.directory.insert(tag, slot);
        slot
    }

    /// Lets go of the accounts in quarantine. Returns their slots, which are free from now on.
    pub(super) fn end_quarantine(&mut self) -> Vec<Slot> {
        let freed = Vec::from_iter(std::mem::take(&mut self.quarantined));
        freed
            .iter()
            .filter(|slot| self.directory.holds(**slot))
            .for_each(|slot| self.directory.remove(*slot));
        self.free.extend(&freed);
        freed
    }

    /// Puts every account into quarantine that is not among the named, where `leaves` says so of its slot.
    pub(super) fn quarantine(&mut self, named: &SlotSet, leaves: impl Fn(Slot) -> bool) {
        let given = (Slot::FIRST_ACCOUNT.word()..self.next.word()).map(Slot::new);
        let gone = |slot: &Slot| !named.has(*slot) && self.directory.holds(*slot) && leaves(*slot);
        self.quarantined.extend(given.filter(gone));
    }
}

/// A set of slots: a bit for each.
#[derive(Default)]
pub(super) struct SlotSet(Vec<u64>);

impl SlotSet {
    /// Adds a slot; true when it was not in the set.
    pub(super) fn add(&mut self, slot: Slot) -> bool {
        let (word, bit) = (slot.index() / 64, 1 << (slot.index() % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    /// Takes a slot out; true when it was in the set.
    pub(super) fn remove(&mut self, slot: Slot) -> bool {
        let had = self.has(slot);
        if let Some(word) = self.0.get_mut(slot.index() / 64) {
            *word &= !(1 << (slot.index() % 64));
        }
        had
    }

    /// True when the slot is in the set.
    pub(super) fn has(&self, slot: Slot) -> bool {
        self.0.get(slot.index() / 64).is_some_and(|word| word & 1 << (slot.index() % 64) != 0)
    }
}

impl SlotSet {
    /// Every slot in the set.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        let words = self.0.iter().enumerate().filter(|(_, word)| **word != 0);
        words
            .flat_map(|(at, word)| {
                (0..64)
                    .filter(move |bit| word >> bit & 1 != 0)
                    .filter_map(move |bit| u32::try_from(at * 64 + bit).ok())
            })
            .map(Slot::new)
    }
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = Self::default();
        slots.into_iter().for_each(|slot| _ = set.add(slot));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::tags::Tags;

    fn tag(number: u8) -> Tag {
        Tag([number; 16])
    }

    fn slot(number: u32) -> Slot {
        Slot::new(Slot::FIRST_ACCOUNT.word() + number)
    }

    fn allocator(tags: Tags) -> SlotAllocator {
        SlotAllocator::new(Arc::new(Directory::of(tags)))
    }

    #[test]
    fn a_slot_is_free_one_close_after_its_account_left() {
        let tags = Tags::in_memory(3);
        let mut slots = allocator(tags);
        assert!([1, 2, 3].map(|number| slots.slot_for(tag(number))) == [slot(0), slot(1), slot(2)]);
        let named = |slots: &[Slot]| slots.iter().copied().collect::<SlotSet>();
        slots.quarantine(&named(&[slot(1)]), |_| true);
        let full = Err(RosterError::CapacityExceeded { capacity: 3 });
        assert!(slots.require_room([tag(4)].into_iter()) == full);
        // Who comes back has the slot again; who does not is gone.
        assert!(slots.require_room([tag(1)].into_iter()).is_ok() && slots.slot_for(tag(1)) == slot(0));
        assert!(slots.end_quarantine() == [slot(2)] && slots.end_quarantine().is_empty());
        assert!(tags.get(slot(2)) == Tag::NOBODY && tags.get(slot(0)) == tag(1));
        assert!(slots.require_room([tag(4), tag(4)].into_iter()).is_ok());
        assert!(slots.require_room([tag(4), tag(5)].into_iter()) == full);
        assert!(slots.slot_for(tag(4)) == slot(2));
    }

    #[test]
    fn accounts_of_an_earlier_process_keep_their_slots_and_gaps_wait_for_a_close() {
        let tags = Tags::in_memory(5);
        tags.set(slot(1), tag(1));
        tags.set(slot(3), tag(3));
        let mut slots = allocator(tags);
        // The gaps may hold bytes of an earlier owner.
        assert!([3, 9, 1].map(|number| slots.slot_for(tag(number))) == [slot(3), slot(4), slot(1)]);
        assert!(slots.end_quarantine() == [slot(0), slot(2)]);
        assert!([7, 8].map(|number| slots.slot_for(tag(number))) == [slot(2), slot(0)]);
    }
}
