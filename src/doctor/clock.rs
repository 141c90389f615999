//! Check 12: whether the clock is synchronised, by which epochs close.
//!
//! Sees what the kernel says of it, and no time.

use super::subject::{ClockState, StoreLocation};
use super::verdict::{Finding, Verdict};

/// Check 12: a wrong clock closes epochs at the wrong time. In memory mode only the time of a release
/// depends on it.
pub(super) fn clock(clock: &ClockState, store: &StoreLocation) -> Verdict {
    const REMEDY: &str = "run chrony or systemd-timesyncd, and wait until it has synchronised";
    let what = "the clock is not synchronised: epochs may close early or late, or last twice as long";
    let finding = match (clock, store) {
        (ClockState::Synchronised, _) => None,
        (ClockState::Unsynchronised, StoreLocation::None) => Some(Finding::note(what, REMEDY)),
        (ClockState::Unsynchronised, StoreLocation::Folder(_)) => Some(Finding::void(what, REMEDY)),
        (ClockState::Unsynchronised, StoreLocation::Unknown) => {
            let what = "whether the unsynchronised clock matters: no configuration was given";
            Some(Finding::unknown(what, format!("{REMEDY}; or pass --config FILE")))
        }
        (ClockState::Unknown(why), _) => {
            Some(Finding::unknown(format!("the state of the clock: {why}"), REMEDY))
        }
    };
    Verdict::of(12, "clock", "the clock is synchronised", finding.into_iter().collect())
}
