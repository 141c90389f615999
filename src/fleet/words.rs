//! What a node says of one account: four words below 2^52 (bytes sent, bytes received, two of flags), and how they are
//! split between two clusters of which neither learns anything.
//!
//! A word of flags has twelve bits for each of four kinds, so that the sum over at most 4,095 nodes tells how many raise
//! it. Holds no account and no time but the number of a week.
//!
//! # Source
//! Additive secret sharing modulo 2^52 (Shamir's remark on two of two; Ben-Or, Goldwasser, Wigderson: STOC 1988).

use crate::meter::flags::kind::{Kind, Kinds};
use crate::meter::scope::MOST_NODES;

/// Words are below this: the sum of two is a number that a Lua double holds exactly.
pub const MODULUS: u64 = 1 << 52;

/// Words of an account.
pub const COUNT: usize = 4;

/// Bytes of a word.
pub(super) const WORD_BYTES: usize = 7;

/// Bytes of an account's words.
pub const BYTES: usize = COUNT * WORD_BYTES;

/// Bits of a word of flags for a kind.
const KIND_BITS: usize = 12;

/// Kinds of a word of flags.
const KINDS_OF_A_WORD: usize = 4;

const _: () = assert!(MOST_NODES == (1 << KIND_BITS) - 1 && 1 << (KIND_BITS * KINDS_OF_A_WORD) <= MODULUS);
const _: () = assert!(Kind::ALL.len() <= (COUNT - FLAGS) * KINDS_OF_A_WORD);

/// The first word of flags.
const FLAGS: usize = 2;

/// What a node says of an account, or what a cluster is told of that.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Words(pub [u64; COUNT]);

impl Words {
    /// Of an account that sent and received so many bytes, and carries these flags.
    #[must_use]
    pub fn new(up_bytes: u64, down_bytes: u64, kinds: Kinds) -> Self {
        let mut words = [up_bytes.min(MODULUS - 1), down_bytes.min(MODULUS - 1), 0, 0];
        for (word, bit) in kinds.by_severity().map(place) {
            words[word] |= 1 << bit;
        }
        Self(words)
    }

    /// Bytes sent, and bytes received.
    #[must_use]
    pub const fn bytes(self) -> (u64, u64) {
        (self.0[0], self.0[1])
    }

    /// On how many nodes the account carries a flag of this kind.
    #[must_use]
    pub fn nodes_with(self, kind: Kind) -> u64 {
        let (word, bit) = place(kind);
        self.0[word] >> bit & u64::from(MOST_NODES)
    }

    /// What the second cluster is told where the first one is told `first`.
    #[must_use]
    pub fn without(self, first: Self) -> Self {
        self.each(first, |word, first| word.wrapping_sub(first) % MODULUS)
    }

    /// What two clusters were told together.
    #[must_use]
    pub fn and(self, second: Self) -> Self {
        self.each(second, |first, second| first.wrapping_add(second) % MODULUS)
    }

    /// What a cluster is told where there are two, as random as the key: of this account's tag, week and mark.
    #[must_use]
    pub fn drawn(key: &[u8; 32], of: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        of.iter().for_each(|part| {
            hasher.update(part);
        });
        let mut bytes = [0; 8 * COUNT];
        hasher.finalize_xof().fill(&mut bytes);
        let mut words = [0; COUNT];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes) % MODULUS;
        }
        Self(words)
    }

    /// The words as a cluster keeps them.
    #[must_use]
    pub fn encode(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        for (to, word) in bytes.chunks_exact_mut(WORD_BYTES).zip(self.0) {
            to.copy_from_slice(&word.to_be_bytes()[1..]);
        }
        bytes
    }

    fn each(self, other: Self, what: impl Fn(u64, u64) -> u64) -> Self {
        let mut words = self.0;
        words.iter_mut().zip(other.0).for_each(|(word, other)| *word = what(*word, other));
        Self(words)
    }
}

/// In which word a kind is counted, and from which bit on.
const fn place(kind: Kind) -> (usize, usize) {
    (FLAGS + kind.index() / KINDS_OF_A_WORD, kind.index() % KINDS_OF_A_WORD * KIND_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some() -> impl Strategy<Value = [u64; COUNT]> {
        [0..MODULUS, 0..MODULUS, 0..MODULUS, 0..MODULUS]
    }

    proptest! {
        #[test]
        fn two_shares_are_the_words_again(words in some(), key in any::<[u8; 32]>(), week in any::<u16>()) {
            let first = Words::drawn(&key, &[&week.to_be_bytes()]);
            prop_assert!(Words(words).without(first).and(first) == Words(words));
            prop_assert!(first.0.iter().all(|word| *word < MODULUS));
        }

        #[test]
        fn words_are_kept_as_numbers_of_seven_bytes(words in some()) {
            let bytes = Words(words).encode();
            let read = |at: usize| bytes[7 * at..7 * at + 7].iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            prop_assert_eq!(std::array::from_fn(read), words);
        }
    }

    #[test]
    fn sums_over_the_most_nodes_tell_how_many_raise_each_kind() {
        // Each kind on another number of nodes, the first on all.
        let raised = |kind: Kind| u64::from(MOST_NODES) - kind.index() as u64;
        let of = |node: u64| {
            let mut kinds = Kinds::default();
            Kind::ALL.into_iter().filter(|kind| node < raised(*kind)).for_each(|kind| kinds.add(kind));
            Words::new(1, 2, kinds)
        };
        let sum = (0..MOST_NODES.into()).map(of).fold(Words::default(), Words::and);
        assert_eq!(sum.bytes(), (MOST_NODES.into(), 2 * u64::from(MOST_NODES)));
        for kind in Kind::ALL {
            assert_eq!(sum.nodes_with(kind), raised(kind));
        }
    }

    #[test]
    fn what_is_drawn_differs_by_account_week_and_mark() {
        let drawn = |parts: &[&[u8]]| Words::drawn(&[1; 32], parts);
        let (a, b, c) = (drawn(&[b"a", &[0]]), drawn(&[b"b", &[0]]), drawn(&[b"a", &[1]]));
        assert!(a != b && a != c && b != c);
    }
}
