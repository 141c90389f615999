//! Every parameter that affects privacy, and the published digest of them.
//!
//! Reads no files: the configuration passes in numbers, and a number below a floor is refused here, in
//! the core, where no other code can bypass it.

pub use super::floors::{Floors, LookUps, Profile};
pub use super::units::DAY_SECONDS;

use super::budget::{Epsilon, shares_of_a_day};
use super::node_series::{NODE_SERIES_EPSILON, NodeSeries};
use super::noise::Scale;
use alloc::string::String;
use core::fmt::Write;

/// How totals are released.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Clamped, with noise; what the gate holds back is carried over.
    Noisy(Noise),
    /// Rounded only; what is held back is dropped.
    Coarse,
}

/// The noise on the bytes of a release.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    /// Budget of an account-day.
    pub epsilon: Epsilon,
    /// The most that an account may add to an epoch in both directions together, in bytes; 1 to
    /// [`CLAMP_CEILING`].
    pub clamp_bytes: u64,
}

impl Mode {
    /// The name in the configuration, and in `blindmeter_policy_info{mode=...}`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Noisy(_) => "noisy",
            Self::Coarse => "coarse",
        }
    }
}

/// What a release may reveal and when, fixed for the life of the process.
#[derive(Clone, Copy)]
pub struct Policy {
    /// The floors that the other fields must respect.
    pub profile: Profile,
    /// Length of an epoch, in seconds.
    pub epoch_seconds: u64,
    /// How many accounts with at least [`ACTIVE_BYTES`] an epoch needs, before the gate's noise.
    pub crowd: u64,
    /// Capacity of the node's link, in bits per second: sets the rounding.
    pub link_bits_per_second: u64,
    /// Time between two refreshes of the bands, in seconds.
    pub refresh_seconds: u64,
    /// Length of the tumbling period, in seconds.
    pub period_seconds: u64,
    /// How totals are released.
    pub mode: Mode,
    /// Whether flags are raised: else their series are 0, and no noise is drawn for them.
    pub raises_flags: bool,
}

/// Fewer accounts than an epoch needs to be released; shown as what to do about it.
#[derive(Clone, Copy)]
pub struct SmallCrowd {
    /// Accounts that the roster names.
    pub accounts: u64,
    /// Accounts that an epoch needs.
    pub crowd: u64,
    /// The least that may be configured.
    pub floor: u64,
}

impl core::fmt::Display for SmallCrowd {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { accounts, crowd, floor } = self;
        write!(
            out,
            "release.crowd: the roster names {accounts} accounts, and an epoch with fewer than {crowd} active ones is \
             never released, so /metrics stays at 0; "
        )?;
        if accounts < floor {
            write!(
                out,
                "move accounts together on one node, {floor} at least; bands and exports work without"
            )
        } else {
            write!(out, "lower release.crowd (to {floor} at least), or bring more accounts here")
        }
    }
}

/// An account with fewer bytes in an epoch does not count towards the crowd.
pub const ACTIVE_BYTES: u64 = 1 << 20;

/// Budget of an account-day in the crowd gate: an account changes the number of active accounts by one.
///
/// # Source
/// Privacy design, section 3; the next three as well.
pub const GATE_EPSILON: Epsilon = Epsilon::of_billionths(300_000_000);

/// Most kinds of irregularity that an account counts for in an epoch.
pub const KINDS_OF_AN_ACCOUNT: u64 = 2;

/// Budget of an account-day in the flag counts together.
pub const FLAG_EPSILON: Epsilon = Epsilon::of_billionths(400_000_000);

/// Budget of an account-day in whether the node looks interrupted.
pub const INTERRUPTION_EPSILON: Epsilon = Epsilon::of_billionths(100_000_000);

/// The node looks interrupted above this many times the scale of the noise on it: noise alone gets there
/// in one epoch of 2,200.
pub const INTERRUPTION_SCALES: u64 = 7;

/// A mass event is more than one in so many of the slots for accounts...
pub const MASS_EVENT_DIVISOR: u64 = 50;

/// ...and more than this many times the scale of the flag counts' noise: noise alone gets there in one
/// epoch of several thousand.
pub const MASS_EVENT_SCALES: u64 = 13;

/// Counts of accounts are published in multiples of this.
pub const ACCOUNTS_STEP: u64 = 8;

/// An epoch is published this part of its length after its end.
const DELAY_DIVISOR: u64 = 144;

/// The largest clamp, in bytes: 1 PiB. Sums and scales are computed in 128 bits.
pub const CLAMP_CEILING: u64 = 1 << 50;

