//! Every parameter that touches privacy, the floors under them, and the digest that is published.
//!
//! Holds no reading of files: the configuration hands in numbers, and a number below a floor is
//! refused here, in the core, where no other code can go around it.

use alloc::string::String;
use core::fmt::Write;

/// Which set of floors is compiled in or built in; published as `blindmeter_info{profile=...}`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// The floors of the promise.
    Standard,
    /// A build with the `lab` feature: floors lifted for tests.
    Lab,
    /// The demo's own short epochs over synthetic accounts; no configuration can select it.
    Demo,
}

impl Profile {
    /// The profile of this build: standard, or lab where that feature is compiled in.
    pub const BUILT: Self = if cfg!(feature = "lab") { Self::Lab } else { Self::Standard };

    /// The word that is published.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Lab => "lab",
            Self::Demo => "demo",
        }
    }

    /// The floors and ceilings in force under this profile.
    #[must_use]
    pub const fn floors(self) -> Floors {
        match self {
            Self::Standard => Floors {
                epoch_seconds: 3600,
                crowd: 10,
                refresh_seconds: 7 * DAY_SECONDS,
                period_ceiling_seconds: 35 * DAY_SECONDS,
            },
            Self::Lab | Self::Demo => Floors {
                epoch_seconds: 1,
                crowd: 1,
                refresh_seconds: 1,
                period_ceiling_seconds: 35 * DAY_SECONDS,
            },
        }
    }
}

/// Seconds of a day.
pub const DAY_SECONDS: u64 = 86_400;

/// The smallest and largest values that a policy may hold.
///
/// # Source
/// Privacy design: L24 (floors are compiled in), section 3 (crowd), section 4 (refresh, period).
#[derive(Clone, Copy)]
pub struct Floors {
    /// Shortest epoch, in seconds.
    pub epoch_seconds: u64,
    /// Smallest crowd, in accounts.
    pub crowd: u64,
    /// Shortest time between two refreshes of the bands, in seconds.
    pub refresh_seconds: u64,
    /// Longest period over which totals add up, in seconds.
    pub period_ceiling_seconds: u64,
}

/// What a release may say and when, fixed for the life of the process.
#[derive(Clone, Copy)]
pub struct Policy {
    /// The floors that the other fields have passed.
    pub profile: Profile,
    /// Length of an epoch, in seconds.
    pub epoch_seconds: u64,
    /// Accounts of at least [`ACTIVE_BYTES`] that an epoch needs, before the gate's noise.
    pub crowd: u64,
    /// Capacity of the node's link, in bits per second: sets the rounding.
    pub link_bits_per_second: u64,
    /// Time between two refreshes of the bands, in seconds.
    pub refresh_seconds: u64,
    /// Length of the tumbling period, in seconds.
    pub period_seconds: u64,
}

/// An account with fewer bytes in an epoch does not count towards the crowd.
pub const ACTIVE_BYTES: u64 = 1 << 20;

/// Scale of the gate's discrete Laplace noise: an epsilon of 0.5.
pub const GATE_SCALE: u64 = 2;

/// No release when one account makes more than a quarter of a direction (coarse mode).
pub const DOMINANCE_DIVISOR: u64 = 4;

/// A limit that a policy breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Broken {
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
}

impl Policy {
    /// The policy of a configuration that says nothing else.
    pub const DEFAULT: Self = Self {
        profile: Profile::BUILT,
        epoch_seconds: DAY_SECONDS,
        crowd: 20,
        link_bits_per_second: 1_000_000_000,
        refresh_seconds: 7 * DAY_SECONDS,
        period_seconds: 28 * DAY_SECONDS,
    };

    /// Checks every floor and ceiling.
    ///
    /// # Errors
    /// The first limit that is broken.
    pub fn checked(self) -> Result<Self, Broken> {
        let floors = self.profile.floors();
        if self.epoch_seconds < floors.epoch_seconds {
            Err(Broken::Epoch)
        } else if self.crowd < floors.crowd {
            Err(Broken::Crowd)
        } else if self.refresh_seconds < floors.refresh_seconds {
            Err(Broken::Refresh)
        } else if self.period_seconds > floors.period_ceiling_seconds
            || self.period_seconds < self.epoch_seconds
        {
            Err(Broken::Period)
        } else if self.link_bits_per_second == 0 {
            Err(Broken::Link)
        } else {
            Ok(self)
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

    /// Seconds between the end of an epoch and its publication: a fixed 144th of the epoch, in
    /// nanoseconds so that a short epoch has one as well.
    #[must_use]
    pub fn delay_nanoseconds(&self) -> u64 {
        self.epoch_seconds.saturating_mul(1_000_000_000) / 144
    }

    /// Sixteen hexadecimal digits over every parameter above: a policy that was changed shows.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut text = String::new();
        let floors = self.profile.floors();
        let fields: [(&str, u64); 12] = [
            ("epoch_seconds", self.epoch_seconds),
            ("crowd", self.crowd),
            ("link_bits_per_second", self.link_bits_per_second),
            ("refresh_seconds", self.refresh_seconds),
            ("period_seconds", self.period_seconds),
            ("active_bytes", ACTIVE_BYTES),
            ("gate_scale", GATE_SCALE),
            ("dominance_divisor", DOMINANCE_DIVISOR),
            ("floor_epoch_seconds", floors.epoch_seconds),
            ("floor_crowd", floors.crowd),
            ("floor_refresh_seconds", floors.refresh_seconds),
            ("ceiling_period_seconds", floors.period_ceiling_seconds),
        ];
        text.push_str("blindmeter policy 1\nmode=coarse\nprofile=");
        text.push_str(self.profile.word());
        for (name, value) in fields {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n{name}={value}");
        }
        for edge in super::band::EDGES {
            let _ = write!(text, "\nband={edge}");
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
        assert!(broken(Policy { epoch_seconds: 3599, ..STANDARD }) == Some(Broken::Epoch));
        assert!(broken(Policy { crowd: 9, ..STANDARD }) == Some(Broken::Crowd));
        assert!(broken(Policy { refresh_seconds: 6 * DAY_SECONDS, ..STANDARD }) == Some(Broken::Refresh));
        assert!(broken(Policy { period_seconds: 36 * DAY_SECONDS, ..STANDARD }) == Some(Broken::Period));
        assert!(broken(Policy { period_seconds: 3600, ..STANDARD }) == Some(Broken::Period));
        assert!(broken(Policy { link_bits_per_second: 0, ..STANDARD }) == Some(Broken::Link));
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
        ] {
            assert_ne!(other.digest(), digest);
        }
    }
}
