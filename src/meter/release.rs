//! From sealed totals to a [`Release`]: the only thing of traffic that may be published.
//!
//! A release has no public constructor but [`Release::none`] (before the first) and
//! [`Release::coarse`] (after the gate). Holds no account, no address, no time.
//!
//! Coarse mode: no noise on the totals, which are rounded to the step q; a noisy crowd gate; no
//! release when one account makes more than a quarter of a direction; what is held back is
//! dropped, not carried over. A quiet week of one user, released in a crowd on the eighth day,
//! would be that user's week.

use super::ledger::Sealed;
use super::noise::{Randomness, Scale, discrete_laplace};
use super::policy::{DOMINANCE_DIVISOR, GATE_SCALE, Policy};

/// The kinds of irregularity, in the order of `blindmeter_epoch_irregular_accounts{kind}`.
pub const KINDS: [&str; 6] = ["heavy", "pktflood", "stall", "surge", "updrift", "upload"];

/// Packet counts are published from this power of two on.
const PACKETS_FROM: u64 = 1024;

/// What one epoch publishes. Its fields are read, never set, outside this file.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Release {
    ordinal: u64,
    up_bytes: i64,
    down_bytes: i64,
    suppressed: bool,
    unattributed_up_bytes: u64,
    unattributed_down_bytes: u64,
    lost_packets: u64,
    malformed_packets: u64,
}

impl Release {
    /// What stands in `/metrics` before the first release: ordinal 0 and zeros.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The release of a sealed epoch in coarse mode.
    pub(super) fn coarse(
        ordinal: u64,
        sealed: &Sealed,
        policy: &Policy,
        randomness: &mut impl Randomness,
    ) -> Self {
        let step = policy.rounding_step();
        let suppressed = !crowd_is_enough(sealed.active_accounts, policy.crowd, randomness)
            || one_account_dominates(sealed);
        let shown = |bytes: u64| if suppressed { 0 } else { rounded(bytes, step) };
        Self {
            ordinal,
            up_bytes: shown(sealed.attributed.up.bytes),
            down_bytes: shown(sealed.attributed.down.bytes),
            suppressed,
            unattributed_up_bytes: coarse_count(sealed.unattributed.up.bytes, step),
            unattributed_down_bytes: coarse_count(sealed.unattributed.down.bytes, step),
            lost_packets: coarse_count(sealed.lost.packets(), PACKETS_FROM),
            malformed_packets: coarse_count(sealed.malformed.packets(), PACKETS_FROM),
        }
    }

    /// How many words stand for a release.
    pub const WORDS: usize = 8;

    /// The release as words, for the store.
    #[must_use]
    pub fn words(&self) -> [u64; Self::WORDS] {
        [
            self.ordinal,
            self.up_bytes.cast_unsigned(),
            self.down_bytes.cast_unsigned(),
            u64::from(self.suppressed),
            self.unattributed_up_bytes,
            self.unattributed_down_bytes,
            self.lost_packets,
            self.malformed_packets,
        ]
    }

    /// A release that was drawn before and comes back from the store, which alone may call this.
    pub(crate) fn of_words(words: [u64; Self::WORDS]) -> Self {
        let [ordinal, up, down, suppressed, unattributed_up, unattributed_down, lost, malformed] = words;
        Self {
            ordinal,
            up_bytes: up.cast_signed(),
            down_bytes: down.cast_signed(),
            suppressed: suppressed != 0,
            unattributed_up_bytes: unattributed_up,
            unattributed_down_bytes: unattributed_down,
            lost_packets: lost,
            malformed_packets: malformed,
        }
    }

    /// Ordinal of the epoch; 0 before the first.
    #[must_use]
    pub fn ordinal(&self) -> u64 {
        self.ordinal
    }
    /// Attributed bytes from accounts into the VPN, a multiple of the rounding step.
    #[must_use]
    pub fn up_bytes(&self) -> i64 {
        self.up_bytes
    }
    /// Attributed bytes from the VPN to accounts, a multiple of the rounding step.
    #[must_use]
    pub fn down_bytes(&self) -> i64 {
        self.down_bytes
    }
    /// True when the crowd gate or the dominance rule held the epoch back.
    #[must_use]
    pub fn suppressed(&self) -> bool {
        self.suppressed
    }
    /// Bytes into the VPN from addresses that no account owns, coarse.
    #[must_use]
    pub fn unattributed_up_bytes(&self) -> u64 {
        self.unattributed_up_bytes
    }
    /// Bytes out of the VPN to addresses that no account owns, coarse.
    #[must_use]
    pub fn unattributed_down_bytes(&self) -> u64 {
        self.unattributed_down_bytes
    }
    /// Packets that the tap knows it missed, coarse.
    #[must_use]
    pub fn lost_packets(&self) -> u64 {
        self.lost_packets
    }
    /// Packets whose IP header could not be read, coarse.
    #[must_use]
    pub fn malformed_packets(&self) -> u64 {
        self.malformed_packets
    }
}