/// The largest scale of the noise on bytes, in bytes: with a larger one, half of the totals would not
/// fit in a metric (63 bits).
pub const NOISE_CEILING: u64 = 1 << 60;

/// No release when one account makes up more than a quarter of a direction (coarse mode).
pub const DOMINANCE_DIVISOR: u64 = 4;

/// A limit that a policy violates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PolicyError {
    /// The epoch is shorter than its floor.
    Epoch,
    /// The crowd is smaller than its floor.
    Crowd,
    /// The bands are refreshed more often than their floor.
    Refresh,
    /// The period is longer than its ceiling, or shorter than an epoch.
    Period,
    /// A rate of zero has no rounding step.
    Link,
    /// The epsilon is above its ceiling.
    Epsilon,
    /// The clamp is 0, or above [`CLAMP_CEILING`].
    Clamp,
    /// Clamp and epsilon together ask for more noise than [`NOISE_CEILING`].
    Noise,
}

impl Policy {
    /// The policy of a configuration that sets nothing else.
    pub const DEFAULT: Self = Self {
        profile: Profile::BUILT,
        epoch_seconds: DAY_SECONDS,
        crowd: 20,
        link_bits_per_second: 1_000_000_000,
        refresh_seconds: 7 * DAY_SECONDS,
        period_seconds: 28 * DAY_SECONDS,
        mode: Mode::Noisy(Noise { epsilon: Epsilon::of_billionths(1_000_000_000), clamp_bytes: 50 << 30 }),
        raises_flags: false,
    };

    /// Checks every floor and ceiling.
    ///
    /// # Errors
    /// The first limit that is violated.
    pub fn checked(self) -> Result<Self, PolicyError> {
        let floors = self.profile.floors();
        if self.epoch_seconds < floors.epoch_seconds {
            Err(PolicyError::Epoch)
        } else if self.crowd < floors.crowd {
            Err(PolicyError::Crowd)
        } else if self.refresh_seconds < floors.refresh_seconds {
            Err(PolicyError::Refresh)
        } else if self.period_seconds > floors.period_ceiling_seconds
            || self.period_seconds < self.epoch_seconds
        {
            Err(PolicyError::Period)
        } else if self.link_bits_per_second == 0 {
            Err(PolicyError::Link)
        } else {
            self.check_noise()?;
            Ok(self)
        }
    }

    fn check_noise(&self) -> Result<(), PolicyError> {
        let Mode::Noisy(Noise { epsilon, clamp_bytes }) = self.mode else { return Ok(()) };
        if epsilon.billionths() > self.profile.floors().epsilon_ceiling.billionths() {
            return Err(PolicyError::Epsilon);
        }
        if clamp_bytes == 0 || clamp_bytes > CLAMP_CEILING {
            return Err(PolicyError::Clamp);
        }
        let ceiling = u128::from(NOISE_CEILING) * u128::from(epsilon.numerator());
        if self.undivided(epsilon, clamp_bytes) > ceiling { Err(PolicyError::Noise) } else { Ok(()) }
    }

    /// Clamp times shares times the denominator of epsilon: below 2^(50 + 17 + 30).
    fn undivided(&self, epsilon: Epsilon, clamp_bytes: u64) -> u128 {
        let shares = u128::from(shares_of_a_day(self.epoch_seconds));
        u128::from(clamp_bytes) * shares * u128::from(epsilon.denominator())
    }

    /// Scale of the noise on each direction's bytes: the clamp divided by a share of epsilon. None in
    /// coarse mode.
    #[must_use]
    pub fn byte_scale(&self) -> Option<Scale> {
        let Mode::Noisy(Noise { epsilon, clamp_bytes }) = self.mode else { return None };
        Some(Scale::new(self.undivided(epsilon, clamp_bytes), epsilon.numerator().into()))
    }

    /// The most that an account may add to an epoch, in bytes; unbounded in coarse mode.
    #[must_use]
    pub fn clamp_bytes(&self) -> u64 {
        match self.mode {
            Mode::Noisy(noise) => noise.clamp_bytes,
            Mode::Coarse => u64::MAX,
        }
    }

    /// Scale of the crowd gate's noise. Coarse mode has no stated budget, and spends a day's in each
    /// epoch.
    #[must_use]
    pub fn gate_scale(&self) -> Scale {
        self.count_scale(1, GATE_EPSILON)
    }

    /// Scale of the noise of each flag count. None in coarse mode.
    #[must_use]
    pub fn flag_scale(&self) -> Option<Scale> {
        match self.mode {
            Mode::Noisy(_) => Some(self.count_scale(KINDS_OF_AN_ACCOUNT, FLAG_EPSILON)),
            Mode::Coarse => None,
        }
    }

