//! Whose address is it: the look-up that every packet takes.
//!
//! Pools are dense arrays from address offset to slot. Everything else is a longest-prefix match
//! over open-addressed tables of atomics, probed once for each prefix length in use, longest
//! first. Reading takes no lock and allocates nothing; writing is the roster's, under its lock.
//! A pool holds single addresses, so a pool's answer is always the longest match. Of two prefixes of the same
//! length, the one of the packet's own interface goes before the one of every interface.

use super::address::{Pool, Prefix, TunnelAddress, mask};
use super::place::Place;
use super::places::Places;
use crate::meter::slot::Slot;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// The slots of a pool's addresses, by their offset.
struct PoolSlots {
    pool: Pool,
    slots: Box<[AtomicU32]>,
}

/// From an address to the slot of its owner.
pub struct Table {
    pools: Box<[PoolSlots]>,
    v4: ArcSwap<Prefixes>,
    v6: ArcSwap<Prefixes>,
    places: Places,
}

/// The prefixes of one family. Entries are never moved or reused: of a key that was released an empty
/// place stays until the table grows into a new one.
struct Prefixes {
    entries: Box<[Entry]>,
    /// One bit for each prefix length that an entry has.
    lengths: [AtomicU64; 3],
    used: AtomicU32,
    seed: u64,
}

/// Key in `high` and `low`; `owner` is the place, the prefix length plus one, then the slot; 0 is vacant, and
/// [`RELEASED`] is what a key that was let go of leaves behind.
#[derive(Default)]
struct Entry {
    high: AtomicU64,
    low: AtomicU64,
    owner: AtomicU64,
}

/// No length, and nobody's slot.
const RELEASED: u64 = u64::MAX << 32;

impl Table {
    /// An empty table over these pools.
    ///
    /// # Panics
    /// When a pool is too large ([`Pool::of`]); the configuration has refused it before.
    #[must_use]
    pub fn new(pools: &[Prefix], seed: u64) -> Self {
        Self::at(pools, seed, Places::none())
    }

    /// The same, for interfaces that may have owners of their own.
    pub(super) fn at(pools: &[Prefix], seed: u64, places: Places) -> Self {
        let pools = pools.iter().map(|range| {
            let pool = Pool::of(*range).expect("the configuration refused larger pools");
            PoolSlots { pool, slots: (0..pool.size()).map(|_| AtomicU32::new(0)).collect() }
        });
        let pools = pools.collect();
        let empty = || ArcSwap::from_pointee(Prefixes::new(64, seed));
        Self { pools, v4: empty(), v6: empty(), places }
    }

    /// The interfaces that have owners of their own.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The slot of the account that owns this address, or [`Slot::UNATTRIBUTED`].
    #[inline]
    #[must_use]
    pub fn slot_of(&self, address: TunnelAddress) -> Slot {
        self.slot_at(Place::ANY, address)
    }

    /// The slot of the account that owns this address where the packet was seen.
    #[inline]
    #[must_use]
    pub fn slot_at(&self, place: Place, address: TunnelAddress) -> Slot {
        if place != Place::ANY {
            let (key, length) = (address.bits(), address.width());
            if let Some((_, owner)) = self.family(address).load().find(key, length, place) {
                return slot_of_owner(owner);
            }
        }
        if let Some(cell) = self.pool_cell(address) {
            // Acquire: pairs with the Release of `set`, so that what the roster did before an
            // assignment is seen by whoever counts under it.
            let slot = cell.load(Ordering::Acquire);
            if slot != 0 {
                return Slot::new(slot);
            }
        }
        self.family(address).load().longest(place, address)
    }

    /// Makes the slot the owner of the prefix; [`Slot::UNATTRIBUTED`] for nobody.
    ///
    /// The caller holds the roster's lock: there is one writer at a time.
    pub(super) fn set(&self, prefix: Prefix, slot: Slot) {
        if prefix.is_host()
            && prefix.place() == Place::ANY
            && let Some(cell) = self.pool_cell(prefix.address())
        {
            // Release: pairs with the Acquire of `slot_of`.
            cell.store(slot.word(), Ordering::Release);
            return;
        }
        let family = self.family(prefix.address());
        let table = family.load();
        if table.set(prefix, slot) {
            return;
        }
        let larger = table.grown();
        assert!(larger.set(prefix, slot), "a table that was grown has room");
        family.store(Arc::new(larger));
    }

    fn family(&self, address: TunnelAddress) -> &ArcSwap<Prefixes> {
        match address {
            TunnelAddress::V4(_) => &self.v4,
            TunnelAddress::V6(_) => &self.v6,
        }
    }