/// The gate is noisy: "suppressed" must not tell 19 accounts from 20.
fn crowd_is_enough(active: u64, crowd: u64, randomness: &mut impl Randomness) -> bool {
    let noise = discrete_laplace(randomness, Scale::new(GATE_SCALE.into(), 1));
    i128::from(active).saturating_add(noise) >= i128::from(crowd)
}

/// Each direction is a figure of its own: who makes most of one is told by it.
fn one_account_dominates(sealed: &Sealed) -> bool {
    sealed.largest_up_bytes > sealed.attributed.up.bytes / DOMINANCE_DIVISOR
        || sealed.largest_down_bytes > sealed.attributed.down.bytes / DOMINANCE_DIVISOR
}

/// To the nearest multiple of the step, a half upwards.
fn rounded(bytes: u64, step: u64) -> i64 {
    let steps = u128::from(bytes) + u128::from(step / 2);
    let multiple = steps / u128::from(step) * u128::from(step);
    i64::try_from(multiple).unwrap_or(i64::MAX)
}

/// Rounded up to a power of two, from a least one on; 0 stays 0.
fn coarse_count(count: u64, from: u64) -> u64 {
    if count == 0 { 0 } else { count.max(from).checked_next_power_of_two().unwrap_or(1 << 63) }
}

#[cfg(test)]
mod tests {
    use super::super::units::{Totals, Volume};
    use super::*;

    /// Draws that make every discrete Laplace sample 0: not the tail, not the high part, not
    /// negative.
    struct Quiet(u64);
    impl Randomness for Quiet {
        fn next_word(&mut self) -> u64 {
            // Low part 0, kept; exp(-1) fails at its second draw, so the high part is 0; positive.
            let word = [0, 0, 1, 0][usize::try_from(self.0 % 4).unwrap()];
            self.0 += 1;
            word
        }
    }

    const POLICY: Policy = Policy::DEFAULT;

    fn sealed(active_accounts: u64, up: u64, largest_up: u64) -> Sealed {
        Sealed {
            attributed: Totals {
                up: Volume { bytes: up, packets: 9 },
                down: Volume { bytes: up, packets: 9 },
            },
            largest_up_bytes: largest_up,
            largest_down_bytes: 0,
            active_accounts,
            ..Sealed::default()
        }
    }

    #[test]
    fn totals_are_rounded_to_the_step() {
        let q = 1_u64 << 34;
        for (bytes, shown) in [(4 * q, 4 * q), (4 * q + q / 2, 5 * q), (4 * q + q / 2 - 1, 4 * q)] {
            let release = Release::coarse(3, &sealed(100, bytes, q), &POLICY, &mut Quiet(0));
            assert!(!release.suppressed() && release.ordinal() == 3);
            assert_eq!(release.up_bytes(), i64::try_from(shown).unwrap());
        }
    }

    #[test]
    fn a_small_crowd_suppresses_and_a_large_one_does_not() {
        for (active, suppressed) in [(0, true), (19, true), (20, false), (1000, false)] {
            let release = Release::coarse(1, &sealed(active, 1 << 40, 1), &POLICY, &mut Quiet(0));
            assert!(release.suppressed() == suppressed, "{active}");
            assert!(suppressed == (release.up_bytes() == 0));
        }
    }

    #[test]
    fn one_account_above_a_quarter_of_a_direction_suppresses() {
        let total = 1_u64 << 40;
        for (largest, suppressed) in [(total / 4, false), (total / 4 + 1, true), (total, true)] {
            let release = Release::coarse(1, &sealed(50, total, largest), &POLICY, &mut Quiet(0));
            assert!(release.suppressed() == suppressed);
            assert!(suppressed == (release.down_bytes() == 0));
        }
    }

    #[test]
    fn coarse_counts_are_powers_of_two_from_their_least() {
        for (count, from, shown) in
            [(0, 1024, 0), (1, 1024, 1024), (1024, 1024, 1024), (1025, 1024, 2048), (u64::MAX, 64, 1 << 63)]
        {
            assert_eq!(coarse_count(count, from), shown);
        }
    }
}
