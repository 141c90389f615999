//! The fleet's key, which all nodes share, and what is derived from it: whose words lie where in a cluster.
//!
//! Nobody without the key can tell whose a tag is, or that two tags of two periods, or two fields of two accounts,
//! belong together. Holds the key, which is overwritten when it is dropped, and no name.
//!
//! # Source
//! BLAKE3 in its keyed mode and as a key derivation (O'Connor, Aumasson, Neves, Wilcox-O'Hearn: BLAKE3, 2020,
//! sections 2.3 and 6.2). Slots of a cluster: CRC-16/XMODEM modulo 16,384 (Redis cluster specification).

use crate::meter::tags::Tag;
use zeroize::Zeroizing;

/// Bytes of the key.
pub const KEY_BYTES: usize = 32;

/// Slots of a cluster.
pub const SLOTS: u16 = 16_384;

/// Where an account's words of one period lie, or the shares of an epoch: the key of a hash in each cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeriodTag(pub [u8; 16]);

/// A node's place in such a hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field(pub [u8; 8]);

/// The key of a fleet.
#[derive(Clone)]
pub struct FleetKey(Zeroizing<[u8; KEY_BYTES]>);

impl FleetKey {
    /// A fleet's key of these bytes.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(*key))
    }

    /// What the tags of accounts are made with on every node of the fleet.
    #[must_use]
    pub fn of_accounts(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        Zeroizing::new(blake3::derive_key("blindmeter 2026-11 fleet account tag", &self.0[..]))
    }

    /// Tells this fleet from others, to anybody: sixteen hexadecimal digits.
    #[must_use]
    pub fn identity(&self) -> String {
        let digest =
            blake3::Hash::from_bytes(blake3::derive_key("blindmeter 2026-11 fleet identity", &self.0[..]));
        digest.to_hex().as_str()[..16].to_owned()
    }

    /// Where the words of an account lie that belong to a period.
    #[must_use]
    pub fn period_tag(&self, account: Tag, period: u64) -> PeriodTag {
        self.tag("period", &[&account.0, &period.to_le_bytes()])
    }

    /// Where each node says that it has sent all of a week: words of nobody, that look like an account's.
    #[must_use]
    pub fn roll_tag(&self, period: u64) -> PeriodTag {
        self.tag("roll", &[&period.to_le_bytes()])
    }

    /// Where the shares of an epoch lie that were made under a policy.
    #[must_use]
    pub fn epoch_tag(&self, policy: u64, ordinal: u64) -> PeriodTag {
        self.tag("epoch", &[&policy.to_le_bytes(), &ordinal.to_le_bytes()])
    }

    fn tag(&self, what: &str, parts: &[&[u8]]) -> PeriodTag {
        let mut tag: [u8; 16] = self.derived(what, parts);
        // An opening brace would make the cluster go by a part of the key alone.
        tag.iter_mut().filter(|byte| **byte == b'{').for_each(|byte| *byte = b'|');
        PeriodTag(tag)
    }

    /// The place of a node there.
    #[must_use]
    pub fn field(&self, node: &str, tag: PeriodTag) -> Field {
        Field(self.derived("field", &[&tag.0, node.as_bytes()]))
    }

    fn derived<const N: usize>(&self, what: &str, parts: &[&[u8]]) -> [u8; N] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(what.as_bytes()).update(&[0]);
        parts.iter().for_each(|part| {
            hasher.update(part);
        });
        let mut derived = [0; N];
        hasher.finalize_xof().fill(&mut derived);
        derived
    }
}

impl PeriodTag {
    /// The slot of the cluster in which it lies.
    #[must_use]
    pub fn slot(self) -> u16 {
        crc16::State::<crc16::XMODEM>::calculate(&self.0) % SLOTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_two_periods_accounts_or_nodes_is_the_same() {
        let key = FleetKey::new(&[7; KEY_BYTES]);
        let tags = [(1, 0), (1, 1), (2, 0)].map(|(who, period)| key.period_tag(Tag([who; 16]), period));
        assert!(tags[0] != tags[1] && tags[0] != tags[2] && tags[1] != tags[2]);
        assert!(key.field("north", tags[0]) != key.field("south", tags[0]));
        assert!(key.field("north", tags[0]) != key.field("north", tags[1]));
        assert!(key.roll_tag(0) != key.roll_tag(1) && !tags.contains(&key.roll_tag(0)));
        let other = FleetKey::new(&[8; KEY_BYTES]);
        assert!(other.period_tag(Tag([1; 16]), 0) != tags[0] && other.identity() != key.identity());
        assert!(other.of_accounts() != key.of_accounts());
    }

    /// # Source
    /// Redis 7.0.15: `CLUSTER KEYSLOT`.
    #[test]
    fn a_tag_lies_where_a_cluster_looks_for_it() {
        let tag = |text: &[u8; 16]| PeriodTag(*text).slot();
        assert_eq!(tag(b"0123456789abcdef"), 10_405);
        assert_eq!(tag(b"................"), 8_168);
    }

    #[test]
    fn no_tag_has_an_opening_brace() {
        let key = FleetKey::new(&[9; KEY_BYTES]);
        assert!((0..2000).all(|period| !key.period_tag(Tag([1; 16]), period).0.contains(&b'{')));
    }
}
