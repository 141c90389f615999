//! Who owns an address, written down where the kernel's program looks it up.
//!
//! Addresses of pools are stored into mapped memory, which needs no system call; other single
//! addresses go to a hash, prefixes to a trie, as does what one interface owns. The two slow tables are
//! consulted only while they hold something, or the array has no owner: of a pool's address that an interface
//! has an owner of its own for, the array's place stays empty, and its owner on all others goes to the hash.
//! So nobody else's packets pay for it. Each owner carries the code of the source that named it, so that a
//! process that adopts the maps knows what an earlier one had learned. Holds no account: slots only.

use super::owners::{HOSTS_V4, HOSTS_V6, KEY_BYTES, Pools, ROUTES_V4, key_of, prefix_of};
use super::sys;
use crate::meter::slot::Slot;
use crate::meter::tags::Tags;
use crate::roster::address::{Prefix, TunnelAddress};
use crate::roster::owners::{Owned, Owners, OwnersRefused};
use crate::roster::place::Place;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bits of an owner that are its slot (`SLOT_BITS` in meter.bpf.c); the code of the source is above.
const SLOT_BITS: u32 = 24;

/// In the words that the program reads, entries of one interface's own, of IPv4 and then of IPv6.
const OWN: usize = 4;

/// The kernel's tables of owners.
pub(super) struct KernelOwners {
    pub(super) pools: Pools,
    pub(super) dense: &'static [AtomicU32],
    /// The words of `struct info` that say which tables hold something.
    pub(super) in_use: &'static [AtomicU32],
    /// Hash of v4 and v6 addresses, trie of v4 and v6 prefixes.
    pub(super) tables: [OwnedFd; 4],
    /// How many entries each of them holds, and how many are one interface's own.
    pub(super) entries: Mutex<[u32; 6]>,
    /// The tags of interfaces that have owners of their own.
    pub(super) names: Tags,
    /// Their numbers, by index.
    pub(super) standing: OwnedFd,
}

/// An entry of a table: an owner, and above it of a prefix its length and one, of a pool's address how many
/// interfaces have an owner of their own for it.
#[derive(Clone, Copy)]
struct Entry {
    owner: u32,
    above: u32,
}

impl Owners for KernelOwners {
    fn set(&self, owned: Owned) -> Result<(), OwnersRefused> {
        let Owned { prefix, slot, source } = owned;
        let owner = if slot == Slot::UNATTRIBUTED { 0 } else { slot.word() | u32::from(source) << SLOT_BITS };
        self.write(prefix, owner).map_err(|error| OwnersRefused::new(&error))
    }

    fn each(&self, look: &mut dyn FnMut(Owned)) -> Result<(), OwnersRefused> {
        for (place, cell) in self.dense.iter().enumerate().take(self.pools.places()) {
            // Acquire: pairs with the store of an owner by this process or an earlier one.
            let owner = cell.load(Ordering::Acquire);
            if let (Some(address), true) = (self.pools.address_at(place), owner != 0) {
                look(owned(Prefix::of_host(address), owner));
            }
        }
        for table in 0..self.tables.len() {
            let entries = self.each_entry(table, |prefix, entry| {
                if entry.owner != 0 {
                    look(owned(prefix, entry.owner));
                }
            });
            entries.map_err(|error| OwnersRefused::new(&error))?;
        }
        Ok(())
    }

    fn names(&self) -> Tags {
        self.names
    }

    fn stand(&self, index: u32, place: Place) -> Result<(), OwnersRefused> {
        let (key, value) = (index.to_ne_bytes(), u64::from(place.number()).to_ne_bytes());
        let done = match place {
            Place::ANY => sys::delete(&self.standing, &key),
            _ => sys::update(&self.standing, &key, &value),
        };
        done.map(drop).map_err(|error| OwnersRefused::new(&error))
    }

