//! The memory that counters and tags lie in, and what tells one such memory from another.
//!
//! Holds no address and no name. Marks and readings in the store are readings of one memory, named
//! by its generation: sixteen random bytes that were drawn when it was made.

use super::interface_records::InterfaceRecords;
use crate::meter::counters::Counters;
use crate::meter::slot::Slot;
use crate::meter::tags::Tags;
use crate::meter::units::Totals;

/// Counters and tags of every slot, and records of interfaces.
#[derive(Clone, Copy)]
pub struct CounterMemory {
    /// What each slot counted.
    pub counters: Counters,
    /// Whose it is.
    pub tags: Tags,
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
        Self { counters, tags, interfaces: InterfaceRecords::in_memory(), generation, adopted: false }
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

    /// The same where nothing was ever saved: everything that these memories counted is new.
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