    /// Scale of the noise on whether the node looks interrupted; for coarse mode see
    /// [`Policy::gate_scale`].
    #[must_use]
    pub fn interruption_scale(&self) -> Scale {
        self.count_scale(1, INTERRUPTION_EPSILON)
    }

    /// Scale of the noise of a series of the node; of unattributed bytes, in each direction: the influence
    /// bounds both together. None in coarse mode.
    #[must_use]
    pub fn node_scale(&self, series: NodeSeries) -> Option<Scale> {
        match self.mode {
            Mode::Noisy(_) => Some(self.count_scale(series.influence(), NODE_SERIES_EPSILON)),
            Mode::Coarse => None,
        }
    }

    /// A series of the node is published in multiples of this: the rounding step q for bytes, else its
    /// influence.
    #[must_use]
    pub fn node_step(&self, series: NodeSeries) -> u64 {
        match series {
            NodeSeries::Unattributed => self.rounding_step(),
            _ => series.influence(),
        }
    }

    /// Standard deviation of the noise of each series of the node and of the flag counts, to the nearest
    /// whole and before rounding; 0 where there is no noise.
    #[must_use]
    pub fn node_noise(&self) -> [(&'static str, u128); 5] {
        let flags = self.flag_scale().filter(|_| self.raises_flags);
        let of = |series: NodeSeries| (series.as_str(), self.node_scale(series));
        let [attempts, lost, malformed, unattributed] = NodeSeries::ALL.map(of);
        [attempts, ("irregular_accounts", flags), lost, malformed, unattributed]
            .map(|(series, scale)| (series, scale.map_or(0, Scale::standard_deviation)))
    }

    /// Scale of the noise of a count that one account moves by so much: that, divided by a share of
    /// epsilon.
    fn count_scale(&self, influence: u64, epsilon: Epsilon) -> Scale {
        let shares = u128::from(self.count_shares());
        Scale::new(
            u128::from(influence) * shares * u128::from(epsilon.denominator()),
            epsilon.numerator().into(),
        )
    }

    /// Into how many shares the budgets of gate, flags and node series are divided.
    fn count_shares(&self) -> u64 {
        match self.mode {
            Mode::Noisy(_) if self.profile.floors().counts_by_the_day => shares_of_a_day(self.epoch_seconds),
            _ => 1,
        }
    }

    /// The rounding step q in bytes: the power of two at or above a thousandth of what the link
    /// can carry in an epoch; at most 2^62.
    #[must_use]
    pub fn rounding_step(&self) -> u64 {
        let carried = u128::from(self.link_bits_per_second) * u128::from(self.epoch_seconds) / 8;
        let step = carried.div_ceil(1000).max(1).next_power_of_two();
        u64::try_from(step.min(1 << 62)).unwrap_or(1 << 62)
    }

    /// Time between the end of an epoch and its publication: a fixed 144th of the epoch, in nanoseconds
    /// so that it suits short epochs as well.
    #[must_use]
    pub fn delay_nanoseconds(&self) -> u64 {
        self.epoch_seconds.saturating_mul(1_000_000_000) / DELAY_DIVISOR
    }

    /// Sixteen hexadecimal digits over every parameter above that is in force, so that a changed policy
    /// shows.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut text = String::new();
        let floors = self.profile.floors();
        let fields: [(&str, u64); 23] = [
            ("epoch_seconds", self.epoch_seconds),
            ("crowd", self.crowd),
            ("link_bits_per_second", self.link_bits_per_second),
            ("refresh_seconds", self.refresh_seconds),
            ("period_seconds", self.period_seconds),
            ("active_bytes", ACTIVE_BYTES),
            ("gate_epsilon_billionths", GATE_EPSILON.billionths()),
            ("flag_epsilon_billionths", FLAG_EPSILON.billionths()),
            ("interruption_epsilon_billionths", INTERRUPTION_EPSILON.billionths()),
            ("interruption_scales", INTERRUPTION_SCALES),
            ("mass_event_divisor", MASS_EVENT_DIVISOR),
            ("mass_event_scales", MASS_EVENT_SCALES),
            ("node_series_epsilon_billionths", NODE_SERIES_EPSILON.billionths()),
            ("raises_flags", self.raises_flags.into()),
            ("dominance_divisor", DOMINANCE_DIVISOR),
            ("accounts_step", ACCOUNTS_STEP),
            ("delay_divisor", DELAY_DIVISOR),
            ("floor_epoch_seconds", floors.epoch_seconds),
            ("floor_crowd", floors.crowd),
            ("floor_refresh_seconds", floors.refresh_seconds),
            ("ceiling_period_seconds", floors.period_ceiling_seconds),
            ("ceiling_epsilon_billionths", floors.epsilon_ceiling.billionths()),
            ("counts_by_the_day", floors.counts_by_the_day.into()),
        ];
        text.push_str("blindmeter policy 1\nmode=");
        text.push_str(self.mode.as_str());
        text.push_str("\nprofile=");
        text.push_str(self.profile.as_str());
        let mut put = |name: &str, value: u64| {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n{name}={value}");
        };
        for (name, value) in fields {
            put(name, value);
        }
        if let Mode::Noisy(Noise { epsilon, clamp_bytes }) = self.mode {
            put("epsilon_numerator", epsilon.numerator());
            put("epsilon_denominator", epsilon.denominator());
            put("clamp_bytes", clamp_bytes);
            put("shares", shares_of_a_day(self.epoch_seconds));
        }
        if let Some(look_ups) = self.profile.look_ups() {
            put("shown_a_minute", look_ups.shown_a_minute.into());
            put("shown_a_day", look_ups.shown_a_day.into());
            put("exported_a_day", look_ups.exported_a_day.into());
            put("exported_by_all_a_week", look_ups.exported_by_all_a_week.into());
            put("own_exported_a_week", look_ups.own_exported_a_week.into());
            put("shown_by_all_a_day", look_ups.shown_by_all_a_day.into());
            put("own_shown_a_day", look_ups.own_shown_a_day.into());
            put("support_a_day", look_ups.support_a_day.into());
            put("officers_a_week", look_ups.officers_a_week.into());
        }
        for series in NodeSeries::ALL {
            put(series.as_str(), series.influence());
        }
        for edge in super::band::EDGES {
            put("band", edge);
        }
        let digest = blake3::hash(text.as_bytes()).to_hex();
        String::from(&digest.as_str()[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDARD: Policy = Policy { profile: Profile::Standard, ..Policy::DEFAULT };

    #[test]
    fn a_policy_below_a_floor_is_refused() {
        let broken = |policy: Policy| policy.checked().err();
        assert!(broken(STANDARD).is_none());
        assert!(broken(Policy { epoch_seconds: 3599, ..STANDARD }) == Some(PolicyError::Epoch));
        assert!(broken(Policy { crowd: 9, ..STANDARD }) == Some(PolicyError::Crowd));
        assert!(
            broken(Policy { refresh_seconds: 6 * DAY_SECONDS, ..STANDARD }) == Some(PolicyError::Refresh)
        );
        assert!(broken(Policy { period_seconds: 36 * DAY_SECONDS, ..STANDARD }) == Some(PolicyError::Period));
        assert!(broken(Policy { period_seconds: 3600, ..STANDARD }) == Some(PolicyError::Period));
        assert!(broken(Policy { link_bits_per_second: 0, ..STANDARD }) == Some(PolicyError::Link));
    }

    fn noisy(epsilon: &str, clamp_bytes: u64) -> Policy {
        let epsilon = Epsilon::of_decimal(epsilon).unwrap();
        Policy { mode: Mode::Noisy(Noise { epsilon, clamp_bytes }), ..STANDARD }
    }

    #[test]
    fn noise_that_is_too_small_or_cannot_be_computed_is_refused() {
        let broken = |policy: Policy| policy.checked().err();
        assert!(broken(noisy("0.000000001", 1)).is_none());
        assert!(broken(noisy("1.000000001", 1)) == Some(PolicyError::Epsilon));
        assert!(broken(Policy { profile: Profile::Lab, ..noisy("28800", 1) }).is_none());
        assert!(broken(noisy("1", 0)) == Some(PolicyError::Clamp));
        assert!(broken(noisy("1", CLAMP_CEILING)).is_none());
        assert!(broken(noisy("1", CLAMP_CEILING + 1)) == Some(PolicyError::Clamp));
        assert!(broken(noisy("0.000976563", CLAMP_CEILING)).is_none());
        assert!(broken(noisy("0.000976562", CLAMP_CEILING)) == Some(PolicyError::Noise));
        // The largest scale that passes at all is far below what the sampler takes.
        let largest =
            Policy { profile: Profile::Lab, epoch_seconds: 1, ..noisy("84.375000001", CLAMP_CEILING) };
        let scale = largest.checked().ok().and_then(|policy| policy.byte_scale()).unwrap();
        assert!(scale.numerator() < Scale::CEILING >> 15);
    }

    #[test]
    fn the_scales_are_those_of_a_share_of_the_day() {
        let scale = |policy: Policy| {
            let scale = policy.byte_scale().unwrap();
            (scale.numerator(), scale.denominator())
        };
        let gib = |count: u128| count << 30;
        assert_eq!(scale(STANDARD), (gib(50), 1));
        assert_eq!(scale(Policy { epoch_seconds: 3600, ..STANDARD }), (gib(50 * 24), 1));
        assert_eq!(scale(Policy { epoch_seconds: 3600, ..noisy("0.7", 1 << 20) }), (240 << 20, 7));
        assert_eq!(scale(Policy { epoch_seconds: 2 * DAY_SECONDS, ..STANDARD }), (gib(100), 1));
        for (epoch_seconds, mode, shares) in
            [(DAY_SECONDS, STANDARD.mode, 1), (3600, STANDARD.mode, 24), (3600, Mode::Coarse, 1)]
        {
            let policy = Policy { epoch_seconds, mode, ..STANDARD };
            assert!(policy.gate_scale() == Scale::new(10 * shares, 3));
            assert!(policy.interruption_scale() == Scale::new(10 * shares, 1));
            let is_noisy = mode != Mode::Coarse;
            assert!(policy.flag_scale() == is_noisy.then(|| Scale::new(5 * shares, 1)));
        }
        let lab = Policy { profile: Profile::Lab, epoch_seconds: 5, ..STANDARD };
        assert!(lab.gate_scale() == Scale::new(10, 3));
        assert_eq!(scale(lab), (gib(50 * 17_280), 1));
    }

    #[test]
    fn the_noise_of_a_node_series_is_twenty_times_the_influence_of_a_day() {
        for series in NodeSeries::ALL {
            let influence = u128::from(series.influence());
            let scale = |policy: Policy| policy.node_scale(series);
            assert!(scale(STANDARD) == Some(Scale::new(20 * influence, 1)));
            let hourly = Policy { epoch_seconds: 3600, ..STANDARD };
            assert!(scale(hourly) == Some(Scale::new(24 * 20 * influence, 1)));
            let longer = Policy { epoch_seconds: 7 * DAY_SECONDS, ..STANDARD };
            assert!(scale(longer) == Some(Scale::new(2 * 20 * influence, 1)));
            assert!(scale(Policy { mode: Mode::Coarse, ..STANDARD }).is_none());
        }
        let steps = NodeSeries::ALL.map(|series| STANDARD.node_step(series));
        assert_eq!(steps, [64, 1 << 20, 1 << 16, 1 << 34]);
    }

    #[test]
    fn the_noise_of_flag_counts_is_told_where_it_is_drawn() {
        let flags = |policy: Policy| policy.node_noise()[1];
        assert_eq!(flags(STANDARD), ("irregular_accounts", 0));
        assert_eq!(flags(Policy { raises_flags: true, ..STANDARD }), ("irregular_accounts", 7));
        let coarse = Policy { raises_flags: true, mode: Mode::Coarse, ..STANDARD };
        assert!(coarse.node_noise().iter().all(|(_, stddev)| *stddev == 0));
    }

    #[test]
    fn the_rounding_step_is_the_power_of_two_above_a_thousandth_of_the_link() {
        // 1 Gbit/s over a day is 10.8e12 bytes; a thousandth is 10.8e9; the power above is 2^34.
        assert_eq!(STANDARD.rounding_step(), 1 << 34);
        assert_eq!(Policy { link_bits_per_second: 100_000_000, ..STANDARD }.rounding_step(), 1 << 31);
        assert_eq!(Policy { link_bits_per_second: 1, epoch_seconds: 1, ..STANDARD }.rounding_step(), 1);
    }

    #[test]
    fn every_parameter_changes_the_digest() {
        let digest = STANDARD.digest();
        assert_eq!(digest.len(), 16);
        for other in [
            Policy { profile: Profile::Demo, ..STANDARD },
            Policy { epoch_seconds: 3600, ..STANDARD },
            Policy { crowd: 21, ..STANDARD },
            Policy { link_bits_per_second: 2, ..STANDARD },
            Policy { refresh_seconds: 8 * DAY_SECONDS, ..STANDARD },
            Policy { period_seconds: 27 * DAY_SECONDS, ..STANDARD },
            Policy { mode: Mode::Coarse, ..STANDARD },
            Policy { raises_flags: true, ..STANDARD },
            noisy("0.999999999", 50 << 30),
            noisy("1.0", (50 << 30) - 1),
        ] {
            assert_ne!(other.digest(), digest);
        }
    }
}
