//! What each source says of each prefix. The writer's book: no tap reads it.
//!
//! Addresses of pools lie in arrays by their offset, as in the table: eight bytes each, where a hash
//! would take thirty. Holds no account, slots only.

use super::address::{Prefix, TunnelAddress};
use super::wiped_map::WipedMap;
use super::{Counts, Source};
use crate::meter::slot::Slot;

/// The slot that each source names, by precedence, and whether an earlier process had written the
/// owner down and no source has said it again.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Assignment([u32; Source::ALL.len()]);

/// In the first word, above all slots: the owner is an earlier process's word.
const ADOPTED: u32 = 1 << 31;

impl Assignment {
    const NONE: Self = Self([0; Source::ALL.len()]);

    /// Whom this source names.
    pub(super) fn of(self, source: Source) -> Option<Slot> {
        Some(Slot::new(self.0[source as usize] & !ADOPTED)).filter(|slot| slot.is_account())
    }

    /// The same, but for what this source says.
    pub(super) fn with(mut self, source: Source, slot: Option<Slot>) -> Self {
        let word = &mut self.0[source as usize];
        *word = *word & ADOPTED | slot.unwrap_or(Slot::UNATTRIBUTED).word();
        self
    }

    /// The first source that names anybody, and whom it names.
    pub(super) fn owner(self) -> Option<(Source, Slot)> {
        Source::ALL.into_iter().find_map(|source| Some((source, self.of(source)?)))
    }

    /// True when the owner is an earlier process's word.
    pub(super) fn is_adopted(self) -> bool {
        self.0[0] & ADOPTED != 0
    }

    /// The same, as an earlier process's word.
    pub(super) fn adopted(mut self) -> Self {
        self.0[0] |= ADOPTED;
        self
    }

    /// The same, as this process's own word.
    pub(super) fn believed(mut self) -> Self {
        self.0[0] &= !ADOPTED;
        self
    }

    /// Every slot that is named.
    fn slots(self) -> impl Iterator<Item = Slot> {
        Source::ALL.into_iter().filter_map(move |source| self.of(source))
    }

    /// True when two sources name different accounts.
    fn is_conflict(self) -> bool {
        self.slots().any(|slot| self.slots().next() != Some(slot))
    }
}

/// A set of slots: a bit for each.
#[derive(Default)]
pub(super) struct Slots(Vec<u64>);

