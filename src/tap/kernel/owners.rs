//! Who owns an address, written down where the kernel's program looks it up.
//!
//! Addresses of pools are stored into mapped memory, which needs no system call; other single
//! addresses go to a hash, prefixes to a trie. The two slow tables are consulted only while they
//! hold something. Each owner carries the code of the source that named it, so that a process that
//! adopts the maps knows what an earlier one had learned. Holds no account: slots only.

use super::pools::{Pools, first};
use super::sys;
use crate::meter::slot::Slot;
use crate::roster::address::{Prefix, TunnelAddress};
use crate::roster::owners::{Owned, Owners, OwnersRefused};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bits of an owner that are its slot (`SLOT_BITS` in meter.bpf.c); the code of the source is above.
const SLOT_BITS: u32 = 24;

/// The four tables that are not arrays, in the order of the program's `struct info`.
const HOSTS_V4: usize = 0;
const HOSTS_V6: usize = 1;
const ROUTES_V4: usize = 2;
const ROUTES_V6: usize = 3;

/// The kernel's tables of owners.
pub(super) struct KernelOwners {
    pub(super) pools: Pools,
    pub(super) dense: &'static [AtomicU32],
    /// The words of `struct info` that say which tables hold something.
    pub(super) in_use: &'static [AtomicU32],
    /// Hash of v4 and v6 addresses, trie of v4 and v6 prefixes.
    pub(super) tables: [OwnedFd; 4],
    /// How many entries each of them holds.
    pub(super) entries: Mutex<[u32; 4]>,
}

impl Owners for KernelOwners {
    fn set(&self, owned: Owned) -> Result<(), OwnersRefused> {
        let Owned { prefix, slot, source } = owned;
        let owner = if slot == Slot::UNATTRIBUTED { 0 } else { slot.word() | u32::from(source) << SLOT_BITS };
        if prefix.is_host()
            && let Some(cell) = self.pools.place_of(prefix.address()).and_then(|at| self.dense.get(at))
        {
            // Release: what the roster did before an assignment is in place before it shows.
            cell.store(owner, Ordering::Release);
            return Ok(());
        }
        let (table, key) = key_of(prefix);
        self.write(table, &key, owner).map_err(|error| OwnersRefused::new(&error))
    }

    fn all(&self) -> Result<Vec<Owned>, OwnersRefused> {
        let mut all = Vec::new();
        for (place, cell) in self.dense.iter().enumerate().take(self.pools.slots() as usize) {
            // Acquire: pairs with the store of an owner by this process or an earlier one.
            let owner = cell.load(Ordering::Acquire);
            let address = u32::try_from(place).ok().and_then(|place| self.pools.address_at(place));
            if let (Some(address), true) = (address, owner != 0) {
                all.push(owned(Prefix::of_host(address), owner));
            }
        }
        for table in 0..self.tables.len() {
            self.each(table, |prefix, owner| all.push(owned(prefix, owner)))
                .map_err(|error| OwnersRefused::new(&error))?;
        }
        Ok(all)
    }
}

/// An owner as the program's tables hold it.
fn owned(prefix: Prefix, owner: u32) -> Owned {
    let source = u8::try_from(owner >> SLOT_BITS).unwrap_or_default();
    Owned { prefix, slot: Slot::new(owner & ((1 << SLOT_BITS) - 1)), source }
}

impl KernelOwners {
    /// Counts what the tables hold: an earlier process may have ended between a change of a table
    /// and of the word that says how much it holds.
    pub(super) fn recount(&self) -> io::Result<()> {
        let mut entries = self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (table, count) in entries.iter_mut().enumerate() {
            *count = 0;
            self.each(table, |_, _| *count += 1)?;
            self.in_use[table].store(*count, Ordering::Release);
        }
        Ok(())
    }

    /// Every entry of a table.
    fn each(&self, table: usize, mut entry: impl FnMut(Prefix, u32)) -> io::Result<()> {
        let mut key: Option<Vec<u8>> = None;
        while let Some(next) = sys::next_key(&self.tables[table], key.as_deref(), KEY_BYTES[table])? {
            if let (Some(prefix), Some(owner)) =
                (prefix_of(table, &next), sys::value(&self.tables[table], &next))
            {
                entry(prefix, owner);
            }
            key = Some(next);
        }
        Ok(())
    }

    fn write(&self, table: usize, key: &[u8], owner: u32) -> io::Result<()> {
        // A poisoned lock is taken over: the numbers are right at each step.
        let mut entries = self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if owner == 0 {
            entries[table] -= u32::from(sys::delete(&self.tables[table], key)?);
        } else {
            // Counted before it is there, so that the program never skips a table that holds one.
            self.in_use[table].store(entries[table] + 1, Ordering::Release);
            entries[table] += u32::from(sys::update(&self.tables[table], key, owner)?);
        }
        self.in_use[table].store(entries[table], Ordering::Release);
        Ok(())
    }
}

/// Bytes of the key of each table.
const KEY_BYTES: [usize; 4] = [4, 16, 8, 20];

/// The table and the key of a prefix outside the pools.
fn key_of(prefix: Prefix) -> (usize, Vec<u8>) {
    let bits = u32::from(prefix.length()).to_ne_bytes();
    match (prefix.address(), prefix.is_host()) {
        (TunnelAddress::V4(address), true) => (HOSTS_V4, address.to_be_bytes().to_vec()),
        (TunnelAddress::V6(address), true) => (HOSTS_V6, address.to_be_bytes().to_vec()),
        (TunnelAddress::V4(address), false) => {
            (ROUTES_V4, [bits.as_slice(), &address.to_be_bytes()].concat())
        }
        (TunnelAddress::V6(address), false) => {
            (ROUTES_V6, [bits.as_slice(), &address.to_be_bytes()].concat())
        }
    }
}

/// The prefix of a key; none where it is no key of ours.
fn prefix_of(table: usize, key: &[u8]) -> Option<Prefix> {
    let (bits, address) = match table {
        HOSTS_V4 => (32, key),
        HOSTS_V6 => (128, key),
        _ => (u8::try_from(u32::from_ne_bytes(first(key))).ok()?, &key[4..]),
    };
    let address = match table {
        HOSTS_V4 | ROUTES_V4 => TunnelAddress::V4(u32::from_be_bytes(first(address))),
        _ => TunnelAddress::V6(u128::from_be_bytes(first(address))),
    };
    Prefix::new(address, bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        Prefix::parse(text).expect("a prefix")
    }

    #[test]
    fn a_key_stands_for_its_prefix() {
        for text in ["10.1.2.3", "10.1.0.0/16", "0.0.0.0/0", "fd42::7", "fd42::/16", "::/0"] {
            let (table, key) = key_of(prefix(text));
            assert!(key.len() == KEY_BYTES[table] && prefix_of(table, &key) == Some(prefix(text)), "{text}");
        }
    }
}
