//! From sealed totals to a [`Release`]: the only thing about traffic that may be published.
//!
//! A release has no public constructor but [`Release::none`] (before the first); the core makes one from
//! a sealed epoch, after the gate. Holds no account, no address, no time.
//!
//! Noisy mode: the clamped sums get discrete Laplace noise, then are rounded to the step q (noise first:
//! rounding cannot undo it); [`super::epoch`] carries over what the noisy crowd gate holds back. Flag
//! counts have separate noise.
//!
//! Coarse mode: the totals get no noise and are rounded to the step q; the crowd gate is noisy; there is
//! no release when one account makes up more than a quarter of a direction; what is held back is dropped,
//! not carried over. One user's week alone, released in a crowd on the eighth day, would be that user's
//! week.

use super::flag_counts::{FlagCounts, KINDS};
use super::ledger::Sealed;
use super::noise::{Randomness, Scale, discrete_laplace};
use super::policy::{ACCOUNTS_STEP, ATTEMPTS_FROM, DOMINANCE_DIVISOR, PACKETS_FROM, Policy};

/// What one epoch publishes. Outside this file its fields can be read but not set.
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
    irregular_accounts: [u64; KINDS.len()],
    mass_event: bool,
    interrupted: bool,
    failed_attempts: u64,
}

impl Release {
    /// What `/metrics` shows before the first release: ordinal 0 and zeros.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The release of a sealed epoch in noisy mode: its clamped sums, including what was carried over,
    /// each with noise of this scale.
    pub(super) fn noisy(
        ordinal: u64,
        sealed: &Sealed,
        raised: &FlagCounts,
        (policy, scale): (&Policy, Scale),
        randomness: &mut impl Randomness,
    ) -> Self {
        let suppressed = !crowd_is_enough(sealed.active_accounts, policy, randomness);
        let mut shown = |bytes: u128| {
            if suppressed { 0 } else { rounded(noised(bytes, scale, randomness), policy.rounding_step()) }
        };
        let (up_bytes, down_bytes) = (shown(sealed.clamped.up_bytes), shown(sealed.clamped.down_bytes));
        let irregular_accounts = raised.accounts.map(|accounts| {
            let accounts = noised(accounts.into(), policy.flag_scale(), randomness);
            u64::try_from(rounded(accounts, ACCOUNTS_STEP)).unwrap_or(0)
        });
        let rest = Self::without_noise(ordinal, sealed, raised, policy);
        Self { up_bytes, down_bytes, suppressed, irregular_accounts, ..rest }
    }

    /// The release of a sealed epoch in coarse mode.
    pub(super) fn coarse(
        ordinal: u64,
        sealed: &Sealed,
        raised: &FlagCounts,
        policy: &Policy,
        randomness: &mut impl Randomness,
    ) -> Self {
        let suppressed =
            !crowd_is_enough(sealed.active_accounts, policy, randomness) || one_account_dominates(sealed);
        let shown = |bytes: u64| if suppressed { 0 } else { rounded(bytes.into(), policy.rounding_step()) };
        Self {
            up_bytes: shown(sealed.attributed.up.bytes),
            down_bytes: shown(sealed.attributed.down.bytes),
            suppressed,
            // Rounded down to a multiple of 8.
            irregular_accounts: raised.accounts.map(|accounts| accounts / ACCOUNTS_STEP * ACCOUNTS_STEP),
            ..Self::without_noise(ordinal, sealed, raised, policy)
        }
    }

    /// The part that belongs to no account, or to many, and is coarse in every mode.
    fn without_noise(ordinal: u64, sealed: &Sealed, raised: &FlagCounts, policy: &Policy) -> Self {
        let step = policy.rounding_step();
        Self {
            ordinal,
            unattributed_up_bytes: coarse_count(sealed.unattributed.up.bytes, step),
            unattributed_down_bytes: coarse_count(sealed.unattributed.down.bytes, step),
            lost_packets: coarse_count(sealed.lost.packets(), PACKETS_FROM),
            malformed_packets: coarse_count(sealed.malformed.packets(), PACKETS_FROM),
            mass_event: raised.mass_event,
            interrupted: raised.interrupted,
            failed_attempts: coarse_count(raised.failed_attempts, ATTEMPTS_FROM),
            ..Self::none()
        }
    }

