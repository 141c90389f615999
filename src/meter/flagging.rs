//! How flags are raised: the part of a policy that `[irregularity]` sets.
//!
//! Holds numbers of the policy, no traffic and no account.

use super::flags::rates::{Preset, Rates};
use super::units::DAY_SECONDS;

/// Nanoseconds of an hour.
const HOUR: u64 = 3600 * 1_000_000_000;

/// Ticks of a day.
const TICKS: u64 = 24;

/// How flags are raised.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Flagging {
    /// How readily.
    pub preset: Preset,
    /// Length of a tick.
    pub tick_nanoseconds: u64,
    /// When more than this share of the accounts would be raised on the contact list at once, none is: in millionths.
    pub mass_event_millionths: u32,
}

impl Flagging {
    /// What a configuration gets that sets nothing.
    ///
    /// # Source
    /// The design of the flags (irregularities.md, section 5).
    pub const DEFAULT: Self =
        Self { preset: Preset::Strict, tick_nanoseconds: HOUR, mass_event_millionths: 20_000 };

    /// The length of a tick where none is set: an hour, and of epochs below an hour, which only the lab and the demo
    /// have, a 24th.
    #[must_use]
    pub const fn tick_of(epoch_seconds: u64) -> u64 {
        if epoch_seconds < DAY_SECONDS / TICKS { epoch_seconds * 1_000_000_000 / TICKS } else { HOUR }
    }

    /// What is judged and learned at these lengths.
    #[must_use]
    pub fn rates(&self, epoch_seconds: u64) -> Rates {
        Rates::of(epoch_seconds, self.tick_nanoseconds, self.preset)
    }
}
