//! Exact discrete Laplace noise, in integers only.
//!
//! Holds no source of randomness: it is passed in. No floating point: the low bits of a rounded
//! `f64` sample betray the value under it (Mironov, "On significance of the least significant
//! bits for differential privacy", CCS 2012).
//!
//! # Source
//! Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), algorithms
//! 1 and 2.

/// Uniform random words. The daemon's come from the kernel; a test's from a seed.
pub trait Randomness {
    /// The next 64 uniform bits.
    fn next_word(&mut self) -> u64;
}

/// Uniform in `0..bound`, exactly: words that would favour low results are drawn again.
fn uniform(randomness: &mut impl Randomness, bound: u64) -> u64 {
    let unfair = u64::MAX - u64::MAX % bound;
    loop {
        let word = randomness.next_word();
        if word < unfair {
            return word % bound;
        }
    }
}

/// True with probability exp(-numerator/denominator), for a ratio of at most 1.
fn exp_of_at_most_one(randomness: &mut impl Randomness, numerator: u64, denominator: u64) -> bool {
    let mut k = 1_u64;
    loop {
        // True with probability (numerator/denominator)/k, as two independent draws.
        let lives = uniform(randomness, denominator) < numerator && uniform(randomness, k) == 0;
        if !lives {
            return k % 2 == 1;
        }
        k += 1;
    }
}

/// One sample of the discrete Laplace distribution of scale `scale` (a whole number, at least 1).
///
/// P(x) is proportional to exp(-|x|/scale). The range is all integers; a sample beyond 2^62 has
/// a probability below exp(-2^62/scale) and is held there.
pub fn discrete_laplace(randomness: &mut impl Randomness, scale: u64) -> i64 {
    let scale = scale.max(1);
    loop {
        let low = uniform(randomness, scale);
        if !exp_of_at_most_one(randomness, low, scale) {
            continue;
        }
        let mut high = 0_u64;
        while exp_of_at_most_one(randomness, 1, 1) {
            high += 1;
        }
        let magnitude = high.saturating_mul(scale).saturating_add(low).min(1 << 62);
        let negative = uniform(randomness, 2) == 1;
        if negative && magnitude == 0 {
            continue;
        }
        let magnitude = i64::try_from(magnitude).unwrap_or(1 << 62);
        return if negative { -magnitude } else { magnitude };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct SplitMix(u64);

    impl Randomness for SplitMix {
        fn next_word(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }
    }

    /// Chi-square of 200,000 samples against the closed form, over the 21 central values.
    #[test]
    fn samples_follow_the_discrete_laplace_distribution() {
        let samples = 200_000_u32;
        for (seed, scale) in [(1, 1_u64), (2, 2), (3, 4)] {
            let mut randomness = SplitMix(seed);
            let mut seen = [0_u32; 21];
            for _ in 0..samples {
                let value = discrete_laplace(&mut randomness, scale);
                if let Ok(at) = usize::try_from(value + 10)
                    && at < seen.len()
                {
                    seen[at] += 1;
                }
            }
            let ratio = (-1.0 / f64::from(u32::try_from(scale).unwrap())).exp();
            let mut chi_square = 0.0;
            for (at, count) in seen.iter().enumerate() {
                let distance = i32::try_from(at).unwrap() - 10;
                let expected =
                    f64::from(samples) * (1.0 - ratio) / (1.0 + ratio) * ratio.powi(distance.abs());
                if expected > 5.0 {
                    chi_square += (f64::from(*count) - expected).powi(2) / expected;
                }
            }
            // 99.99 % quantile of chi-square with 20 degrees of freedom is 52.4.
            assert!(chi_square < 52.4, "scale {scale}: chi-square {chi_square}");
        }
    }
}