    fn standing(&self) -> Vec<(u32, Place)> {
        let mut standing = Vec::new();
        let mut key: Option<Vec<u8>> = None;
        while let Ok(Some(next)) = sys::next_key(&self.standing, key.as_deref(), size_of::<u32>()) {
            let number = sys::value(&self.standing, &next).map(|value| Entry::of_bytes(&value).owner);
            standing.extend(number.and_then(Place::of_number).map(|place| (word(&next), place)));
            key = Some(next);
        }
        standing
    }
}

/// The first four bytes.
fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |word| u32::from_ne_bytes(*word))
}

/// An owner as the program's tables hold it.
fn owned(prefix: Prefix, owner: u32) -> Owned {
    let source = u8::try_from(owner >> SLOT_BITS).unwrap_or_default();
    Owned { prefix, slot: Slot::new(owner & ((1 << SLOT_BITS) - 1)), source }
}

impl KernelOwners {
    /// Counts what the tables hold, and puts the owners of pools' addresses where they belong: an earlier
    /// process may have ended amid a change.
    pub(super) fn recount(&self) -> io::Result<()> {
        let mut entries = self.entries();
        *entries = [0; 6];
        // Addresses of pools that are in the hash: how many interfaces have an owner of their own.
        let mut shared: BTreeMap<TunnelAddress, u32> = BTreeMap::new();
        for table in 0..self.tables.len() {
            self.each_entry(table, |prefix, _| {
                let is_own = prefix.place() != Place::ANY;
                entries[table] += 1;
                entries[own_of(table)] += u32::from(is_own);
                if self.cell(prefix.at(Place::ANY)).is_some() {
                    *shared.entry(prefix.address()).or_default() += u32::from(is_own);
                }
            })?;
        }
        self.show(&entries);
        for (address, above) in shared {
            let anywhere = Prefix::of_host(address);
            let Some(cell) = self.cell(anywhere) else { continue };
            // The array's is the later one where both are there.
            let in_array = cell.load(Ordering::Acquire);
            let in_hash = self.entry(anywhere).map_or(0, |entry| entry.owner);
            let owner = if in_array == 0 { in_hash } else { in_array };
            self.share(&mut entries, anywhere, cell, Entry { owner, above })?;
        }
        Ok(())
    }

    fn entries(&self) -> MutexGuard<'_, [u32; 6]> {
        // A poisoned lock is taken over: the numbers are right at each step.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the program what is in use.
    fn show(&self, entries: &[u32; 6]) {
        for (word, count) in self.in_use.iter().zip(entries) {
            word.store(*count, Ordering::Release);
        }
    }

    /// Every entry of a table.
    fn each_entry(&self, table: usize, mut entry: impl FnMut(Prefix, Entry)) -> io::Result<()> {
        let mut key: Option<Vec<u8>> = None;
        while let Some(next) = sys::next_key(&self.tables[table], key.as_deref(), KEY_BYTES[table])? {
            if let (Some(prefix), Some(value)) =
                (prefix_of(table, &next), sys::value(&self.tables[table], &next))
            {
                entry(prefix, Entry::of_bytes(&value));
            }
            key = Some(next);
        }
        Ok(())
    }

    fn entry(&self, prefix: Prefix) -> Option<Entry> {
        let (table, key) = key_of(prefix);
        sys::value(&self.tables[table], &key).map(|value| Entry::of_bytes(&value))
    }

