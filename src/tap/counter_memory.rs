//! The memory that counters and tags lie in, and what tells one such memory from another.
//!
//! Holds no address and no name. Marks and readings in the store are readings of one memory, named
//! by its generation: sixteen random bytes that were drawn when it was made.

use super::interface_records::InterfaceRecords;
use crate::meter::counters::Counters;
use crate::meter::slot::Slot;
use crate::meter::tags::Tags;
use crate::meter::units::Totals;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// Counters and tags of every slot, and records of interfaces.
#[derive(Clone, Copy)]
pub struct CounterMemory {
    /// What each slot counted.
    pub counters: Counters,
    /// Whose it is.
    pub tags: Tags,
    /// What the tags are made with where there is no store, else the store's mark.
    pub tag_key: TagKey,
    /// What is known of interfaces.
    pub interfaces: InterfaceRecords,
    /// Which memory it is.
    pub generation: [u8; 16],
    /// An earlier process made it, and it went on counting or kept what was counted.
    pub adopted: bool,
}

impl CounterMemory {
    /// Memory of this process alone.
    #[must_use]
    pub fn heap(accounts: usize, generation: [u8; 16]) -> Self {
        let (counters, tags) = (Counters::in_memory(accounts), Tags::in_memory(accounts));
        let (tag_key, interfaces) = (TagKey::in_memory(), InterfaceRecords::in_memory());
        Self { counters, tags, tag_key, interfaces, generation, adopted: false }
    }
}

