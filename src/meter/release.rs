//! From sealed totals to a [`Release`]: the only thing about traffic that may be published.
//!
//! A release has no public constructor but [`Release::none`] (before the first); the core makes one from
//! a sealed epoch, after the gate. Holds no account, no address, no time.
//!
//! Noisy mode: the clamped sums get discrete Laplace noise, then are rounded to the step q (noise first:
//! rounding cannot undo it); [`super::epoch`] carries over what the noisy crowd gate holds back. The counts
//! of the node and of flags have noise of their own, gate or no gate: no series is without.
//!
//! Coarse mode: the totals get no noise and are rounded to the step q; the crowd gate is noisy; there is
//! no release when one account makes up more than a quarter of a direction; what is held back is dropped,
//! not carried over. One user's week alone, released in a crowd on the eighth day, would be that user's
//! week. The counts of the node are rounded down.

use super::flag_counts::{FlagCounts, KINDS};
use super::flags::kind::List;
use super::ledger::Sealed;
use super::node_series::NodeSeries;
use super::noise::{Randomness, Scale, discrete_laplace};
use super::policy::{
    ACCOUNTS_STEP, DOMINANCE_DIVISOR, Flagging, INTERRUPTION_SCALES, MASS_EVENT_SCALES, Policy,
};
use super::scope::UNIT_BYTES;
use super::share::{Opened, Place};

