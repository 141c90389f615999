//! What each source says of each prefix. The writer's own: no tap reads it.
//!
//! Addresses of pools lie in arrays by their offset, as in the table: four bytes for each source, where a hash
//! would take the address besides. Holds no account, slots only.

use super::address::{Pool, Prefix, TunnelAddress};
use super::assignment::Assignment;
use super::error::RosterError;
use super::outside::Outside;
use super::place::Place;
use super::slots::SlotSet;
use super::source::{Counts, Source};
use super::wiped_map::WipedMap;
use crate::meter::slot::Slot;

/// Every assignment there is.
pub(super) struct Assignments {
    pools: Box<[PoolAssignments]>,
    /// Other prefixes of IPv4, by place, address and length in one word, which is half as large.
    v4: WipedMap<u64, Assignment>,
    v6: WipedMap<Prefix, Assignment>,
    outside: Outside,
}

/// The assignments of a pool's single addresses, by their offset.
struct PoolAssignments {
    pool: Pool,
    assignments: Box<[Assignment]>,
}

impl Assignments {
    /// No assignments, over pools that the configuration has found small enough, with room for so many accounts.
    pub(super) fn new(pools: &[Prefix], capacity: usize) -> Self {
        let pools = pools.iter().map(|range| {
            let pool = Pool::of(*range).expect("the configuration refused larger pools");
            PoolAssignments { pool, assignments: vec![Assignment::NONE; pool.size() as usize].into() }
        });
        let nowhere = Prefix::of_host(TunnelAddress::V6(0));
        Self {
            pools: pools.collect(),
            v4: WipedMap::new((0, Assignment::NONE)),
            v6: WipedMap::new((nowhere, Assignment::NONE)),
            outside: Outside::new(capacity),
        }
    }

    /// What is assigned of a prefix.
    pub(super) fn get(&self, prefix: Prefix) -> Assignment {
        if let Some((pool, offset)) = self.place_of(prefix) {
            return self.pools[pool].assignments[offset];
        }
        let assignment = match prefix.address() {
            TunnelAddress::V4(address) => self.v4.get(&v4_key(address, prefix)),
            TunnelAddress::V6(_) => self.v6.get(&prefix),
        };
        assignment.unwrap_or_default()
    }

    /// Sets what is assigned of a prefix.
    pub(super) fn set(&mut self, prefix: Prefix, assignment: Assignment) {
        if let Some((pool, offset)) = self.place_of(prefix) {
            self.pools[pool].assignments[offset] = assignment;
            return;
        }
        self.outside.changed(prefix, self.get(prefix), assignment);
        match prefix.address() {
            TunnelAddress::V4(address) => put(&mut self.v4, v4_key(address, prefix), assignment),
            TunnelAddress::V6(_) => put(&mut self.v6, prefix, assignment),
        }
    }

    /// Whether there is room for what a source names: besides what it names already, or in its place (`is_all`).
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn require_room(
        &self,
        source: Source,
        prefixes: impl Iterator<Item = Prefix>,
        is_all: bool,
    ) -> Result<(), RosterError> {
        let is_new = |prefix: &Prefix| {
            self.place_of(*prefix).is_none() && (is_all || self.get(*prefix).of(source).is_none())
        };
        self.outside.require(source, prefixes.filter(is_new), is_all)
    }

    /// Makes every assignment this process's own word.
    pub(super) fn confirm_all(&mut self) {
        let dense = self.pools.iter_mut().flat_map(|pool| pool.assignments.iter_mut());
        let all = dense.chain(self.v4.values_mut()).chain(self.v6.values_mut());
        all.filter(|assignment| assignment.is_inherited())
            .for_each(|assignment| *assignment = assignment.confirmed());
    }

    /// Every slot that any source names.
    pub(super) fn named(&self) -> SlotSet {
        self.all().flat_map(Assignment::slots).collect()
    }

    /// The slots that this source names.
    pub(super) fn named_by(&self, source: Source) -> SlotSet {
        self.all().filter_map(|assignment| assignment.of(source)).collect()
    }

