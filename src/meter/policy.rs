//! Every parameter that affects privacy, and the published digest of them.
//!
//! Reads no files: the configuration passes in numbers, and a number below a floor is refused here, in
//! the core, where no other code can bypass it.

pub use super::crowd::SmallCrowd;
pub use super::flagging::Flagging;
pub use super::flags::rates::Preset;
pub use super::floors::{Floors, LookUps, Profile};
pub use super::scope::{FEWEST_NODES, LARGEST_BYTES, MOST_NODES, MOST_NODES_A_DAY, Scope, Terms};
pub use super::units::DAY_SECONDS;

use super::budget::{Epsilon, shares_of_a_day};
use super::node_series::{NODE_SERIES_EPSILON, NodeSeries};
use super::noise::Scale;
use super::scope::{SCALE_CEILING, UNIT_BYTES, in_units};
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
    /// Over what they are released; a fleet's are noisy.
    pub scope: Scope,
    /// How flags are raised; none where they are off: then their series are 0, and no noise is drawn for them.
    pub flags: Option<Flagging>,
}

/// An account with fewer bytes in an epoch does not count towards the crowd.
pub const ACTIVE_BYTES: u64 = 1 << 20;

/// Nor does one that sent fewer: what an account receives, another can send to all accounts.
pub const ACTIVE_SENT_BYTES: u64 = ACTIVE_BYTES / 16;

/// Budget of an account-day in the crowd gate: an account changes the number of active accounts by one.
///
/// # Source
/// Privacy design, section 3; the next three as well.
pub const GATE_EPSILON: Epsilon = Epsilon::of_billionths(300_000_000);

/// Most kinds of irregularity that an account counts for in an epoch.
pub const KINDS_OF_AN_ACCOUNT: u8 = 2;

/// Budget of an account-day in the flag counts together.
pub const FLAG_EPSILON: Epsilon = Epsilon::of_billionths(400_000_000);

/// Budget of an account-day in whether the node looks interrupted.
pub const INTERRUPTION_EPSILON: Epsilon = Epsilon::of_billionths(100_000_000);

/// The node looks interrupted above this many times the scale of the noise on it: noise alone gets there
/// in one epoch of 2,200.
pub const INTERRUPTION_SCALES: u64 = 7;