/// What one epoch publishes. Outside this file its fields can be read but not set.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Release {
    ordinal: u64,
    up_bytes: i64,
    down_bytes: i64,
    suppressed: bool,
    unattributed_up_bytes: i64,
    unattributed_down_bytes: i64,
    lost_packets: i64,
    malformed_packets: i64,
    irregular_accounts: [u64; KINDS.len()],
    mass_event: bool,
    interrupted: bool,
    tap_gap: bool,
    failed_attempts: i64,
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
        let rest = Self::of_node(ordinal, sealed, raised, policy, randomness);
        Self { up_bytes, down_bytes, suppressed, ..rest }
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
            ..Self::of_node(ordinal, sealed, raised, policy, randomness)
        }
    }

    /// The part that no crowd gates: the counts of the node, and those of flags where there are any.
    fn of_node(
        ordinal: u64,
        sealed: &Sealed,
        raised: &FlagCounts,
        policy: &Policy,
        randomness: &mut impl Randomness,
    ) -> Self {
        let mut shown = |count: u64, series: NodeSeries| {
            published(count, policy.node_scale(series), policy.node_step(series), randomness)
        };
        // What is sent to an address is its sender's to choose, and whether it has an owner then is a client's: of
        // a flood from outside, only as much is seen as one account may move.
        let unattributed_down = sealed.unattributed.down.bytes.min(NodeSeries::Unattributed.influence());
        let release = Self {
            ordinal,
            unattributed_up_bytes: shown(sealed.unattributed.up.bytes, NodeSeries::Unattributed),
            unattributed_down_bytes: shown(unattributed_down, NodeSeries::Unattributed),
            lost_packets: shown(sealed.lost.packets(), NodeSeries::Lost),
            malformed_packets: shown(sealed.malformed.packets(), NodeSeries::Malformed),
            failed_attempts: shown(raised.failed_attempts, NodeSeries::FailedAttempts),
            tap_gap: sealed.tap_gap,
            ..Self::none()
        };
        let Some(flags) = policy.flags else { return release };
        let irregular_accounts = raised.accounts.map(|accounts| {
            let shown = published(accounts, policy.flag_scale(), ACCOUNTS_STEP, randomness);
            u64::try_from(shown).unwrap_or(0)
        });
        Self {
            irregular_accounts,
            mass_event: is_mass_event(irregular_accounts, sealed.account_slots, flags, policy),
            interrupted: is_interrupted(raised.interruption, policy, randomness),
            ..release
        }
    }

    /// What a node of a fleet shows of an epoch by itself: nothing that traffic moves.
    pub(super) fn within_a_fleet(ordinal: u64, sealed: &Sealed) -> Self {
        Self { ordinal, tap_gap: sealed.tap_gap, ..Self::none() }
    }

    /// The release of a fleet's epoch: what its nodes' shares add up to, which has its noise. The bytes of epochs before
    /// it that were held back are in it.
    ///
    /// Every count is of accounts on nodes: one that is on two counts on both.
    #[must_use]
    pub fn of_fleet(ordinal: u64, opened: &Opened, policy: &Policy) -> Self {
        let suppressed = opened.at(Place::Active) < i64::try_from(policy.needed()).unwrap_or(i64::MAX);
        let bytes = |place, step| rounded(i128::from(opened.at(place)) * i128::from(UNIT_BYTES), step);
        let total = |place| if suppressed { 0 } else { bytes(place, policy.rounding_step()) };
        let count = |place, series| rounded(opened.at(place).into(), policy.node_step(series));
        let unattributed = |place| bytes(place, policy.node_step(NodeSeries::Unattributed));
        let release = Self {
            ordinal,
            up_bytes: total(Place::Up),
            down_bytes: total(Place::Down),
            suppressed,
            unattributed_up_bytes: unattributed(Place::UnattributedUp),
            unattributed_down_bytes: unattributed(Place::UnattributedDown),
            lost_packets: count(Place::Lost, NodeSeries::Lost),
            malformed_packets: count(Place::Malformed, NodeSeries::Malformed),
            failed_attempts: count(Place::FailedAttempts, NodeSeries::FailedAttempts),
            ..Self::none()
        };
        let Some(flags) = policy.flags else { return release };
        let irregular_accounts = opened
            .kinds()
            .map(|accounts| u64::try_from(rounded(accounts.into(), ACCOUNTS_STEP)).unwrap_or(0));
        let room = u64::try_from(opened.at(Place::Room)).unwrap_or(0) / opened.nodes.max(1);
        Self {
            irregular_accounts,
            mass_event: is_mass_event(irregular_accounts, room, flags, policy),
            interrupted: i128::from(opened.at(Place::CutOff))
                > times(policy.interruption_scale(), INTERRUPTION_SCALES),
            ..release
        }
    }

    /// A fleet's epoch of which nothing was opened: too few nodes had sent.
    #[must_use]
    pub fn unopened(ordinal: u64) -> Self {
        Self { ordinal, suppressed: true, ..Self::none() }
    }

    /// How many words encode a release.
    pub const WORDS: usize = 12 + KINDS.len();

    /// How many did before accounts that are unlike themselves were counted: the last word is theirs.
    pub const WORDS_OF_3: usize = Self::WORDS - 1;

    /// The release as words, for the store.
    #[must_use]
    pub fn words(&self) -> [u64; Self::WORDS] {
        let [heavy, pktflood, stall, surge, unusual, updrift, upload] = self.irregular_accounts;
        [
            self.ordinal,
            self.up_bytes.cast_unsigned(),
            self.down_bytes.cast_unsigned(),
            u64::from(self.suppressed),
            self.unattributed_up_bytes.cast_unsigned(),
            self.unattributed_down_bytes.cast_unsigned(),
            self.lost_packets.cast_unsigned(),
            self.malformed_packets.cast_unsigned(),
            u64::from(self.mass_event),
            u64::from(self.interrupted),
            u64::from(self.tap_gap),
            self.failed_attempts.cast_unsigned(),
            heavy,
            pktflood,
            stall,
            surge,
            updrift,
            upload,
            unusual,
        ]
    }

    /// A release drawn earlier and read back from the store; only the store may call this.
    pub(crate) fn of_words(words: [u64; Self::WORDS]) -> Self {
        let [ordinal, up, down, suppressed, unattributed_up, unattributed_down, rest @ ..] = words;
        let [lost, malformed, mass_event, interrupted, tap_gap, failed_attempts, accounts @ ..] = rest;
        let [heavy, pktflood, stall, surge, updrift, upload, unusual] = accounts;
        Self {
            ordinal,
            up_bytes: up.cast_signed(),
            down_bytes: down.cast_signed(),
            suppressed: suppressed != 0,
            unattributed_up_bytes: unattributed_up.cast_signed(),
            unattributed_down_bytes: unattributed_down.cast_signed(),
            lost_packets: lost.cast_signed(),
            malformed_packets: malformed.cast_signed(),
            irregular_accounts: [heavy, pktflood, stall, surge, unusual, updrift, upload],
            mass_event: mass_event != 0,
            interrupted: interrupted != 0,
            tap_gap: tap_gap != 0,
            failed_attempts: failed_attempts.cast_signed(),
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
    /// Bytes into the VPN from addresses that no account owns: a multiple of the series' step, negative if
    /// noise makes it so.
    #[must_use]
    pub fn unattributed_up_bytes(&self) -> i64 {
        self.unattributed_up_bytes
    }
    /// Bytes out of the VPN to addresses that no account owns; see [`Release::unattributed_up_bytes`].
    #[must_use]
    pub fn unattributed_down_bytes(&self) -> i64 {
        self.unattributed_down_bytes
    }
    /// Packets that the tap knows it missed; see [`Release::unattributed_up_bytes`].
    #[must_use]
    pub fn lost_packets(&self) -> i64 {
        self.lost_packets
    }
    /// Packets whose IP header could not be read; see [`Release::unattributed_up_bytes`].
    #[must_use]
    pub fn malformed_packets(&self) -> i64 {
        self.malformed_packets
    }
    /// Flagged accounts by kind, in the order of [`KINDS`]: multiples of 8, with noise in noisy mode.
    #[must_use]
    pub fn irregular_accounts(&self) -> [u64; KINDS.len()] {
        self.irregular_accounts
    }
    /// True when, by the released counts, too many accounts were irregular to list them.
    #[must_use]
    pub fn mass_event(&self) -> bool {
        self.mass_event
    }
    /// True when the node itself looked interrupted.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }
    /// True when the tap is known not to have counted for a part of the epoch, by events that traffic cannot
    /// cause, whether or not packets passed meanwhile.
    #[must_use]
    pub fn tap_gap(&self) -> bool {
        self.tap_gap
    }
    /// Failed log-ins that hooks reported; see [`Release::unattributed_up_bytes`].
    #[must_use]
    pub fn failed_attempts(&self) -> i64 {
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

/// A count with noise of this scale, rounded to the nearest multiple of the step; without a scale, rounded
/// down.
fn published(count: u64, scale: Option<Scale>, step: u64, randomness: &mut impl Randomness) -> i64 {
    match scale {
        Some(scale) => rounded(noised(count.into(), scale, randomness), step),
        None => i64::try_from(count / step * step).unwrap_or(rounded(i128::MAX, step)),
    }
}

/// From what is released alone: a count of the accounts behind it would be another thing told about them.
fn is_mass_event(
    irregular_accounts: [u64; KINDS.len()],
    account_slots: u64,
    flags: Flagging,
    policy: &Policy,
) -> bool {
    let to_contact =
        irregular_accounts.into_iter().zip(KINDS).filter(|(_, kind)| kind.list() == List::Contact);
    let by_noise = policy.flag_scale().map_or(0, |scale| times(scale, MASS_EVENT_SCALES));
    let share = i128::from(account_slots) * i128::from(flags.mass_event_millionths) / 1_000_000;
    let many = share.max(by_noise);
    to_contact.map(|(accounts, _)| i128::from(accounts)).sum::<i128>() > many
}

/// The noise hides one sender: the bit must not tell whether one more was cut off.
fn is_interrupted(interruption: i64, policy: &Policy, randomness: &mut impl Randomness) -> bool {
    let scale = policy.interruption_scale();
    let noisy = i128::from(interruption).saturating_add(discrete_laplace(randomness, scale));
    noisy > times(scale, INTERRUPTION_SCALES)
}

/// So many times a scale, rounded down.
fn times(scale: Scale, count: u64) -> i128 {
    let product = scale.numerator().saturating_mul(count.into()) / scale.denominator();
    i128::try_from(product).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests;