    /// The slots that the operator's other sources name, and the control socket does not.
    pub(super) fn named_elsewhere_alone(&self) -> SlotSet {
        let mut named = self.named();
        self.named_by(Source::Control).slots().for_each(|slot| _ = named.remove(slot));
        named
    }

    /// The slots that a source names which follows connections.
    pub(super) fn connected(&self) -> SlotSet {
        let followers = || Source::ALL.into_iter().filter(|source| source.follows_connections());
        self.all()
            .flat_map(|assignment| followers().filter_map(move |source| assignment.of(source)))
            .collect()
    }

    /// Whether a source names this slot that follows no connections.
    pub(super) fn name_steadily(&self, slot: Slot) -> bool {
        let steady = || Source::ALL.into_iter().filter(|source| !source.follows_connections());
        self.all().any(|assignment| steady().any(|source| assignment.of(source) == Some(slot)))
    }

    /// Numbers of prefixes and accounts for each source, and of conflicts.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let mut accounts: [SlotSet; Source::ALL.len()] = Default::default();
        let mut all = SlotSet::default();
        for assignment in self.all() {
            for source in Source::ALL {
                if let Some(slot) = assignment.of(source) {
                    let figures = &mut counts.sources[source as usize];
                    figures.prefixes += 1;
                    figures.accounts += u64::from(accounts[source as usize].add(slot));
                    counts.accounts += u64::from(all.add(slot));
                }
            }
            counts.conflicts += u64::from(assignment.is_conflict());
        }
        counts
    }

    /// Whether the file and WireGuard devices alone name this slot.
    pub(super) fn are_of_operator_alone(&self, slot: Slot) -> bool {
        let others =
            || Source::ALL.into_iter().filter(|source| !matches!(source, Source::File | Source::WireGuard));
        self.all().all(|assignment| others().all(|source| assignment.of(source) != Some(slot)))
    }

    /// Every assignment of anybody, in no order.
    fn all(&self) -> impl Iterator<Item = Assignment> {
        let dense = self.pools.iter().flat_map(|pool| pool.assignments.iter().copied());
        let v4 = self.v4.iter().map(|(_, assignment)| assignment);
        let v6 = self.v6.iter().map(|(_, assignment)| assignment);
        dense.chain(v4).chain(v6).filter(|assignment| assignment.owner().is_some())
    }

    /// Every prefix that this source assigns, in no order.
    pub(super) fn of(&self, source: Source) -> impl Iterator<Item = Prefix> {
        let dense = self.pools.iter().flat_map(|pool| {
            let assignments = pool.assignments.iter().copied().enumerate();
            assignments
                .map(|(offset, assignment)| (Prefix::of_host(pool.pool.address_at(offset)), assignment))
        });
        let v4 = self.v4.iter().map(|(key, assignment)| (v4_prefix(key), assignment));
        let all = dense.chain(v4).chain(self.v6.iter());
        all.filter(move |(_, assignment)| assignment.of(source).is_some()).map(|(prefix, _)| prefix)
    }

    fn place_of(&self, prefix: Prefix) -> Option<(usize, usize)> {
        let host = Some(prefix).filter(|prefix| prefix.is_host() && prefix.place() == Place::ANY)?.address();
        let pools = self.pools.iter().enumerate();
        pools.filter_map(|(at, pool)| Some((at, pool.pool.offset_of(host)?))).next()
    }
}

fn put<K: std::hash::Hash + Eq + Copy>(map: &mut WipedMap<K, Assignment>, key: K, assignment: Assignment) {
    if assignment.owner().is_some() {
        map.insert(key, assignment);
    } else {
        map.remove(&key);
    }
}

fn v4_key(address: u32, prefix: Prefix) -> u64 {
    u64::from(prefix.place().number()) << 40 | u64::from(address) << 8 | u64::from(prefix.length())
}

fn v4_prefix(key: u64) -> Prefix {
    let [length, a, b, c, d, place, more, _] = key.to_le_bytes();
    let place = Place::of_number(u32::from(u16::from_le_bytes([place, more]))).unwrap_or_default();
    let prefix = Prefix::new(TunnelAddress::V4(u32::from_le_bytes([a, b, c, d])), length);
    prefix.expect("a key is made of a prefix").at(place)
}
