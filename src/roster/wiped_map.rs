//! A map in which nothing is left of an entry that was removed.
//!
//! A hash table marks the place of a removed entry and leaves what was in it: the address of somebody
//! who has gone, until another entry falls there. Here it is overwritten first. A table that makes
//! room within itself leaves copies as well; this one is made anew before it would.

use hashbrown::HashTable;
use std::hash::{BuildHasher, Hash, RandomState};

/// Removals until the table is made anew, as a share of its entries: far below the half at which it
/// would move entries about within itself, and rare enough to cost little.
const STALE_SHARE: usize = 4;

/// Values by a key.
pub(super) struct WipedMap<K, V> {
    entries: HashTable<(K, V)>,
    hasher: RandomState,
    /// Removals since the table was made.
    removed: usize,
    /// What removed entries are overwritten with.
    blank: (K, V),
}

impl<K: Copy + Eq + Hash, V: Copy> WipedMap<K, V> {
    /// An empty map; `blank` is an entry that tells nothing.
    pub(super) fn new(blank: (K, V)) -> Self {
        Self { entries: HashTable::new(), hasher: RandomState::new(), removed: 0, blank }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let found = self.entries.find(self.hasher.hash_one(key), |(other, _)| other == key);
        found.map(|(_, value)| *value)
    }

    /// Sets the value of a key.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let hash = self.hasher.hash_one(key);
        match self.entries.find_mut(hash, |(other, _)| *other == key) {
            Some((_, held)) => *held = value,
            None => {
                self.entries.insert_unique(hash, (key, value), |(key, _)| self.hasher.hash_one(key));
            }
        }
    }

    /// Removes a key, its value, and every trace of both.
    pub(super) fn remove(&mut self, key: &K) {
        let hash = self.hasher.hash_one(key);
        let Ok(mut entry) = self.entries.find_entry(hash, |(other, _)| other == key) else { return };
        *entry.get_mut() = self.blank;
        entry.remove();
        self.removed += 1;
        if self.removed > self.entries.len() / STALE_SHARE {
            self.make_anew();
        }
    }

    fn make_anew(&mut self) {
        let mut anew = HashTable::with_capacity(self.entries.len());
        for entry in &self.entries {
            anew.insert_unique(self.hasher.hash_one(entry.0), *entry, |(key, _)| self.hasher.hash_one(key));
        }
        self.entries = anew;
        self.removed = 0;
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Every key and its value, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, V)> {
        self.entries.iter().copied()
    }

    /// Every value, to be changed.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Beside the standard library's map, through growth and shrinking.
    #[test]
    fn it_holds_what_was_put_in_and_not_removed() {
        let (mut map, mut model) = (WipedMap::new((0_u64, 0_u32)), HashMap::new());
        let mut word = 1_u64;
        for step in 0..20_000_u32 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = 1 + (word >> 33) % 700;
            if step / 2_000 % 2 == 0 && word >> 62 != 0 || word >> 62 == 3 {
                map.insert(key, step + 4);
                model.insert(key, step + 4);
            } else {
                map.remove(&key);
                model.remove(&key);
            }
            assert!(map.get(&key) == model.get(&key).copied());
            assert!(map.entries.len() == model.len() && map.removed <= map.entries.len() / STALE_SHARE);
        }
        assert!(map.iter().all(|(key, value)| model.get(&key) == Some(&value)));
        map.values_mut().for_each(|held| *held = 9);
        assert!(map.iter().all(|(_, held)| held == 9) && map.iter().count() == model.len());
    }
}
