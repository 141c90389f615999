//! An epsilon as an exact ratio, and into how many shares the budget of an account-day is divided.
//!
//! An account-day is what one account transfers between two midnights, as the epochs count it. Holds
//! numbers of the policy, no traffic; nothing is rounded between the decimal in the configuration and
//! the sampler.

use super::units::DAY_SECONDS;
use alloc::format;
use alloc::string::{String, ToString};

const BILLION: u64 = 1_000_000_000;

/// An epsilon: a decimal above 0 with at most nine places, as a ratio in lowest terms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Epsilon {
    numerator: u64,
    denominator: u64,
}

impl Epsilon {
    /// The epsilon of this many billionths.
    ///
    /// # Panics
    /// When it is 0.
    #[must_use]
    pub const fn of_billionths(billionths: u64) -> Self {
        assert!(billionths != 0, "an epsilon is above 0");
        let (mut divisor, mut rest) = (billionths, BILLION);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Self { numerator: billionths / divisor, denominator: BILLION / divisor }
    }

    /// Parses a decimal as TOML writes it: `1`, `0.25`, `5e-1`, `1_0.0`. None if it is not above 0, has
    /// more than nine places, or is above 1.8e10.
    #[must_use]
    pub fn of_decimal(text: &str) -> Option<Self> {
        let text = text.strip_prefix('+').unwrap_or(text);
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        };
        let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
        let places = places.trim_end_matches(['0', '_']);
        let (mut number, mut count) = (0_u64, 0_i32);
        for (byte, is_place) in
            whole.bytes().map(|byte| (byte, 0)).chain(places.bytes().map(|byte| (byte, 1)))
        {
            match byte {
                b'_' => {}
                b'0'..=b'9' => {
                    number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
                    count += is_place;
                }
                _ => return None,
            }
        }
        let shift = exponent.checked_add(9)?.checked_sub(count)?;
        let power = 10_u64.checked_pow(shift.unsigned_abs())?;
        let billionths = match shift {
            0.. => number.checked_mul(power)?,
            _ if number.is_multiple_of(power) => number / power,
            _ => return None,
        };
        (billionths != 0).then(|| Self::of_billionths(billionths))
    }

    /// The numerator.
    #[must_use]
    pub const fn numerator(self) -> u64 {
        self.numerator
    }

    /// The denominator, a divisor of a billion.
    #[must_use]
    pub const fn denominator(self) -> u64 {
        self.denominator
    }

    /// The epsilon in billionths.
    #[must_use]
    pub const fn billionths(self) -> u64 {
        self.numerator * (BILLION / self.denominator)
    }

    /// The decimal, with at least one place; it parses back to the same value.
    #[must_use]
    pub fn decimal(self) -> String {
        let (whole, places) = (self.billionths() / BILLION, self.billionths() % BILLION);
        let places = format!("{places:09}");
        let places = places.trim_end_matches('0');
        whole.to_string() + "." + if places.is_empty() { "0" } else { places }
    }
}

/// Into how many shares the budget of an account-day is divided: each release spends one.
///
/// An epoch within the day costs one share. One that extends beyond the day costs two: it also holds
/// what the account transferred on the other day, so this day's part can turn the clamped bytes from all
/// up to all down, which is twice the clamp.
/// So an epoch of 1 h spends a 24th, one of 24 h the whole, one of 48 h a half; and however long an epoch
/// is, the releases that include an account-day never spend more than its budget together.
#[must_use]
pub const fn shares_of_a_day(epoch_seconds: u64) -> u64 {
    if DAY_SECONDS.is_multiple_of(epoch_seconds) {
        DAY_SECONDS / epoch_seconds
    } else if epoch_seconds.is_multiple_of(DAY_SECONDS) {
        2
    } else {
        // The epochs within the day, and one that extends beyond it at each end.
        DAY_SECONDS / epoch_seconds + 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epsilon_is_the_decimal_that_was_written_exactly() {
        for (text, numerator, denominator) in [
            ("1.0", 1, 1),
            ("1", 1, 1),
            ("+0.1", 1, 10),
            ("0.3", 3, 10),
            ("0.125", 1, 8),
            ("0.000000001", 1, 1_000_000_000),
            ("0.100000000000000000000000", 1, 10),
            ("5e-1", 1, 2),
            ("0.05E+1", 1, 2),
            ("1_0.2_5", 41, 4),
            ("28800", 28_800, 1),
            ("12e-10", 0, 0),
            ("0.0000000001", 0, 0),
            ("0.30000000000000004", 0, 0),
            ("0", 0, 0),
            ("0.0", 0, 0),
            ("-1.0", 0, 0),
            ("inf", 0, 0),
            ("nan", 0, 0),
            ("1.0.0", 0, 0),
            ("1e99", 0, 0),
            ("99999999999999999999", 0, 0),
            ("0x1", 0, 0),
        ] {
            let found =
                Epsilon::of_decimal(text).map_or((0, 0), |found| (found.numerator, found.denominator));
            assert_eq!(found, (numerator, denominator), "{text}");
        }
    }

    #[test]
    fn an_epsilon_is_written_as_it_reads() {
        for (text, written) in
            [("1", "1.0"), ("0.50", "0.5"), ("0.000000001", "0.000000001"), ("28800", "28800.0")]
        {
            assert_eq!(Epsilon::of_decimal(text).unwrap().decimal(), written);
        }
    }

    /// Walks over every way in which a day may lie among epochs of this length, in steps of `step`
    /// seconds, and returns the most that the epochs it touches cost.
    fn cost_of_the_worst_day(length: u64, step: u64) -> u64 {
        let cost = |begin: u64| {
            let end = begin + DAY_SECONDS;
            (begin / length..end.div_ceil(length))
                .map(|epoch| if epoch * length >= begin && (epoch + 1) * length <= end { 1 } else { 2 })
                .sum()
        };
        (0..length).step_by(usize::try_from(step).unwrap()).map(cost).max().unwrap_or(0)
    }

    #[test]
    fn the_budget_of_an_account_day_is_fixed_whatever_the_length_of_an_epoch() {
        for length in (1..36 * DAY_SECONDS).filter(|length| *length <= 86_400 || length.is_multiple_of(600)) {
            let shares = shares_of_a_day(length);
            if DAY_SECONDS.is_multiple_of(length) {
                // Epochs begin at multiples of their length, and so do days.
                assert_eq!(shares * length, DAY_SECONDS);
            } else if length.is_multiple_of(600) {
                let worst = cost_of_the_worst_day(
                    length,
                    if length.is_multiple_of(DAY_SECONDS) { DAY_SECONDS } else { 600 },
                );
                assert!(worst <= shares, "{length} s: {worst} of {shares} shares");
            }
        }
        assert_eq!([3600, 6 * 3600, DAY_SECONDS, 2 * DAY_SECONDS].map(shares_of_a_day), [24, 4, 1, 2]);
    }
}