    fn pool_cell(&self, address: TunnelAddress) -> Option<&AtomicU32> {
        self.pools.iter().find_map(|pool| pool.slots.get(pool.pool.offset_of(address)?))
    }
}

impl Prefixes {
    fn new(capacity: usize, seed: u64) -> Self {
        Self {
            entries: (0..capacity).map(|_| Entry::default()).collect(),
            lengths: [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)],
            used: AtomicU32::new(0),
            seed,
        }
    }

    /// The owner of the longest prefix that holds the address.
    fn longest(&self, place: Place, address: TunnelAddress) -> Slot {
        let (bits, width) = (address.bits(), address.width());
        for word in (0..3_u8).rev() {
            // Acquire: pairs with the Release in `set`; an entry is in place before its length shows.
            let mut lengths = self.lengths[usize::from(word)].load(Ordering::Acquire);
            while lengths != 0 {
                let bit = 63 - u8::try_from(lengths.leading_zeros()).unwrap_or(63);
                lengths &= !(1 << bit);
                let length = word * 64 + bit;
                let key = bits & mask(width, length);
                let own = if place == Place::ANY { None } else { self.find(key, length, place) };
                if let Some((_, owner)) = own.or_else(|| self.find(key, length, Place::ANY)) {
                    return slot_of_owner(owner);
                }
            }
        }
        Slot::UNATTRIBUTED
    }

    /// Sets the owner; false when there is no room for a new key.
    fn set(&self, prefix: Prefix, slot: Slot) -> bool {
        let (key, length, place) = (prefix.address().bits(), prefix.length(), prefix.place());
        let owner = kind(length, place) << 32 | u64::from(slot.word());
        if let Some((entry, _)) = self.find(key, length, place) {
            if slot == Slot::UNATTRIBUTED {
                entry.release();
            } else {
                // Release: pairs with the Acquire in `find`.
                entry.owner.store(owner, Ordering::Release);
            }
            return true;
        }
        if slot == Slot::UNATTRIBUTED {
            return true;
        }
        // Relaxed: written by the one writer only.
        let used = self.used.load(Ordering::Relaxed);
        if (used as usize + 1) * 4 > self.entries.len() * 3 {
            return false;
        }
        let vacant =
            self.probe(key, kind(length, place)).find(|entry| entry.owner.load(Ordering::Relaxed) == 0);
        let Some(entry) = vacant else { return false };
        let (high, low) = halves(key);
        entry.high.store(high, Ordering::Relaxed);
        entry.low.store(low, Ordering::Relaxed);
        // Release: the key is in place before the entry stops being vacant; pairs with `find`.
        entry.owner.store(owner, Ordering::Release);
        self.used.store(used + 1, Ordering::Relaxed);
        // Release: pairs with the Acquire in `longest`.
        self.lengths[usize::from(length / 64)].fetch_or(1 << (length % 64), Ordering::Release);
        true
    }

    /// A copy without the released keys, with room for as many again.
    fn grown(&self) -> Self {
        let live = |entry: &&Entry| {
            // Relaxed: only the one writer grows a table, and it reads what it wrote itself.
            slot_of_owner(entry.owner.load(Ordering::Relaxed)) != Slot::UNATTRIBUTED
        };
        let count = self.entries.iter().filter(live).count();
        let larger = Self::new(((count + 1) * 2).next_power_of_two().max(64), self.seed);
        for entry in self.entries.iter().filter(live) {
            let owner = entry.owner.load(Ordering::Relaxed);
            let key = u128::from(entry.high.load(Ordering::Relaxed)) << 64
                | u128::from(entry.low.load(Ordering::Relaxed));
            larger.insert_grown(key, owner);
        }
        larger
    }

    fn insert_grown(&self, key: u128, owner: u64) {
        let kind = owner >> 32;
        let length = u8::try_from((kind & LENGTHS) - 1).unwrap_or(0);
        // Relaxed throughout: the table is not shared yet; the ArcSwap publishes it.
        let vacant = self.probe(key, kind).find(|entry| entry.owner.load(Ordering::Relaxed) == 0);
        let entry = vacant.expect("a grown table is at most half full");
        let (high, low) = halves(key);
        entry.high.store(high, Ordering::Relaxed);
        entry.low.store(low, Ordering::Relaxed);
        entry.owner.store(owner, Ordering::Relaxed);
        self.used.fetch_add(1, Ordering::Relaxed);
        self.lengths[usize::from(length / 64)].fetch_or(1 << (length % 64), Ordering::Relaxed);
    }

    /// The entry of a key, and its owner.
    fn find(&self, key: u128, length: u8, place: Place) -> Option<(&Entry, u64)> {
        let kind = kind(length, place);
        for entry in self.probe(key, kind) {
            // Acquire: pairs with the Release in `set`; the key is read after it.
            let owner = entry.owner.load(Ordering::Acquire);
            if owner == 0 {
                return None;
            }
            if owner >> 32 == kind
                && let Some(owner) = entry.owner_of(key)
            {
                return Some((entry, owner));
            }
        }
        None
    }

    /// The places where a key may stand, in order. Each place once, so a full table ends.
    fn probe(&self, key: u128, kind: u64) -> impl Iterator<Item = &Entry> {
        let (high, low) = halves(key);
        let mixed = (low ^ self.seed ^ kind).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ high.rotate_left(32).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let start = usize::try_from(mixed >> 20).unwrap_or(0);
        let last = self.entries.len() - 1;
        (0..self.entries.len()).map(move |step| &self.entries[(start + step) & last])
    }
}

