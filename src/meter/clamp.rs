//! What one account may add to the sums of a release: its bytes of an epoch, limited to the clamp.
//!
//! Holds exact sums over accounts and epochs; they cannot be printed, and each enters one release.
//! The clamp bounds the noise: with or without one account, the pair of sums differs by at most the
//! clamp (both directions together).

use super::units::Totals;

/// Bytes up and down of one account and epoch, scaled so that their sum is min(up + down, clamp).
///
/// Up is rounded down, and down is the rest: the two always add up to that sum, neither exceeds what was
/// counted, and each is less than one byte off the exact share.
#[must_use]
pub fn clamped(totals: Totals, clamp_bytes: u64) -> (u64, u64) {
    let (up, down) = (totals.up.bytes, totals.down.bytes);
    let both = u128::from(up) + u128::from(down);
    if both <= u128::from(clamp_bytes) {
        return (up, down);
    }
    // At most the clamp, since up is at most both.
    let share = u128::from(up) * u128::from(clamp_bytes) / both;
    let up = u64::try_from(share).unwrap_or(clamp_bytes);
    (up, clamp_bytes - up)
}

/// Clamped bytes up and down, summed over accounts and epochs.
///
/// 128 bits: 2^24 accounts of 2^64 bytes each fit for 2^40 epochs.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    pub(super) up_bytes: u128,
    pub(super) down_bytes: u128,
}

impl Sums {
    /// What one account adds in one epoch.
    #[must_use]
    pub fn of(totals: Totals, clamp_bytes: u64) -> Self {
        let (up, down) = clamped(totals, clamp_bytes);
        Self { up_bytes: up.into(), down_bytes: down.into() }
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            up_bytes: self.up_bytes.saturating_add(other.up_bytes),
            down_bytes: self.down_bytes.saturating_add(other.down_bytes),
        }
    }

    /// The sums as numbers, for the store.
    #[must_use]
    pub(crate) fn words(self) -> [u128; 2] {
        [self.up_bytes, self.down_bytes]
    }

    /// Sums read back from the store; only the store may call this.
    #[must_use]
    pub(crate) fn of_words([up_bytes, down_bytes]: [u128; 2]) -> Self {
        Self { up_bytes, down_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::super::units::Volume;
    use super::*;

    fn totals(up: u64, down: u64) -> Totals {
        Totals { up: Volume { bytes: up, packets: 1 }, down: Volume { bytes: down, packets: 1 } }
    }

    #[test]
    fn below_the_clamp_bytes_are_as_they_were_counted() {
        assert_eq!(clamped(totals(0, 0), 10), (0, 0));
        assert_eq!(clamped(totals(3, 7), 10), (3, 7));
    }

    #[test]
    fn above_the_clamp_both_directions_keep_their_proportion() {
        assert_eq!(clamped(totals(30, 10), 20), (15, 5));
        assert_eq!(clamped(totals(1, 10), 10), (0, 10));
        assert_eq!(clamped(totals(10, 1), 10), (9, 1));
        assert_eq!(clamped(totals(u64::MAX, 0), 10), (10, 0));
        let half = 1 << 49;
        assert_eq!(clamped(totals(u64::MAX, u64::MAX), 1 << 50), (half, half));
    }
}
