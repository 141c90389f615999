//! How long a round to a cluster waits after one that failed: twice as long each time. Holds nothing.

use std::time::Duration;

/// The first time, ...
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// ... and the longest.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// The wait after a round that failed, which had waited so long itself.
pub(super) fn longer(wait: Duration) -> Duration {
    (wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT)
}
