//! What the program is loaded for: pools, capacity, and whose counters they are.

use super::header::Header;
use super::object;
use super::owners::Pools;
use crate::meter::slot::Slot;
use crate::roster::address::Prefix;
use std::io;

/// What the program is loaded for.
pub struct SetLayout<'a> {
    /// Ranges that are served by array.
    pub pools: &'a [Prefix],
    /// Accounts that there is room for.
    pub accounts: usize,
    /// Bytes that slices of counters may take.
    pub memory_budget_bytes: u64,
    /// Names the memory of the counters, should it be made.
    pub generation: [u8; 16],
    /// Whose it is.
    pub node: [u8; 16],
}

impl SetLayout<'_> {
    /// Slots, the reserved ones included.
    pub(super) fn slots(&self) -> usize {
        Slot::FIRST_ACCOUNT.index() + self.accounts
    }

    /// The header of a set of this layout that follows another.
    pub(super) fn header(
        &self,
        pools: &Pools,
        home: u16,
        processors: u32,
        predecessor: [u8; 16],
    ) -> io::Result<Header> {
        Ok(Header {
            slots: u32::try_from(self.slots()).map_err(io::Error::other)?,
            processors,
            home,
            generation: self.generation,
            predecessor,
            node: self.node,
            layout_digest: self.digest(pools, processors),
            pools: [pools.described(false), pools.described(true)],
        })
    }

    /// Tells sets apart that cannot take each other's place: by program, pools, capacity and
    /// number of slices.
    pub(super) fn digest(&self, pools: &Pools, processors: u32) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(object::bytes(processors));
        hasher.update(&self.accounts.to_le_bytes()).update(&processors.to_le_bytes());
        for (count, list) in [pools.described(false), pools.described(true)] {
            hasher.update(&count.to_le_bytes()).update(&list);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        digest
    }
}
