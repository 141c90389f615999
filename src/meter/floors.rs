//! What is compiled in, by profile: floors and ceilings of a policy, and the rate limits.
//!
//! No configuration can change these; the `lab` feature and the demo have their own.

use super::budget::Epsilon;
use super::units::DAY_SECONDS;

/// A set of floors; published as `blindmeter_build_info{profile=...}`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// The promised floors.
    Standard,
    /// A build with the `lab` feature: floors lifted for tests.
    Lab,
    /// The demo's own short epochs over synthetic accounts; no configuration can select it.
    Demo,
}

impl Profile {
    /// The profile of this build: standard, or lab if that feature is compiled in.
    pub const BUILT: Self = if cfg!(feature = "lab") { Self::Lab } else { Self::Standard };

    /// The published name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
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
                tick_nanoseconds: 3600 * 1_000_000_000,
            },
            Self::Lab | Self::Demo => Floors {
                epoch_seconds: 1,
                crowd: 1,
                refresh_seconds: 1,
                period_ceiling_seconds: 35 * DAY_SECONDS,
                epsilon_ceiling: Epsilon::of_billionths(1_000_000_000_000_000),
                counts_by_the_day: false,
                tick_nanoseconds: 1,
            },
        }
    }

    /// How often staff may look up and export; none for no limit.
    #[must_use]
    pub const fn look_ups(self) -> Option<LookUps> {
        match self {
            Self::Standard => Some(LookUps::STANDARD),
            Self::Lab | Self::Demo => None,
        }
    }
}

/// How often accounts may be looked up, by whoever has the role for it. An account may be exported
/// once a week, whoever asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LookUps {
    /// Look-ups of bands by one member of staff in a minute.
    pub shown_a_minute: u8,
    /// The same in a day.
    pub shown_a_day: u8,
    /// Look-ups that support as a whole may make in a day beyond each member's own share.
    pub shown_by_all_a_day: u16,
    /// Each member's own share of them: nobody can use it up for another.
    pub own_shown_a_day: u8,
    /// Accounts that one officer may export in a day; an export of the node's counts is one as well.
    pub exported_a_day: u8,
    /// Exports that one officer may only plan in a day: a plan tells whether the roster names the account.
    pub planned_a_day: u8,
    /// Corrections and erasures of one officer in a day: each writes the store anew.
    pub changed_a_day: u8,
    /// Accounts that all officers together may export in a week beyond each officer's own share: bounds what
    /// is kept.
    pub exported_by_all_a_week: u16,
    /// Each officer's own share of them.
    pub own_exported_a_week: u8,
    /// Members of support who may look up in a day: bounds what is kept.
    pub support_a_day: u16,
    /// Officers who may export in a week: bounds what is kept.
    pub officers_a_week: u16,
}

impl LookUps {
    /// The promised limits.
    ///
    /// # Source
    /// Privacy design, section 4, for each member; the budgets of a role are our own.
    pub const STANDARD: Self = Self {
        shown_a_minute: 30,
        shown_a_day: 100,
        shown_by_all_a_day: 1000,
        own_shown_a_day: 20,
        exported_a_day: 20,
        planned_a_day: 100,
        changed_a_day: 100,
        exported_by_all_a_week: 512,
        own_exported_a_week: 5,
        support_a_day: 256,
        officers_a_week: 64,
    };
}

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
    /// Whether the gate and the flag counts have one budget per day, however short the epochs are;
    /// otherwise they spend it in each epoch.
    pub counts_by_the_day: bool,
    /// Shortest tick of the flags, in nanoseconds.
    pub tick_nanoseconds: u64,
}
