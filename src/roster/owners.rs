//! Where the roster writes down who owns a prefix, when it is not its own table that the tap asks.

use super::address::Prefix;
use crate::meter::slot::Slot;
use std::io;

/// A look-up that lies elsewhere: in the kernel's maps.
pub trait Owners: Send + Sync {
    /// Makes the slot the owner of the prefix; [`Slot::UNATTRIBUTED`] for nobody. There is one
    /// writer at a time.
    ///
    /// # Errors
    /// When the look-up is full, or may not be changed; the owner is then the one before.
    fn set(&self, prefix: Prefix, slot: Slot) -> Result<(), OwnersRefused>;
}

/// The look-up did not take an owner. Carries nothing of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kernel's table of owners refuses an entry ({kind}); raise [store] capacity and restart")]
pub struct OwnersRefused {
    kind: io::ErrorKind,
}

impl OwnersRefused {
    /// The refusal with the kernel's reason.
    #[must_use]
    pub fn new(error: &io::Error) -> Self {
        Self { kind: error.kind() }
    }
}
