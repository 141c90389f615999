//! Why the roster refuses a change. Carries nothing of an address or an account.

use super::owners::OwnersRefused;

/// Why an assignment was not made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// More accounts than there are slots.
    #[error(
        "more than {capacity} accounts, counted over all sources and those of this period that no source names any \
         more; raise [store] capacity and restart"
    )]
    CapacityExceeded {
        /// The number of accounts there is room for.
        capacity: usize,
    },
    /// The control socket has brought as many accounts as it may. Known and unknown ones are refused alike.
    #[error(
        "too few accounts are free for new ones over the control socket; raise [store] capacity and restart"
    )]
    SocketQuota,
    /// As many prefixes outside the pools as there is room for: the control socket's, or all others'.
    #[error(
        "room for {most} addresses outside roster.pools, and as many prefixes, of each IP version; list more pools, \
         or raise [store] capacity, and restart"
    )]
    OutsideFull {
        /// How many the tap's tables take of each kind.
        most: usize,
    },
    /// The tap's own look-up did not take the owner.
    #[error(transparent)]
    Owners(#[from] OwnersRefused),
}
