//! Who owns an address, written down where the kernel's program looks it up.
//!
//! Addresses of pools are stored into mapped memory, which needs no system call; other single
//! addresses go to a hash, prefixes to a trie. The two slow tables are consulted only while they
//! hold something. Holds no account: slots only.

use super::sys;
use crate::meter::slot::Slot;
use crate::roster::address::{Prefix, TunnelAddress};
use crate::roster::owners::{Owners, OwnersRefused};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Pools of each family that the program serves by array (`POOLS` in meter.bpf.c); addresses of
/// further ones go to the hash.
pub(super) const POOLS: usize = 8;

/// Slots of the dense arrays that share an entry (`SLOTS_PER_LINE` in meter.bpf.c).
pub(super) const SLOTS_PER_LINE: usize = 2;

/// The four tables that are not arrays, in the order of the program's `struct info`.
const HOSTS_V4: usize = 0;
const HOSTS_V6: usize = 1;
const ROUTES_V4: usize = 2;
const ROUTES_V6: usize = 3;

/// One pool: its first address, its size, and where its slots begin.
pub(super) struct Pool {
    first: TunnelAddress,
    size: u32,
    base: u32,
}

/// The pools that the program serves by array, and how many slots they have together.
pub(super) struct Pools {
    pools: Vec<Pool>,
    slots: u32,
}

impl Pools {
    /// Lays the first [`POOLS`] pools of each family out one after the other.
    pub(super) fn lay_out(pools: &[Prefix]) -> Self {
        let (mut laid, mut slots) = (Vec::new(), 0);
        let mut of_family = [0; 2];
        for pool in pools {
            let family = &mut of_family[usize::from(matches!(pool.address(), TunnelAddress::V6(_)))];
            let size = pool.size().and_then(|size| u32::try_from(size).ok());
            if let Some(size) = size.filter(|_| *family < POOLS) {
                *family += 1;
                laid.push(Pool { first: pool.address(), size, base: slots });
                slots += size;
            }
        }
        Self { pools: laid, slots }
    }

    /// How many entries the dense array needs, at least one.
    pub(super) fn lines(&self) -> u32 {
        u32::try_from((self.slots as usize).div_ceil(SLOTS_PER_LINE)).unwrap_or(u32::MAX).max(1)
    }

    /// What the program is told of the pools of a family: their number, and for each the bytes of
    /// `struct pool` in meter.bpf.c.
    pub(super) fn described(&self, v6: bool) -> (u32, [u8; POOLS * 24]) {
        let mut described = [0; POOLS * 24];
        let of_family = self.pools.iter().filter(|pool| matches!(pool.first, TunnelAddress::V6(_)) == v6);
        let mut count = 0;
        for (pool, to) in of_family.zip(described.chunks_exact_mut(24)) {
            let (high, low) = match pool.first {
                TunnelAddress::V4(bits) => ([0; 12], bits),
                TunnelAddress::V6(bits) => {
                    let bytes = bits.to_be_bytes();
                    let (high, low) = bytes.split_at(12);
                    (first(high), u32::from_be_bytes(first(low)))
                }
            };
            to[..12].copy_from_slice(&high);
            to[12..16].copy_from_slice(&low.to_ne_bytes());
            to[16..20].copy_from_slice(&pool.size.to_ne_bytes());
            to[20..].copy_from_slice(&pool.base.to_ne_bytes());
            count += 1;
        }
        (count, described)
    }

    fn place_of(&self, address: TunnelAddress) -> Option<usize> {
        self.pools.iter().find_map(|pool| {
            let offset = match (address, pool.first) {
                (TunnelAddress::V4(bits), TunnelAddress::V4(first)) => bits.checked_sub(first)?,
                (TunnelAddress::V6(bits), TunnelAddress::V6(first)) => {
                    u32::try_from(bits.checked_sub(first)?).ok()?
                }
                _ => return None,
            };
            (offset < pool.size).then_some((pool.base + offset) as usize)
        })
    }
}

/// The first bytes of a slice that is known to be long enough.
fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}

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
    fn set(&self, prefix: Prefix, slot: Slot) -> Result<(), OwnersRefused> {
        if prefix.is_host()
            && let Some(cell) = self.pools.place_of(prefix.address()).and_then(|at| self.dense.get(at))
        {
            // Release: what the roster did before an assignment is in place before it shows.
            cell.store(slot.word(), Ordering::Release);
            return Ok(());
        }
        let (table, key) = key_of(prefix);
        self.write(table, &key, slot).map_err(|error| OwnersRefused::new(&error))
    }
}

impl KernelOwners {
    fn write(&self, table: usize, key: &[u8], slot: Slot) -> io::Result<()> {
        // A poisoned lock is taken over: the numbers are right at each step.
        let mut entries = self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if slot == Slot::UNATTRIBUTED {
            entries[table] -= u32::from(sys::delete(&self.tables[table], key)?);
        } else {
            // Counted before it is there, so that the program never skips a table that holds one.
            self.in_use[table].store(entries[table] + 1, Ordering::Release);
            let replaced = self.holds(table, key);
            sys::update(&self.tables[table], key, slot.word())?;
            entries[table] += u32::from(!replaced);
        }
        self.in_use[table].store(entries[table], Ordering::Release);
        Ok(())
    }

    fn holds(&self, table: usize, key: &[u8]) -> bool {
        sys::holds(&self.tables[table], key)
    }
}

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
