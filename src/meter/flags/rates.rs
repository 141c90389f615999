//! Which constants hold for epochs and ticks of a length, and the two presets.
//!
//! The numbers were chosen for days and hours. For another length all that is counted in bytes or packets is
//! scaled by one factor, which is the same for every account. Knows lengths, and no time.

use super::super::units::DAY_SECONDS;
use super::constants::{
    ANY_HOUR, Constants, DAY, HOUR, SENSITIVE_DAY, STRICT_DAY, TICK, TICK_SENSITIVE, TICK_STRICT, Thresholds,
};
use super::numbers::{kept, ln, number};

const HOUR_SECONDS: u64 = 3600;
const SECOND: u64 = 1_000_000_000;

/// The least factor: with less, an epoch of the lab has too few packets for a logarithm of them to mean
/// something.
pub const LEAST_FACTOR: f64 = 1e-3;

/// How readily flags are raised.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Few false raises.
    Strict,
    /// A little more is found, at three times as many false raises.
    Sensitive,
}

impl Preset {
    /// The name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Sensitive => "sensitive",
        }
    }
}

/// How ticks are judged against levels that were learned from epochs.
#[derive(Clone, Copy)]
pub struct TickRate {
    /// What makes a tick active, a sender and so on.
    pub constants: Constants,
    /// Scores from which a tick shows something.
    pub thresholds: Thresholds,
    /// The logarithm of how many ticks an epoch has: what a tick's bytes are below an epoch's.
    pub shift: f32,
}

/// What is judged and learned at the end of an epoch, and at the end of a tick where it has several.
#[derive(Clone, Copy)]
pub struct Rates {
    /// At the end of an epoch.
    pub epoch: Constants,
    /// Scores from which an epoch shows something.
    pub thresholds: Thresholds,
    /// At the end of a tick.
    pub tick: Option<TickRate>,
}

impl Rates {
    /// The rates of epochs and ticks of these lengths.
    ///
    /// From half a day on, an epoch is judged as a day is, below as an hour is. One below an hour, which only the lab
    /// and the demo have, stands for a day.
    #[must_use]
    pub fn of(epoch_seconds: u64, tick_nanoseconds: u64, preset: Preset) -> Self {
        let day = match preset {
            Preset::Strict => STRICT_DAY,
            Preset::Sensitive => SENSITIVE_DAY,
        };
        let (constants, thresholds, unit) = if (HOUR_SECONDS..DAY_SECONDS / 2).contains(&epoch_seconds) {
            (HOUR, ANY_HOUR, HOUR_SECONDS)
        } else {
            (DAY, day, DAY_SECONDS)
        };
        let epoch_nanoseconds = epoch_seconds.saturating_mul(SECOND);
        let tick = (tick_nanoseconds < epoch_nanoseconds).then(|| TickRate {
            constants: TICK.scaled(factor(tick_nanoseconds, HOUR_SECONDS)),
            thresholds: if preset == Preset::Strict { TICK_STRICT } else { TICK_SENSITIVE },
            shift: kept(ln(number(epoch_nanoseconds) / number(tick_nanoseconds.max(1)))),
        });
        Self { epoch: constants.scaled(factor(epoch_nanoseconds, unit)), thresholds, tick }
    }
}

/// How long this is in units, but for the least factor.
fn factor(nanoseconds: u64, unit_seconds: u64) -> f64 {
    (number(nanoseconds) / number(unit_seconds * SECOND)).max(LEAST_FACTOR)
}