/// A mass event is more than the configured share of the slots for accounts, by default one in so many...
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
    /// The tick is shorter than its floor.
    Tick,
    /// The share of accounts that makes a mass event is 0, or above 1.
    MassEvent,
    /// A fleet's totals without noise.
    FleetMode,
    /// Fewer nodes than [`FEWEST_NODES`], or more than [`MOST_NODES`].
    Nodes,
    /// An account uses no node, more than must have sent, or more than [`MOST_NODES_A_DAY`].
    NodesADay,
    /// More than [`LARGEST_BYTES`] may pass the link of a fleet's node in an epoch.
    FleetLink,
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
        scope: Scope::Node,
        flags: Some(Flagging::DEFAULT),
    };

    /// Whether so many accounts are too few for an epoch ever to be released.
    #[must_use]
    pub fn small_crowd(&self, accounts: u64) -> Option<SmallCrowd> {
        let (crowd, floor) = (self.crowd, self.profile.floors().crowd);
        (accounts < crowd).then_some(SmallCrowd { accounts, crowd, floor })
    }

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
        } else if self.flags.is_some_and(|flags| flags.tick_nanoseconds < floors.tick_nanoseconds) {
            Err(PolicyError::Tick)
        } else if self.flags.is_some_and(|flags| !(1..=1_000_000).contains(&flags.mass_event_millionths)) {
            Err(PolicyError::MassEvent)
        } else {
            self.check_scope()?;
            self.check_noise()?;
            Ok(self)
        }
    }

    fn check_scope(&self) -> Result<(), PolicyError> {
        let Scope::Fleet(Terms { nodes, nodes_a_day }) = self.scope else { return Ok(()) };
        if self.mode == Mode::Coarse {
            Err(PolicyError::FleetMode)
        } else if !(FEWEST_NODES..=MOST_NODES).contains(&nodes) {
            Err(PolicyError::Nodes)
        } else if !(1..=nodes.min(MOST_NODES_A_DAY)).contains(&nodes_a_day) {
            Err(PolicyError::NodesADay)
        } else if u128::from(self.link_bits_per_second) * u128::from(self.epoch_seconds)
            > 8 * u128::from(LARGEST_BYTES)
        {
            Err(PolicyError::FleetLink)
        } else {
            Ok(())
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
        let ceiling = match self.scope {
            Scope::Node => NOISE_CEILING.into(),
            Scope::Fleet(_) => SCALE_CEILING * u128::from(UNIT_BYTES),
        };
        let is_above = self.undivided(epsilon, clamp_bytes) > ceiling * u128::from(epsilon.numerator());
        if is_above { Err(PolicyError::Noise) } else { Ok(()) }
    }

    /// Clamp times shares times the denominator of epsilon: below 2^(50 + 17 + 30).
    fn undivided(&self, epsilon: Epsilon, clamp_bytes: u64) -> u128 {
        let shares = u128::from(shares_of_a_day(self.epoch_seconds));
        u128::from(clamp_bytes) * shares * u128::from(epsilon.denominator())
    }

    /// The name of how a node releases, in `blindmeter_policy_info{mode=...}`: a fleet's node leaves it to the fleet.
    #[must_use]
    pub const fn published_mode(&self) -> &'static str {
        match self.scope {
            Scope::Node => self.mode.as_str(),
            Scope::Fleet(_) => self.scope.as_str(),
        }
    }

    /// Scale of the noise on each direction's bytes: the clamp divided by a share of epsilon. None in
    /// coarse mode.
    #[must_use]
    pub fn byte_scale(&self) -> Option<Scale> {
        let Mode::Noisy(Noise { epsilon, clamp_bytes }) = self.mode else { return None };
        match self.scope {
            Scope::Node => Some(Scale::new(self.undivided(epsilon, clamp_bytes), epsilon.numerator().into())),
            Scope::Fleet(_) => self
                .unit_scale()
                .map(|scale| Scale::new(scale.numerator() * u128::from(UNIT_BYTES), scale.denominator())),
        }
    }

    /// The same over a fleet, in [`UNIT_BYTES`]: of what an account adds on all of its nodes together. None of a
    /// single node.
    #[must_use]
    pub fn unit_scale(&self) -> Option<Scale> {
        let (Mode::Noisy(Noise { epsilon, clamp_bytes }), Scope::Fleet(terms)) = (self.mode, self.scope)
        else {
            return None;
        };
        let units = in_units(clamp_bytes, terms.nodes_a_day);
        Some(Scale::new(self.undivided(epsilon, units), epsilon.numerator().into()))
    }

    /// Of unattributed bytes over a fleet, in [`UNIT_BYTES`]; see [`Policy::node_scale`]. None of a single node.
    #[must_use]
    pub fn unattributed_unit_scale(&self) -> Option<Scale> {
        let (Mode::Noisy(_), Scope::Fleet(_)) = (self.mode, self.scope) else { return None };
        // The factor for several nodes is in the scale of a count.
        Some(self.count_scale(in_units(NodeSeries::Unattributed.influence(), 1), NODE_SERIES_EPSILON))
    }

    /// The most that an account may add to an epoch on one node, in bytes; unbounded in coarse mode.
    #[must_use]
    pub fn clamp_bytes(&self) -> u64 {
        match (self.mode, self.scope) {
            (Mode::Noisy(noise), Scope::Node) => noise.clamp_bytes,
            (Mode::Noisy(noise), Scope::Fleet(terms)) => {
                noise.clamp_bytes / u64::from(terms.nodes_a_day.max(1))
            }
            (Mode::Coarse, _) => u64::MAX,
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
            Mode::Noisy(_) => Some(self.count_scale(KINDS_OF_AN_ACCOUNT.into(), FLAG_EPSILON)),
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
        let flags = self.flag_scale().filter(|_| self.flags.is_some());
        let of = |series: NodeSeries| (series.as_str(), self.node_scale(series));
        let [attempts, lost, malformed, unattributed] = NodeSeries::ALL.map(of);
        [attempts, ("irregular_accounts", flags), lost, malformed, unattributed]
            .map(|(series, scale)| (series, scale.map_or(0, Scale::standard_deviation)))
    }

    /// Scale of the noise of a count that one account moves by so much: that, divided by a share of
    /// epsilon.
    fn count_scale(&self, influence: u64, epsilon: Epsilon) -> Scale {
        let shares = u128::from(self.count_shares() * self.nodes_of_an_account());
        Scale::new(
            u128::from(influence) * shares * u128::from(epsilon.denominator()),
            epsilon.numerator().into(),
        )
    }

    /// On how many nodes an account moves a count in a day.
    fn nodes_of_an_account(&self) -> u64 {
        match self.scope {
            Scope::Node => 1,
            Scope::Fleet(terms) => terms.nodes_a_day.into(),
        }
    }

    /// Active accounts that an epoch needs, before the gate's noise: one that is active on several nodes counts on each.
    #[must_use]
    pub fn needed(&self) -> u64 {
        self.crowd.saturating_mul(self.nodes_of_an_account())
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
        String::from(&self.hash().to_hex().as_str()[..16])
    }

    /// The digest as a number.
    #[must_use]
    pub fn number(&self) -> u64 {
        u64::from_be_bytes(self.hash().as_bytes().first_chunk().copied().unwrap_or_default())
    }

    fn hash(&self) -> blake3::Hash {
        let mut text = String::new();
        let floors = self.profile.floors();
        let fields: [(&str, u64); 24] = [
            ("epoch_seconds", self.epoch_seconds),
            ("crowd", self.crowd),
            ("link_bits_per_second", self.link_bits_per_second),
            ("refresh_seconds", self.refresh_seconds),
            ("period_seconds", self.period_seconds),
            ("active_bytes", ACTIVE_BYTES),
            ("active_sent_bytes", ACTIVE_SENT_BYTES),
            ("gate_epsilon_billionths", GATE_EPSILON.billionths()),
            ("flag_epsilon_billionths", FLAG_EPSILON.billionths()),
            ("interruption_epsilon_billionths", INTERRUPTION_EPSILON.billionths()),
            ("interruption_scales", INTERRUPTION_SCALES),
            ("mass_event_divisor", MASS_EVENT_DIVISOR),
            ("mass_event_scales", MASS_EVENT_SCALES),
            ("node_series_epsilon_billionths", NODE_SERIES_EPSILON.billionths()),
            ("raises_flags", self.flags.is_some().into()),
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
        if let Scope::Fleet(Terms { nodes, nodes_a_day }) = self.scope {
            put("fleet_nodes", nodes.into());
            put("fleet_nodes_a_day", nodes_a_day.into());
            put("fleet_unit_bytes", UNIT_BYTES);
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
        if let Some(flags) = self.flags {
            put("floor_tick_nanoseconds", floors.tick_nanoseconds);
            put("tick_nanoseconds", flags.tick_nanoseconds);
            put("sensitive", (flags.preset == Preset::Sensitive).into());
            put("mass_event_millionths", flags.mass_event_millionths.into());
        }
        for series in NodeSeries::ALL {
            put(series.as_str(), series.influence());
        }
        for edge in super::band::EDGES {
            put("band", edge);
        }
        blake3::hash(text.as_bytes())
    }
}

#[cfg(test)]
mod tests;
