//! Why the roster refuses a change. Carries nothing of an address or an account.

use super::owners::OwnersRefused;

/// Why an assignment was not made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// More accounts than there are slots.
    #[error("more than {capacity} accounts; raise [store] capacity and restart")]
    CapacityExceeded {
        /// The number of accounts there is room for.
        capacity: usize,
    },
    /// An assignment names an interface, and the kernel's program does not tell one from another.
    #[error(
        "the kernel tap knows one owner of an address for all interfaces; set tap.backend = \"ring\" and \
         restart, or leave the interface out"
    )]
    OneForAllInterfaces,
    /// The tap's own look-up did not take the owner.
    #[error(transparent)]
    Owners(#[from] OwnersRefused),
}
