//! The generator of all tests: every number follows from a seed, so that a run can be had again. No
//! cryptography, nothing of the product's own noise.

use blindmeter::meter::noise::Randomness;

/// splitmix64.
///
/// # Source
/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The stream that belongs to this seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream of these numbers: a seed, then whatever tells one use from another.
    pub(crate) fn of(parts: &[u64]) -> Self {
        let mut rng = Self(0x6c65_616b_6167_6531);
        for part in parts {
            rng.0 ^= part.wrapping_mul(0x2545_f491_4f6c_dd1d);
            rng.0 = rng.word();
        }
        rng
    }

    /// 64 bits.
    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// 128 bits.
    pub(crate) fn wide(&mut self) -> u128 {
        (u128::from(self.word()) << 64) | u128::from(self.word())
    }

    /// 8 bits.
    pub(crate) fn byte(&mut self) -> u8 {
        self.word().to_be_bytes()[0]
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    /// Nearly uniform in `0..end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.below_u64(end as u64)).expect("below a usize")
    }

    /// The same of a number of 64 bits.
    pub(crate) fn below_u64(&mut self, end: u64) -> u64 {
        self.word() % end
    }

    /// Nearly uniform in `low..=high`.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True once in so many draws.
    pub(crate) fn one_in(&mut self, draws: usize) -> bool {
        self.below(draws) == 0
    }

    /// One of the choices.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

impl Randomness for Rng {
    fn next_word(&mut self) -> u64 {
        self.word()
    }
}
