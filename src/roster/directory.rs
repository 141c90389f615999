//! Which slot an account has: the account directory, read by support and exports while assignments
//! go on. Flow: a name's hash -> the index -> a slot, whose name must be the one that was asked for.
//!
//! Made for a million accounts: names lie one after the other in one text, the index holds eight
//! bytes for each. Names are wiped when their accounts leave.

use super::account::AccountName;
use crate::meter::slot::Slot;
use dashmap::DashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use zeroize::Zeroize;

/// Names begin at even places, so that 32 bits reach the names of all slots that there can be.
const STEP: usize = 2;

/// Bytes of a usual name with its length; a guess that saves copying.
const USUAL_BYTES: usize = 16;

/// Accounts and their slots.
pub(super) struct Directory {
    /// From the number of a name to its slot. A name whose number is taken has the next one.
    index: DashMap<u32, Slot>,
    /// Locked before the index wherever both are used.
    names: RwLock<Names>,
    hasher: RandomState,
    /// The numbers that a name's hash can give are those below it, and itself.
    last_number: u32,
}

/// The names of all slots.
struct Names {
    text: Vec<u8>,
    /// Where a slot's name begins, in steps, plus one; 0 where the slot is nobody's.
    places: Vec<u32>,
}

impl Directory {
    /// Nobody, with room for so many accounts: memory that is not used yet is only reserved.
    pub(super) fn new(capacity: usize) -> Self {
        Self::with_numbers(capacity, u32::MAX)
    }

    /// `last_number` is one less than a power of two, and larger than the number of accounts.
    fn with_numbers(capacity: usize, last_number: u32) -> Self {
        let (index, names) = (DashMap::with_capacity(capacity), RwLock::new(Names::new(capacity)));
        Self { index, names, hasher: RandomState::new(), last_number }
    }

    /// The slot of an account.
    pub(super) fn slot_of(&self, account: &AccountName) -> Option<Slot> {
        self.find(&self.read(), account.written()).ok()
    }

    /// Gives an account that has none a slot that is nobody's.
    pub(super) fn insert(&self, account: &AccountName, slot: Slot) {
        self.add(&mut self.write(), account.written(), slot);
    }

    /// Every account and its slot, in no order.
    pub(super) fn all(&self) -> Vec<(AccountName, Slot)> {
        self.read().all().map(|(name, slot)| (AccountName::of_written(name), slot)).collect()
    }

    /// Lets go of the accounts whose slots are not to be kept, and returns them.
    pub(super) fn retain(&self, keep: impl Fn(Slot) -> bool) -> Vec<(AccountName, Slot)> {
        let mut names = self.write();
        if names.all().all(|(_, slot)| keep(slot)) {
            return Vec::new();
        }
        // Made anew, since a name's number may depend on one that leaves. Whoever asks meanwhile
        // waits for the names.
        let anew = Names::new(names.places.capacity());
        let before = std::mem::replace(&mut *names, anew);
        self.index.clear();
        let mut gone = Vec::new();
        for (name, slot) in before.all() {
            if keep(slot) {
                self.add(&mut names, name, slot);
            } else {
                gone.push((AccountName::of_written(name), slot));
            }
        }
        gone
    }

    fn add(&self, names: &mut Names, name: &str, slot: Slot) {
        if let Err(vacant) = self.find(names, name) {
            names.set(slot, name);
            self.index.insert(vacant, slot);
        }
    }

    /// The slot of a name, or the number under which it would be found.
    fn find(&self, names: &Names, name: &str) -> Result<Slot, u32> {
        let [a, b, c, d, ..] = self.hasher.hash_one(name).to_le_bytes();
        let mut number = u32::from_le_bytes([a, b, c, d]) & self.last_number;
        loop {
            // Copied out: no guard of the index is held over anything.
            let Some(slot) = self.index.get(&number).map(|slot| *slot) else { return Err(number) };
            if names.get(slot) == Some(name) {
                return Ok(slot);
            }
            number = number.wrapping_add(1) & self.last_number;
        }
    }

    /// A poisoned lock is taken over: a panic ends the process.
    fn read(&self) -> RwLockReadGuard<'_, Names> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Names> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    fn new(capacity: usize) -> Self {
        let text = Vec::with_capacity(capacity * USUAL_BYTES);
        Self { text, places: Vec::with_capacity(capacity) }
    }

    fn get(&self, slot: Slot) -> Option<&str> {
        let place = self.places.get(slot.index())?.checked_sub(1)?;
        let text = self.text.get(place as usize * STEP..)?;
        let (length, text) = text.split_first_chunk()?;
        std::str::from_utf8(text.get(..usize::from(u16::from_le_bytes(*length)))?).ok()
    }

    fn set(&mut self, slot: Slot, name: &str) {
        self.text.resize(self.text.len().next_multiple_of(STEP), 0);
        let place = u32::try_from(self.text.len() / STEP + 1);
        let length = u16::try_from(name.len()).expect("a written name has at most 384 bytes");
        self.text.extend(length.to_le_bytes());
        self.text.extend(name.as_bytes());
        if self.places.len() <= slot.index() {
            self.places.resize(slot.index() + 1, 0);
        }
        self.places[slot.index()] = place.expect("the names of 2^24 accounts have fewer than 2^33 bytes");
    }

    fn all(&self) -> impl Iterator<Item = (&str, Slot)> {
        let slots = (0..).map(Slot::new).take(self.places.len());
        slots.filter_map(|slot| self.get(slot).map(|name| (name, slot)))
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.text.as_mut_slice().zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u32) -> AccountName {
        AccountName::parse(&format!("account-{number}")).expect("a good name")
    }

    /// Whatever the hashes are: here there are hardly more numbers than names.
    #[test]
    fn names_of_one_hash_are_told_apart() {
        let directory = Directory::with_numbers(500, 511);
        for number in 0..500 {
            assert!(directory.slot_of(&name(number)).is_none());
            directory.insert(&name(number), Slot::new(number * 3));
        }
        for number in 0..500 {
            assert!(directory.slot_of(&name(number)) == Some(Slot::new(number * 3)));
        }
        assert!(directory.slot_of(&name(500)).is_none());
    }

    #[test]
    fn who_leaves_is_not_found_and_who_stays_is() {
        let directory = Directory::with_numbers(500, 511);
        (0..500).for_each(|number| directory.insert(&name(number), Slot::new(number)));
        assert!(directory.retain(|_| true).is_empty());
        let gone = directory.retain(|slot| slot.index() % 5 != 0);
        assert!(gone.len() == 100 && gone.iter().all(|(_, slot)| slot.index() % 5 == 0));
        for number in 0..500 {
            let slot = directory.slot_of(&name(number));
            assert!(slot == Some(Slot::new(number)).filter(|slot| slot.index() % 5 != 0));
        }
        // A slot that was let go goes to another name.
        directory.insert(&name(777), Slot::new(5));
        assert!(directory.slot_of(&name(777)) == Some(Slot::new(5)));
        let mut all = directory.all();
        all.sort_unstable_by_key(|(_, slot)| *slot);
        assert!(all.len() == 401 && all[4] == (name(777), Slot::new(5)));
    }
}
