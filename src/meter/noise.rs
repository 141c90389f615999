//! Exact discrete Laplace noise, in integers only.
//!
//! Randomness is passed in. No floating point: the low bits of a rounded `f64` sample betray the value
//! under it (Mironov, "On significance of the least significant bits for differential privacy", CCS
//! 2012).
//!
//! How words become samples is fixed, so that another implementation draws the same samples from the
//! same words (`tests/noise/reference.py` does):
//!
//! - A uniform number below 1 takes no word; below a bound of at most 2^64 it takes one word per try,
//!   below a larger bound two, the high half first. A try at or above the largest multiple of the bound
//!   is rejected; otherwise the remainder is the result, so no result is favoured.
//! - exp(-n/d): the k-th draw, k from 1, is a uniform number below d k, and succeeds if it is below n.
//! - A sample: the low part, whether it is kept, the high part, the sign.
//!
//! # Source
//! Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), algorithms
//! 1 and 2.

/// Uniform random words. The daemon's come from the kernel; a test's from a seed.
pub trait Randomness {
    /// The next 64 uniform bits.
    fn next_word(&mut self) -> u64;
}

/// The scale of a discrete Laplace distribution: a ratio above 0, in lowest terms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    numerator: u128,
    denominator: u128,
}

impl Scale {
    /// The largest numerator: the sampler multiplies it by small numbers in 128 bits.
    pub const CEILING: u128 = 1 << 112;

    /// The ratio of two numbers.
    ///
    /// # Panics
    /// When one of them is 0, or the numerator is above [`Scale::CEILING`].
    #[must_use]
    pub const fn new(numerator: u128, denominator: u128) -> Self {
        assert!(numerator != 0 && denominator != 0 && numerator <= Self::CEILING, "a scale in range");
        let (mut divisor, mut rest) = (numerator, denominator);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Self { numerator: numerator / divisor, denominator: denominator / divisor }
    }

    /// The numerator.
    #[must_use]
    pub const fn numerator(self) -> u128 {
        self.numerator
    }

    /// The denominator.
    #[must_use]
    pub const fn denominator(self) -> u128 {
        self.denominator
    }

    /// The standard deviation of the distribution, to the nearest whole, for scales of 1 to 2^90: the
    /// square root of 2 times the scale, which is less than 0.1 above the exact one.
    #[must_use]
    pub const fn standard_deviation(self) -> u128 {
        const BILLION: u128 = 1_000_000_000;
        let whole = self.numerator.saturating_mul(1_414_213_562);
        let divisor = self.denominator.saturating_mul(BILLION);
        whole.saturating_add(divisor / 2) / divisor
    }
}

/// Uniform in `0..bound`, exactly. `bound` is at least 1.
fn uniform(randomness: &mut impl Randomness, bound: u128) -> u128 {
    if bound == 1 {
        return 0;
    }
    let one_word = bound <= 1 << 64;
    let largest = if one_word { u128::from(u64::MAX) } else { u128::MAX };
    // How many tries would favour low results: the remainder of their number divided by the bound.
    let unfair = (largest % bound + 1) % bound;
    loop {
        let mut word = u128::from(randomness.next_word());
        if !one_word {
            word = word << 64 | u128::from(randomness.next_word());
        }
        if word <= largest - unfair {
            return word % bound;
        }
    }
}

/// True with probability exp(-numerator/denominator), for a ratio of at most 1: algorithm 1.
fn exp_of_at_most_one(randomness: &mut impl Randomness, numerator: u128, denominator: u128) -> bool {
    let mut k = 1_u128;
    // Saturating: k beyond 2^15 has a probability below 1 in the factorial of 2^15.
    while uniform(randomness, denominator.saturating_mul(k)) < numerator {
        k += 1;
    }
    k % 2 == 1
}

/// One sample of the geometric distribution with P(x) proportional to exp(-x/scale), from 0 on: the inner part of
/// algorithm 2. Values beyond 127 bits saturate.
fn geometric(randomness: &mut impl Randomness, scale: Scale) -> u128 {
    let Scale { numerator, denominator } = scale;
    loop {
        let low = uniform(randomness, numerator);
        if !exp_of_at_most_one(randomness, low, numerator) {
            continue;
        }
        let mut high = 0_u128;
        while exp_of_at_most_one(randomness, 1, 1) {
            high += 1;
        }
        return high.saturating_mul(numerator).saturating_add(low) / denominator;
    }
}