    /// The place of the array that is a prefix's.
    fn cell(&self, prefix: Prefix) -> Option<&'static AtomicU32> {
        let is_in_array = prefix.is_host() && prefix.place() == Place::ANY;
        let place = self.pools.place_of(prefix.address()).filter(|_| is_in_array)?;
        self.dense.get(place)
    }

    fn write(&self, prefix: Prefix, owner: u32) -> io::Result<()> {
        let mut entries = self.entries();
        let anywhere = prefix.at(Place::ANY);
        let Some(cell) = self.cell(anywhere) else {
            let above = if prefix.is_host() { 0 } else { u32::from(prefix.length()) + 1 };
            return self.put(&mut entries, prefix, Some(Entry { owner, above }).filter(|_| owner != 0));
        };
        let has_own = entries[own_of(if is_v6(prefix) { HOSTS_V6 } else { HOSTS_V4 })] != 0;
        let shared = if has_own { self.entry(anywhere) } else { None };
        if prefix == anywhere {
            match shared {
                Some(Entry { above, .. }) => self.put(&mut entries, prefix, Some(Entry { owner, above }))?,
                // Release: what the roster did before an assignment is in place before it shows.
                None => cell.store(owner, Ordering::Release),
            }
            return Ok(());
        }
        let was = has_own && self.entry(prefix).is_some();
        let in_array = Entry { owner: cell.load(Ordering::Acquire), above: 0 };
        let shared = shared.unwrap_or(in_array);
        match (was, owner != 0) {
            (false, false) => Ok(()),
            (true, true) => self.put(&mut entries, prefix, Some(Entry { owner, above: 0 })),
            (false, true) => {
                // It is in the hash before it is gone from the array.
                let more = Entry { above: shared.above + 1, ..shared };
                self.put(&mut entries, anywhere, Some(more))?;
                if let Err(full) = self.put(&mut entries, prefix, Some(Entry { owner, above: 0 })) {
                    self.share(&mut entries, anywhere, cell, shared)?;
                    return Err(full);
                }
                cell.store(0, Ordering::Release);
                Ok(())
            }
            (true, false) => {
                self.share(&mut entries, anywhere, cell, Entry { above: shared.above - 1, ..shared })?;
                self.put(&mut entries, prefix, None)
            }
        }
    }

    /// Puts the owner of a pool's address into the hash where an interface has one of its own, else into the
    /// array. It is in the one place before it is gone from the other.
    fn share(
        &self,
        entries: &mut [u32; 6],
        anywhere: Prefix,
        cell: &AtomicU32,
        entry: Entry,
    ) -> io::Result<()> {
        if entry.above == 0 {
            cell.store(entry.owner, Ordering::Release);
            return self.put(entries, anywhere, None);
        }
        self.put(entries, anywhere, Some(entry))?;
        cell.store(0, Ordering::Release);
        Ok(())
    }

    fn put(&self, entries: &mut [u32; 6], prefix: Prefix, entry: Option<Entry>) -> io::Result<()> {
        let (table, key) = key_of(prefix);
        let own = (prefix.place() != Place::ANY).then(|| own_of(table));
        let changed = || std::iter::once(table).chain(own);
        match entry {
            None => {
                if sys::delete(&self.tables[table], &key)? {
                    changed().for_each(|at| entries[at] -= 1);
                }
            }
            Some(entry) => {
                // Counted before it is there, so that the program never skips a table that holds one.
                for at in changed() {
                    self.in_use[at].store(entries[at] + 1, Ordering::Release);
                }
                if sys::update(&self.tables[table], &key, &entry.bytes())? {
                    changed().for_each(|at| entries[at] += 1);
                }
            }
        }
        self.show(entries);
        Ok(())
    }
}

/// Which count of owners of one interface is of a table.
fn own_of(table: usize) -> usize {
    OWN + usize::from(!matches!(table, HOSTS_V4 | ROUTES_V4))
}

fn is_v6(prefix: Prefix) -> bool {
    matches!(prefix.address(), TunnelAddress::V6(_))
}

impl Entry {
    fn of_bytes(bytes: &[u8]) -> Self {
        let value = bytes.first_chunk().map_or(0, |value| u64::from_ne_bytes(*value));
        let half = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default();
        Self { owner: half(value), above: half(value >> 32) }
    }

    /// As one word of the program, whatever the order of bytes.
    fn bytes(self) -> [u8; 8] {
        (u64::from(self.above) << 32 | u64::from(self.owner)).to_ne_bytes()
    }
}
