//! The memory that counters and tags lie in, and what tells one such memory from another.
//!
//! Holds no address and no name. Marks and readings in the store are readings of one memory, named
//! by its generation: sixteen random bytes that were drawn when it was made.

use crate::meter::counters::Counters;
use crate::meter::tags::Tags;

/// Counters and tags of every slot.
#[derive(Clone, Copy)]
pub struct CounterMemory {
    /// What each slot counted.
    pub counters: Counters,
    /// Whose it is.
    pub tags: Tags,
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
        Self { counters, tags, generation, adopted: false }
    }
}
