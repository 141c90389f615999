//! Distributions that the games draw from. Every number comes from the seed of the run, by a named stream,
//! so that a run can be had again and no game shifts the numbers of another.

use crate::support::rng::Rng;

impl Rng {
    /// Uniform in (0, 1).
    pub(crate) fn share(&mut self) -> f64 {
        ((self.word() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// Uniform in `low..high`.
    pub(crate) fn uniform(&mut self, low: f64, high: f64) -> f64 {
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

/// Whole part of a number that is not negative and fits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the clamp before")]
pub(crate) fn whole(value: f64) -> u64 {
    value.clamp(0.0, 9e18) as u64
}