/// One sample of the discrete Laplace distribution of this scale: algorithm 2.
///
/// P(x) is proportional to exp(-|x|/scale). The range is all integers; values beyond 127 bits, with a
/// probability below exp(-2^15), saturate.
pub fn discrete_laplace(randomness: &mut impl Randomness, scale: Scale) -> i128 {
    loop {
        let magnitude = geometric(randomness, scale);
        let negative = uniform(randomness, 2) == 1;
        if negative && magnitude == 0 {
            continue;
        }
        let magnitude = i128::try_from(magnitude).unwrap_or(i128::MAX);
        return if negative { -magnitude } else { magnitude };
    }
}

/// One of so many shares of a sample of the discrete Laplace distribution of this scale: the sum of that many independent
/// shares is distributed as one sample, that of more as a sample and more.
///
/// A sample is the difference of two geometric ones, and a geometric one is the sum of negative binomial shares with
/// the parameter 1/shares.
/// Such a share is drawn from a geometric sample, as the part of a Pólya urn that is one colour's: of `shares` colours
/// with the weight 1/shares each, as many draws. The draws fall into blocks of one colour, which are as long as
/// the cycles of a random permutation, and each block's colour is uniform.
///
/// # Source
/// Infinite divisibility: Kotz, Kozubowski, Podgórski, "The Laplace Distribution and Generalizations" (2001), 2.4; for
/// noise of many parties Harrison and Manurangsi, FORC 2025. Blocks: Blackwell and MacQueen, Annals of Statistics 1
/// (1973); Arratia, Barbour, Tavaré, "Logarithmic Combinatorial Structures" (2003), 1.1, for the cycles.
pub fn laplace_share(randomness: &mut impl Randomness, scale: Scale, shares: u64) -> i128 {
    let mut part = || {
        let mut left = geometric(randomness, scale);
        let mut part = 0_u128;
        while left > 0 {
            let block = uniform(randomness, left) + 1;
            left -= block;
            if uniform(randomness, shares.max(1).into()) == 0 {
                part += block;
            }
        }
        i128::try_from(part).unwrap_or(i128::MAX)
    };
    let (above, below) = (part(), part());
    above - below
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out these words.
    struct FixedWords<'a>(core::slice::Iter<'a, u64>);

    impl Randomness for FixedWords<'_> {
        fn next_word(&mut self) -> u64 {
            *self.0.next().expect("a word is left")
        }
    }

    /// What is drawn from these words, and how many are left.
    fn drawn(words: &[u64], bound: u128) -> (u128, usize) {
        let mut fixed = FixedWords(words.iter());
        (uniform(&mut fixed, bound), fixed.0.len())
    }

    #[test]
    fn words_that_would_favour_low_results_are_rejected() {
        const TOP: u64 = u64::MAX;
        // 2^64 is 3 k + 1: only the top word is rejected.
        assert_eq!(drawn(&[TOP, TOP - 1], 3), (2, 0));
        assert_eq!(drawn(&[7], 1), (0, 1));
        assert_eq!(drawn(&[TOP], 1 << 63), ((1 << 63) - 1, 0));
        assert_eq!(drawn(&[TOP], 1 << 64), (u128::from(TOP), 0));
        // Above 2^64, two words, the high one first; 2^128 is 1 modulo 2^64 + 1.
        assert_eq!(drawn(&[1, 0], (1 << 64) + 1), (1 << 64, 0));
        assert_eq!(drawn(&[TOP, TOP, 0, 5], (1 << 64) + 1), (5, 0));
        assert_eq!(drawn(&[TOP, TOP], 1 << 112), ((1 << 112) - 1, 0));
    }

    #[test]
    fn a_scale_is_in_lowest_terms() {
        let scale = Scale::new(24 * 50 * (1 << 30), 6);
        assert_eq!((scale.numerator(), scale.denominator()), (4 * 50 * (1 << 30), 1));
        assert!(Scale::new(6, 4) == Scale::new(3, 2));
    }

    #[test]
    fn the_standard_deviation_is_that_of_the_distribution() {
        for (numerator, denominator) in [(1, 1), (10, 3), (5, 1), (1280, 1), (20 << 30, 1), (1 << 90, 1)] {
            let scale = Scale::new(numerator, denominator);
            let rate = denominator as f64 / numerator as f64;
            let exact = 2.0_f64.sqrt() * (-rate / 2.0).exp() / -(-rate).exp_m1();
            let found = scale.standard_deviation() as f64;
            assert!((found - exact).abs() <= 0.6_f64.max(exact * 1e-9), "{found} for {exact}");
        }
    }
}
