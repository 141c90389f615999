//! What is compiled in: floors and ceilings of a policy, by profile.
//!
//! No configuration reaches these; the `lab` feature and the demo have their own.

use super::budget::Epsilon;

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
                epsilon_ceiling: Epsilon::of_billionths(1_000_000_000),
                counts_by_the_day: true,
            },
            Self::Lab | Self::Demo => Floors {
                epoch_seconds: 1,
                crowd: 1,
                refresh_seconds: 1,
                period_ceiling_seconds: 35 * DAY_SECONDS,
                epsilon_ceiling: Epsilon::of_billionths(1_000_000_000_000_000),
                counts_by_the_day: false,
            },
        }
    }
}

/// Seconds of a day.
pub const DAY_SECONDS: u64 = 86_400;

/// The smallest and largest values that a policy may hold.
///
/// # Source
/// Privacy design: L24 (floors are compiled in), section 3 (crowd, epsilon, budget), section 4
/// (refresh, period).
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
    /// Largest epsilon for the bytes of an account-day.
    pub epsilon_ceiling: Epsilon,
    /// Whether the gate and the flag counts have one budget for a day, however short the epochs are;
    /// else they spend it in each epoch.
    pub counts_by_the_day: bool,
}
