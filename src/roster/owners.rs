//! Where the roster writes down who owns a prefix, when it is not its own table that the tap asks.

use super::address::Prefix;
use super::place::Place;
use crate::meter::slot::Slot;
use crate::meter::tags::Tags;
use std::io;

/// Entries of each of the tap's tables, for each account that there is room for.
const ENTRIES_OF_AN_ACCOUNT: usize = 4;

/// At least so many: the kernel takes memory for those that there are, and 16 bytes for each that there may be.
const LEAST_ENTRIES: usize = 1 << 16;

/// Entries of each of the tap's tables, with room for so many accounts.
#[must_use]
pub const fn table_entries(accounts: usize) -> usize {
    let entries = accounts.saturating_mul(ENTRIES_OF_AN_ACCOUNT);
    if entries < LEAST_ENTRIES { LEAST_ENTRIES } else { entries }
}

/// A prefix and its owner, as the look-up holds them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// The prefix.
    pub prefix: Prefix,
    /// Its owner; [`Slot::UNATTRIBUTED`] for nobody.
    pub slot: Slot,
    /// The code of the source that named the owner (`Source::code`).
    pub source: u8,
}

/// A look-up that lies elsewhere: in the kernel's maps.
pub trait Owners: Send + Sync {
    /// Makes the slot the owner of the prefix. There is one writer at a time.
    ///
    /// # Errors
    /// When the look-up is full, or may not be changed; the owner is then the one before.
    fn set(&self, owned: Owned) -> Result<(), OwnersRefused>;

    /// Tells every prefix that has an owner, in no order. No owner may be set meanwhile.
    ///
    /// # Errors
    /// When the look-up cannot be read.
    fn each(&self, look: &mut dyn FnMut(Owned)) -> Result<(), OwnersRefused>;

    /// The tags of interfaces that owners are of.
    fn names(&self) -> Tags;

    /// Makes owners of this place those of the interface of this index; [`Place::ANY`] for none of its own.
    ///
    /// # Errors
    /// When the look-up may not be changed.
    fn stand(&self, index: u32, place: Place) -> Result<(), OwnersRefused>;

    /// The interfaces that have owners of their own.
    fn standing(&self) -> Vec<(u32, Place)>;
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