impl Slots {
    /// Adds a slot; true when it was not in the set.
    pub(super) fn add(&mut self, slot: Slot) -> bool {
        let (word, bit) = (slot.index() / 64, 1 << (slot.index() % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    /// True when the slot is in the set.
    pub(super) fn has(&self, slot: Slot) -> bool {
        self.0.get(slot.index() / 64).is_some_and(|word| word & 1 << (slot.index() % 64) != 0)
    }
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = Self::default();
        slots.into_iter().for_each(|slot| _ = set.add(slot));
        set
    }
}

/// Every claim there is.
pub(super) struct Assignments {
    pools: Box<[Pool]>,
    /// Other prefixes of IPv4, by address and then length in one word, which is half as large.
    v4: WipedMap<u64>,
    v6: WipedMap<Prefix>,
}

/// An address range handed out densely, and the claims of its single addresses.
struct Pool {
    range: Prefix,
    claims: Box<[Assignment]>,
}

impl Assignments {
    /// No claims, over pools that the configuration has found small enough.
    pub(super) fn new(pools: &[Prefix]) -> Self {
        let pool = |range: &Prefix| {
            let size = range.size().and_then(|size| usize::try_from(size).ok());
            let size = size.expect("the configuration refused larger pools");
            Pool { range: *range, claims: vec![Assignment::NONE; size].into_boxed_slice() }
        };
        let nowhere = Prefix::of_host(TunnelAddress::V6(0));
        let pools = pools.iter().map(pool).collect();
        Self { pools, v4: WipedMap::new(0), v6: WipedMap::new(nowhere) }
    }

    /// What is claimed of a prefix.
    pub(super) fn get(&self, prefix: Prefix) -> Assignment {
        if let Some((pool, offset)) = self.place_of(prefix) {
            return self.pools[pool].claims[offset];
        }
        let claim = match prefix.address() {
            TunnelAddress::V4(address) => self.v4.get(&v4_key(address, prefix.length())),
            TunnelAddress::V6(_) => self.v6.get(&prefix),
        };
        claim.unwrap_or_default()
    }

    /// Sets what is claimed of a prefix.
    pub(super) fn set(&mut self, prefix: Prefix, claim: Assignment) {
        if let Some((pool, offset)) = self.place_of(prefix) {
            self.pools[pool].claims[offset] = claim;
            return;
        }
        match prefix.address() {
            TunnelAddress::V4(address) => put(&mut self.v4, v4_key(address, prefix.length()), claim),
            TunnelAddress::V6(_) => put(&mut self.v6, prefix, claim),
        }
    }

    /// Makes every claim this process's own word.
    pub(super) fn believe(&mut self) {
        let dense = self.pools.iter_mut().flat_map(|pool| pool.claims.iter_mut());
        let claims = dense.chain(self.v4.claims_mut()).chain(self.v6.claims_mut());
        claims.filter(|claim| claim.is_adopted()).for_each(|claim| *claim = claim.believed());
    }

    /// Every slot that any source names.
    pub(super) fn named(&self) -> Slots {
        self.all().flat_map(Assignment::slots).collect()
    }

    /// Numbers of prefixes and accounts for each source, and of conflicts.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let mut accounts: [Slots; Source::ALL.len()] = Default::default();
        for claim in self.all() {
            for source in Source::ALL {
                if let Some(slot) = claim.of(source) {
                    let figures = &mut counts.sources[source as usize];
                    figures.prefixes += 1;
                    figures.accounts += u64::from(accounts[source as usize].add(slot));
                }
            }
            counts.conflicts += u64::from(claim.is_conflict());
        }
        counts
    }

    /// Every claim of anybody, in no order.
    fn all(&self) -> impl Iterator<Item = Assignment> {
        let dense = self.pools.iter().flat_map(|pool| pool.claims.iter().copied());
        let v4 = self.v4.iter().map(|(_, claim)| claim);
        let v6 = self.v6.iter().map(|(_, claim)| claim);
        let claims = dense.chain(v4).chain(v6);
        claims.filter(|claim| claim.owner().is_some())
    }

    /// Every prefix that this source claims, in no order.
    pub(super) fn of(&self, source: Source) -> impl Iterator<Item = Prefix> {
        let dense = self.pools.iter().flat_map(|pool| {
            pool.claims.iter().enumerate().map(|(offset, claim)| (pool.range.host_at(offset), *claim))
        });
        let v4 = self.v4.iter().map(|(key, claim)| (v4_prefix(key), claim));
        let claimed =
            dense.chain(v4).chain(self.v6.iter()).filter(move |(_, claim)| claim.of(source).is_some());
        claimed.map(|(prefix, _)| prefix)
    }

    fn place_of(&self, prefix: Prefix) -> Option<(usize, usize)> {
        let host = Some(prefix).filter(|prefix| prefix.is_host())?;
        let offset = |pool: &Pool| pool.range.offset_of(host.address());
        self.pools.iter().enumerate().find_map(|(at, pool)| Some((at, offset(pool)?)))
    }
}

fn put<K: std::hash::Hash + Eq + Copy>(map: &mut WipedMap<K>, key: K, claim: Assignment) {
    if claim.owner().is_some() {
        map.insert(key, claim);
    } else {
        map.remove(&key);
    }
}

fn v4_key(address: u32, length: u8) -> u64 {
    u64::from(address) << 8 | u64::from(length)
}

fn v4_prefix(key: u64) -> Prefix {
    let [length, a, b, c, d, ..] = key.to_le_bytes();
    let prefix = Prefix::new(TunnelAddress::V4(u32::from_le_bytes([a, b, c, d])), length);
    prefix.expect("a key is made of a prefix")
}
