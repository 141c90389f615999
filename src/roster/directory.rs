//! The account directory: which slot an account has, by its keyed tag. Support and exports read it while
//! the roster's writer changes it; neither waits for the other longer than one look-up takes.
//!
//! Holds slots alone, four bytes an account. The tags lie once, where the counters lie, and a look-up
//! compares with those: of an account that left nothing stays here. A name is nowhere.

use crate::meter::slot::Slot;
use crate::meter::tags::{Tag, Tags};
use dashmap::{DashMap, SharedValue};

/// Accounts by their tags.
pub(super) struct Directory {
    tags: Tags,
    /// Found by the tag of the slot, which is the slot's only while it is in here.
    slots: DashMap<Slot, ()>,
}

impl Directory {
    /// A directory of the accounts whose tags lie in this memory.
    pub(super) fn of(tags: Tags) -> Self {
        let directory = Self { tags, slots: DashMap::with_capacity(tags.slots()) };
        for slot in (0..tags.slots()).filter_map(|at| u32::try_from(at).ok()).map(Slot::new) {
            if slot.is_account() && directory.holds(slot) {
                directory.add(tags.get(slot), slot);
            }
        }
        directory
    }

    /// Accounts that there is room for.
    pub(super) fn capacity(&self) -> usize {
        self.tags.slots().saturating_sub(Slot::FIRST_ACCOUNT.index())
    }

    /// The slot of an account.
    pub(super) fn slot_of(&self, tag: Tag) -> Option<Slot> {
        let shard = self.slots.shards()[self.shard_of(tag)].read();
        shard.get(hash_of(tag), |(slot, _)| self.tags.get(*slot) == tag).map(|(slot, _)| *slot)
    }

    /// The account of a slot.
    pub(super) fn account_of(&self, slot: Slot) -> Option<Tag> {
        Some(self.tags.get(slot)).filter(|tag| *tag != Tag::NOBODY)
    }

    /// True when the slot is an account's.
    pub(super) fn holds(&self, slot: Slot) -> bool {
        self.tags.get(slot) != Tag::NOBODY
    }

    /// Gives an account that has none a slot that is nobody's. There is one writer at a time.
    pub(super) fn insert(&self, tag: Tag, slot: Slot) {
        self.tags.set(slot, tag);
        self.add(tag, slot);
    }

    /// Lets go of the account of a slot. There is one writer at a time.
    pub(super) fn remove(&self, slot: Slot) {
        let tag = self.tags.get(slot);
        self.slots.shards()[self.shard_of(tag)].write().remove_entry(hash_of(tag), |(held, _)| *held == slot);
        // Last: while the slot can be found, it is by its tag.
        self.tags.set(slot, Tag::NOBODY);
    }

    fn add(&self, tag: Tag, slot: Slot) {
        let hash = |(slot, _): &(Slot, _)| hash_of(self.tags.get(*slot));
        let entry = (slot, SharedValue::new(()));
        self.slots.shards()[self.shard_of(tag)].write().insert(hash_of(tag), entry, hash);
    }

    /// By the end of the tag: the shard's own table goes by its beginning.
    fn shard_of(&self, tag: Tag) -> usize {
        let [.., low, high] = tag.0;
        usize::from(u16::from_le_bytes([low, high])) % self.slots.shards().len()
    }
}

/// Tags are pseudo-random under a key that nobody else has: half of one is a hash.
fn hash_of(tag: Tag) -> u64 {
    tag.mark()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(number: u32) -> Tag {
        let bytes = blake3::hash(&number.to_le_bytes());
        Tag(bytes.as_bytes().first_chunk().copied().expect("sixteen bytes of 32"))
    }

    #[test]
    fn who_leaves_is_not_found_and_who_stays_is() {
        let tags = Tags::in_memory(500);
        let directory = Directory::of(tags);
        let slot = |number: u32| Slot::new(Slot::FIRST_ACCOUNT.word() + number);
        (0..500).for_each(|number| directory.insert(tag(number), slot(number)));
        (0..500).filter(|number| number % 5 == 0).for_each(|number| directory.remove(slot(number)));
        let stays = |number: u32| !number.is_multiple_of(5);
        for number in 0..500 {
            assert!(directory.slot_of(tag(number)) == Some(slot(number)).filter(|_| stays(number)));
            assert!(tags.get(slot(number)) == if stays(number) { tag(number) } else { Tag::NOBODY });
        }
        // A slot that was let go of goes to another account, and a later process finds who is there.
        directory.insert(tag(777), slot(5));
        let later = Directory::of(tags);
        assert!(later.slot_of(tag(777)) == Some(slot(5)) && later.slot_of(tag(5)).is_none());
        assert!((0..500).all(|number| later.slot_of(tag(number)) == directory.slot_of(tag(number))));
    }

    /// Two tags that begin alike, or end alike, are two accounts.
    #[test]
    fn tags_are_told_apart_by_all_of_their_bytes() {
        let directory = Directory::of(Tags::in_memory(32));
        let tags = (0..16).map(|at| {
            let mut tag = [7; 16];
            tag[at] = 8;
            Tag(tag)
        });
        let slots = (Slot::FIRST_ACCOUNT.word()..).map(Slot::new);
        let held: Vec<(Tag, Slot)> = tags.zip(slots).collect();
        held.iter().for_each(|(tag, slot)| directory.insert(*tag, *slot));
        assert!(held.iter().all(|(tag, slot)| directory.slot_of(*tag) == Some(*slot)));
        assert!(directory.slot_of(Tag([7; 16])).is_none());
    }

    /// Whoever reads while the table grows and accounts come and go finds those who stay.
    #[test]
    fn a_reader_finds_an_account_while_others_come_and_go() {
        let directory = Directory::of(Tags::in_memory(40_000));
        let slot = |number: u32| Slot::new(Slot::FIRST_ACCOUNT.word() + number);
        (0..100).for_each(|number| directory.insert(tag(number), slot(number)));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for number in 100..40_000 {
                    directory.insert(tag(number), slot(number));
                    if number % 2 == 0 {
                        directory.remove(slot(number));
                    }
                }
            });
            while !writer.is_finished() {
                for number in 0..100 {
                    assert!(directory.slot_of(tag(number)) == Some(slot(number)));
                }
                assert!(directory.slot_of(tag(40_001)).is_none());
            }
        });
        assert!(directory.slot_of(tag(39_999)) == Some(slot(39_999)));
    }
}
