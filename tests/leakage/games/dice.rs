//! Randomness of the games: every number comes from the seed of the run, by a named stream, so that a
//! run can be had again and no game shifts the numbers of another. No cryptography, nothing of the
//! product's own noise.

use blindmeter::meter::noise::Randomness;

/// splitmix64.
///
/// # Source
/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream of these numbers: a seed, then whatever tells one use from another.
    pub(crate) fn of(parts: &[u64]) -> Self {
        let mut dice = Self(0x6c65_616b_6167_6531);
        for part in parts {
            dice.0 ^= part.wrapping_mul(0x2545_f491_4f6c_dd1d);
            dice.0 = dice.word();
        }
        dice
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Nearly uniform in `0..end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = end as u64;
        usize::try_from(self.word() % end).expect("below an index")
    }

    /// Uniform in (0, 1).
    pub(crate) fn share(&mut self) -> f64 {
        ((self.word() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let (radius, angle) = ((-2.0 * self.share().ln()).sqrt(), std::f64::consts::TAU * self.share());
        radius * angle.cos()
    }

    /// Log-normal around a median.
    pub(crate) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Exponential with mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -self.share().ln()
    }

    /// An index, each as likely as its weight.
    pub(crate) fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u32 = weights.iter().sum();
        let mut left = u32::try_from(self.below(total as usize)).expect("below a u32");
        weights
            .iter()
            .position(|weight| {
                let here = left < *weight;
                left = left.saturating_sub(*weight);
                here
            })
            .expect("the weights add up to the total")
    }
}

impl Randomness for Dice {
    fn next_word(&mut self) -> u64 {
        self.word()
    }
}

/// Whole part of a number that is not negative and fits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the clamp before")]
pub(crate) fn whole(value: f64) -> u64 {
    value.clamp(0.0, 9e18) as u64
}