/// Sixteen bytes beside the tags. In memory mode the key that the tags are made with, random, so that
/// whoever goes on with the tags makes the same ones. In sealed mode that key is the store's, and here
/// lies the store's mark: by it a start knows memory that was never named in a save.
///
/// Today no memory outlives its process in memory mode, and so this key does not either.
#[derive(Clone, Copy)]
pub struct TagKey(&'static [AtomicU64; 2]);

impl TagKey {
    /// Over memory that lives as long as the process.
    pub(super) fn over(words: &'static [AtomicU64]) -> Self {
        Self(words.first_chunk().expect("there is room for a key"))
    }

    /// In memory of this process alone.
    fn in_memory() -> Self {
        Self(Box::leak(Box::default()))
    }

    /// The key that lies here; drawn now, where there is none yet.
    pub fn get_or_draw(self, draw: impl FnOnce() -> [u8; 16]) -> Zeroizing<[u8; 16]> {
        let key = self.get();
        if *key != [0; 16] {
            return key;
        }
        let key = Zeroizing::new(draw());
        self.set(&key);
        key
    }

    /// Leaves the store's mark.
    pub fn mark(self, mark: &[u8; 16]) {
        self.set(mark);
    }

    /// True where the store left this mark.
    #[must_use]
    pub fn bears(self, mark: &[u8; 16]) -> bool {
        *self.get() == *mark
    }

    /// Overwrites the key: nothing is to be tagged with it any more.
    pub fn wipe(self) {
        self.set(&[0; 16]);
    }

    fn get(self) -> Zeroizing<[u8; 16]> {
        // Relaxed, here and below: one thread of one process reads and writes it.
        let [low, high] = self.0.each_ref().map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        let mut key = Zeroizing::new([0; 16]);
        key[..8].copy_from_slice(&low);
        key[8..].copy_from_slice(&high);
        key
    }

    /// Puts a key here.
    fn set(self, key: &[u8; 16]) {
        for (word, bytes) in self.0.iter().zip(key.chunks_exact(8)) {
            let bytes = bytes.first_chunk().copied().unwrap_or_default();
            word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
    }

    /// Takes the key of an earlier memory over, as the tags are.
    pub(super) fn take_over(self, before: Self) {
        self.set(&before.get());
    }
}

/// The memory that counts from here on, and those before it.
pub struct CounterHistory {
    /// What the tap adds to.
    pub current: CounterMemory,
    /// What earlier processes counted into, the oldest first, each followed by the next; nothing is
    /// added to them any more.
    pub older: Vec<CounterMemory>,
}

impl CounterHistory {
    /// The current memory and those before it. A memory that is new takes the tags of the one before:
    /// slots stay their accounts'.
    #[must_use]
    pub fn after(current: CounterMemory, older: Vec<CounterMemory>) -> Self {
        if let Some(before) = older.last().filter(|_| !current.adopted) {
            current.tag_key.take_over(before.tag_key);
            for at in Slot::FIRST_ACCOUNT.index()..before.tags.slots() {
                let slot = Slot::new(u32::try_from(at).unwrap_or(u32::MAX));
                current.tags.set(slot, before.tags.get(slot));
            }
        }
        Self { current, older }
    }

    /// True when an earlier process left any of them.
    #[must_use]
    pub fn has_earlier(&self) -> bool {
        self.current.adopted || !self.older.is_empty()
    }

    /// The memory that the others follow.
    #[must_use]
    pub fn oldest(&self) -> &CounterMemory {
        self.older.first().unwrap_or(&self.current)
    }

    /// True when the memory of this generation is among them.
    #[must_use]
    pub fn holds(&self, generation: [u8; 16]) -> bool {
        self.older.iter().chain([&self.current]).any(|memory| memory.generation == generation)
    }

    /// What the current memory's counter would have read at a save, had it been counting then: the
    /// save read `reading` of the memory of this generation. None where that memory is not here.
    #[must_use]
    pub fn base(&self, generation: [u8; 16], slot: Slot, reading: Totals) -> Option<Totals> {
        if generation == self.current.generation {
            return Some(reading);
        }
        let at = self.older.iter().position(|memory| memory.generation == generation)?;
        let counted = read(&self.older[at], slot).since(reading);
        Some(without(counted, &self.older[at + 1..], slot))
    }

    /// The same where no save has read of these memories: everything that they counted is new.
    #[must_use]
    pub fn base_of_all(&self, slot: Slot) -> Totals {
        without(Totals::default(), &self.older, slot)
    }
}

/// A reading that is lower by what was counted in memories, whose counters began at zero.
fn without(counted: Totals, memories: &[CounterMemory], slot: Slot) -> Totals {
    memories.iter().fold(Totals::default().since(counted), |base, memory| base.since(read(memory, slot)))
}

fn read(memory: &CounterMemory, slot: Slot) -> Totals {
    if slot.index() < memory.counters.slots() { memory.counters.read(slot) } else { Totals::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::slot::Direction;
    use crate::meter::units::Volume;

    const SLOT: Slot = Slot::FIRST_ACCOUNT;

    fn memory(generation: u8, accounts: usize, bytes: u64) -> CounterMemory {
        let memory = CounterMemory::heap(accounts, [generation; 16]);
        memory.counters.add(SLOT, Direction::Up, bytes, 1);
        memory
    }

    fn up(bytes: u64, packets: u64) -> Totals {
        Totals { up: Volume { bytes, packets }, ..Totals::default() }
    }

    #[test]
    fn a_key_is_drawn_once_and_goes_over_with_the_tags() {
        let (before, next) = (CounterMemory::heap(1, [1; 16]), CounterMemory::heap(1, [2; 16]));
        let key = std::array::from_fn(|at| u8::try_from(at).expect("small"));
        assert!(*before.tag_key.get_or_draw(|| key) == key && *before.tag_key.get_or_draw(|| [9; 16]) == key);
        let history = CounterHistory::after(next, vec![before]);
        assert!(*history.current.tag_key.get_or_draw(|| [9; 16]) == key);
        before.tag_key.wipe();
        assert!(*before.tag_key.get() == [0; 16]);
    }

    /// What was counted since a save, whichever memories it was counted in.
    #[test]
    fn every_byte_since_a_save_is_between_the_base_and_the_counter() {
        let memories =
            CounterHistory { current: memory(3, 4, 700), older: vec![memory(1, 1, 100), memory(2, 2, 50)] };
        let now = memories.current.counters.read(SLOT);
        let since = |generation: u8, reading| {
            memories.base([generation; 16], SLOT, reading).map(|base| now.since(base))
        };
        assert!(since(1, up(30, 0)) == Some(up(70 + 50 + 700, 3)));
        assert!(since(2, up(50, 1)) == Some(up(700, 1)));
        assert!(since(3, up(600, 0)) == Some(up(100, 1)));
        assert!(since(4, Totals::default()).is_none());
        assert!(now.since(memories.base_of_all(SLOT)) == up(850, 3));
        let beyond = Slot::new(SLOT.word() + 3);
        assert!(memories.base([1; 16], beyond, Totals::default()) == Some(Totals::default()));
    }
}