impl Entry {
    /// The owner, where the entry is this key's; a reader has found an owner in it before.
    fn owner_of(&self, key: u128) -> Option<u64> {
        let (high, low) = halves(key);
        if self.high.load(Ordering::Relaxed) != high || self.low.load(Ordering::Relaxed) != low {
            return None;
        }
        // Acquire, and the owner after it: pairs with the fence of `release`. A key that is being cleared
        // looks like another one, and then the owner that is seen here is nobody.
        fence(Ordering::Acquire);
        let owner = self.owner.load(Ordering::Acquire);
        (owner != RELEASED).then_some(owner)
    }

    /// Lets go of the key, and leaves nothing of it.
    fn release(&self) {
        self.owner.store(RELEASED, Ordering::Relaxed);
        // Release: whoever sees the cleared key sees that it was released; pairs with `owner_of`.
        fence(Ordering::Release);
        self.high.store(0, Ordering::Relaxed);
        self.low.store(0, Ordering::Relaxed);
    }
}

/// What an owner's upper half holds of a prefix: its place, and its length plus one.
fn kind(length: u8, place: Place) -> u64 {
    u64::from(place.number()) << 16 | (u64::from(length) + 1)
}

/// The bits of it that are the length.
const LENGTHS: u64 = 0xffff;

fn slot_of_owner(owner: u64) -> Slot {
    // The low half is the slot by construction.
    Slot::new(u32::try_from(owner & u64::from(u32::MAX)).unwrap_or(0))
}

fn halves(key: u128) -> (u64, u64) {
    let low = u64::try_from(key & u128::from(u64::MAX)).unwrap_or(0);
    (u64::try_from(key >> 64).unwrap_or(0), low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(last: u32) -> Prefix {
        Prefix::of_host(TunnelAddress::V4(0xc000_0200 + last))
    }

    #[test]
    fn of_a_released_key_an_empty_place_is_left() {
        let table = Prefixes::new(64, 3);
        (0..40).for_each(|last| assert!(table.set(host(last), Slot::new(9))));
        (0..40).for_each(|last| assert!(table.set(host(last), Slot::UNATTRIBUTED)));
        let keys = table
            .entries
            .iter()
            .map(|entry| entry.high.load(Ordering::Relaxed) | entry.low.load(Ordering::Relaxed));
        assert!(keys.into_iter().all(|key| key == 0));
        assert!((0..40).all(|last| table.longest(Place::ANY, host(last).address()) == Slot::UNATTRIBUTED));
        // The places are not used again, and gone when the table grows.
        assert!(
            (40..48).all(|last| table.set(host(last), Slot::new(9))) && !table.set(host(48), Slot::new(9))
        );
        assert!(table.grown().used.load(Ordering::Relaxed) == 8);
    }

    #[test]
    fn a_key_that_is_cleared_while_it_is_read_is_not_taken_for_that_of_zeros() {
        let table = Prefixes::new(64, 3);
        assert!(table.set(host(7), Slot::new(9)));
        // A reader has seen the owner; then the key is cleared; then it looks at the key.
        let (entry, owner) = table.find(host(7).address().bits(), 32, Place::ANY).expect("it was set");
        assert!(slot_of_owner(owner) == Slot::new(9));
        entry.release();
        assert!(entry.owner_of(0).is_none() && entry.owner_of(host(7).address().bits()).is_none());
    }
}
