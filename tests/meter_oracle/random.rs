//! A seeded generator (splitmix64, Steele, Lea and Flood 2014), so that every run of the oracle sees the same captures.

/// The state of one stream of numbers.
pub(super) struct Random(u64);

impl Random {
    /// Starts the stream that belongs to `seed`.
    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Draws 64 bits.
    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Draws 128 bits.
    pub(super) fn wide(&mut self) -> u128 {
        (u128::from(self.draw()) << 64) | u128::from(self.draw())
    }

    /// Draws a number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a bound fits 64 bits");
        usize::try_from(self.draw() % bound).expect("it is below a usize")
    }

    /// Is true once in `chances` draws.
    pub(super) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    /// Picks one of `choices`.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Draws one byte.
    pub(super) fn byte(&mut self) -> u8 {
        self.draw().to_be_bytes()[0]
    }

    /// Draws `length` bytes.
    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }
}
