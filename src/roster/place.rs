//! Where an assignment holds: on every interface, or on one that it names, which is a small number here.
//!
//! Holds no name and no address.

/// Where an assignment holds: on every interface, or on the one of this number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Place(u16);

/// Numbers of places, that of every interface included.
pub const PLACES: usize = 1024;

/// Why a text stands for no interface. Carries nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// No pattern of `tap.interfaces` matches it.
    #[error("tap.interfaces does not match this interface; add it there, or correct the name")]
    NotMetered,
    /// More names than there are numbers.
    #[error("more than {} interfaces are named; name fewer, and restart", PLACES - 1)]
    TooMany,
}

impl Place {
    /// Every interface.
    pub const ANY: Self = Self(0);

    /// The number; 0 for every interface.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The place of a number.
    #[must_use]
    pub fn of_number(number: u32) -> Option<Self> {
        u16::try_from(number).ok().filter(|number| usize::from(*number) < PLACES).map(Self)
    }
}
