//! Counts as numbers and back, and the logarithm: alike on every machine.
//!
//! Pure functions, without any number of their own.

/// A count as a number to calculate with: exact up to 2^53, and to one part in 10^15 above.
#[expect(clippy::cast_precision_loss, reason = "thresholds are far coarser than the rounding")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}

/// The nearest count; what is out of range saturates.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from floating point saturates"
)]
pub(super) fn count(number: f64) -> u64 {
    libm::rint(number) as u64
}

/// The natural logarithm, alike on every machine. Of a positive number: never NaN, never infinite.
pub(super) fn ln(number: f64) -> f64 {
    libm::log(number)
}

/// As levels are kept: to one part in 10^7.
#[expect(clippy::cast_possible_truncation, reason = "no feature is near the ends of what an f32 holds")]
pub(super) fn kept(number: f64) -> f32 {
    number as f32
}
