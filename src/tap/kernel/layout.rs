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
    /// Names the memory of the counters, should it be made.
    pub generation: [u8; 16],
    /// Whose it is.
    pub node: [u8; 16],
}

impl SetLayout<'_> {
    /// The header of a set of this layout that follows another.
    pub(super) fn header(&self, pools: &Pools, predecessor: [u8; 16]) -> io::Result<Header> {
        Ok(Header {
            slots: u32::try_from(Slot::FIRST_ACCOUNT.index() + self.accounts).map_err(io::Error::other)?,
            generation: self.generation,
            predecessor,
            node: self.node,
            layout_digest: self.digest(pools),
            pools: [pools.described(false), pools.described(true)],
        })
    }

    /// Tells sets apart that cannot take each other's place: by program, pools and capacity.
    pub(super) fn digest(&self, pools: &Pools) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(object::OBJECT).update(&self.accounts.to_le_bytes());
        for (count, list) in [pools.described(false), pools.described(true)] {
            hasher.update(&count.to_le_bytes()).update(&list);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        digest
    }
}