    /// How many words encode a release.
    pub const WORDS: usize = 11 + KINDS.len();

    /// The release as words, for the store.
    #[must_use]
    pub fn words(&self) -> [u64; Self::WORDS] {
        let [heavy, pktflood, stall, surge, updrift, upload] = self.irregular_accounts;
        [
            self.ordinal,
            self.up_bytes.cast_unsigned(),
            self.down_bytes.cast_unsigned(),
            u64::from(self.suppressed),
            self.unattributed_up_bytes,
            self.unattributed_down_bytes,
            self.lost_packets,
            self.malformed_packets,
            u64::from(self.mass_event),
            u64::from(self.interrupted),
            self.failed_attempts,
            heavy,
            pktflood,
            stall,
            surge,
            updrift,
            upload,
        ]
    }

    /// A release drawn earlier and read back from the store; only the store may call this.
    pub(crate) fn of_words(words: [u64; Self::WORDS]) -> Self {
        let [ordinal, up, down, suppressed, unattributed_up, unattributed_down, rest @ ..] = words;
        let [lost, malformed, mass_event, interrupted, failed_attempts, irregular_accounts @ ..] = rest;
        Self {
            ordinal,
            up_bytes: up.cast_signed(),
            down_bytes: down.cast_signed(),
            suppressed: suppressed != 0,
            unattributed_up_bytes: unattributed_up,
            unattributed_down_bytes: unattributed_down,
            lost_packets: lost,
            malformed_packets: malformed,
            irregular_accounts,
            mass_event: mass_event != 0,
            interrupted: interrupted != 0,
            failed_attempts,
        }
    }

    /// Ordinal of the epoch; 0 before the first.
    #[must_use]
    pub fn ordinal(&self) -> u64 {
        self.ordinal
    }
    /// Attributed bytes from accounts into the VPN, a multiple of the rounding step; negative if noise
    /// makes it so.
    #[must_use]
    pub fn up_bytes(&self) -> i64 {
        self.up_bytes
    }
    /// Attributed bytes from the VPN to accounts; see [`Release::up_bytes`].
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
    /// Flagged accounts by kind, in the order of [`KINDS`]: multiples of 8, with noise in noisy mode.
    #[must_use]
    pub fn irregular_accounts(&self) -> [u64; KINDS.len()] {
        self.irregular_accounts
    }
    /// True when too many accounts were irregular to list them.
    #[must_use]
    pub fn mass_event(&self) -> bool {
        self.mass_event
    }
    /// True when the node itself looked interrupted.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }
    /// Failed log-ins that hooks reported, coarse.
    #[must_use]
    pub fn failed_attempts(&self) -> u64 {
        self.failed_attempts
    }
}

/// The gate is noisy: "suppressed" must not distinguish 19 accounts from 20.
fn crowd_is_enough(active: u64, policy: &Policy, randomness: &mut impl Randomness) -> bool {
    noised(active.into(), policy.gate_scale(), randomness) >= policy.crowd.into()
}

/// Each direction is a separate figure, which would reveal an account that makes up most of it.
fn one_account_dominates(sealed: &Sealed) -> bool {
    sealed.largest_up_bytes > sealed.attributed.up.bytes / DOMINANCE_DIVISOR
        || sealed.largest_down_bytes > sealed.attributed.down.bytes / DOMINANCE_DIVISOR
}

/// A count plus noise of this scale.
fn noised(count: u128, scale: Scale, randomness: &mut impl Randomness) -> i128 {
    i128::try_from(count).unwrap_or(i128::MAX).saturating_add(discrete_laplace(randomness, scale))
}

/// Rounds to the nearest multiple of the step (a power of two up to 2^62), halves upwards; saturates at
/// the multiples that fit.
fn rounded(value: i128, step: u64) -> i64 {
    let (step, least, most) = (i128::from(step), i128::from(i64::MIN), i128::from(i64::MAX) + 1);
    let multiple = value.saturating_add(step / 2).div_euclid(step).saturating_mul(step);
    i64::try_from(multiple.clamp(least, most - step)).unwrap_or(0)
}

/// Rounds up to a power of two of at least `from`; 0 stays 0.
fn coarse_count(count: u64, from: u64) -> u64 {
    if count == 0 { 0 } else { count.max(from).checked_next_power_of_two().unwrap_or(1 << 63) }
}

#[cfg(test)]
mod tests;
