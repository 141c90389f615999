//! Check 12: whether somebody keeps the clock, by which epochs end.
//!
//! Sees the kernel's word on it, no time.

use super::subject::{ClockState, StoreLocation};
use super::verdict::{Finding, Verdict};

/// Check 12. In memory mode nothing rests on the clock but the moment of a release.
pub(super) fn clock(clock: &ClockState, store: &StoreLocation) -> Verdict {
    const REMEDY: &str = "run chrony or systemd-timesyncd, and wait until it has synchronised";
    let what = "the kernel's clock is not synchronised: epochs may close early, late or twice as long";
    let finding = match (clock, store) {
        (ClockState::Synchronised, _) => None,
        (ClockState::Unsynchronised, StoreLocation::None) => Some(Finding::note(what, REMEDY)),
        (ClockState::Unsynchronised, StoreLocation::Folder(_)) => Some(Finding::void(what, REMEDY)),
        (ClockState::Unsynchronised, StoreLocation::Unknown) => {
            let what = "whether it matters that the clock is not synchronised: no configuration was named";
            Some(Finding::unknown(what, format!("{REMEDY}; or name --config FILE")))
        }
        (ClockState::NotKnown(why), _) => {
            Some(Finding::unknown(format!("the state of the clock: {why}"), REMEDY))
        }
    };
    Verdict::of(12, "clock", "the clock is synchronised", finding.into_iter().collect())
}
